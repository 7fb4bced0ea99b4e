//! Gathers calls: while some are carried out, all others wait, and are the next ones, together.
//!
//! So the pace of a disk or of a server sets how many share one commit or one round trip, and whoever
//! waits is woken beside the others, by a task of their own thread.

use std::{collections::VecDeque, mem, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use super::Accepted;
use crate::store::{Content, Pending, StoreError};

/// Most calls that are carried out together.
const TOGETHER_MAX: usize = 1024;

/// What becomes of one call.
pub type Done = Result<Vec<Accepted>, StoreError>;

/// Carries out calls together. It ends within a limit of its own.
pub trait Together: Send + Sync + 'static {
    /// Accepts the contents of calls, in order, and says for each call what has become of it.
    fn accept(&self, calls: Vec<Vec<Content>>) -> Pending<'_, Vec<Done>>;
}

/// Has calls carried out together.
#[derive(Debug)]
pub struct Gatherer<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    together: T,
    state: Mutex<State>,
    /// Owns the task.
    tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Call>,
    /// A task carries them out.
    has_task: bool,
}

#[derive(Debug)]
struct Call {
    contents: Vec<Content>,
    caller: oneshot::Sender<Done>,
}

/// Says that there is no task any more, also when it ended in the middle: nobody waits for one that is
/// not there.
struct Task<'a>(Option<&'a Mutex<State>>);

// === impl Gatherer ===

impl<T: Together> Gatherer<T> {
    /// Has calls carried out by this.
    pub fn new(together: T) -> Self {
        Self(Arc::new(Inner {
            together,
            state: Mutex::default(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Has a call carried out beside others, behind those that were made before.
    ///
    /// # Errors
    ///
    /// Those of [`Together::accept`]; [`StoreError::Unavailable`] when the runtime ends.
    ///
    /// Not cancel safe: it may be carried out or not. The others are.
    pub async fn accept(&self, contents: Vec<Content>) -> Done {
        let (caller, done) = oneshot::channel();
        let has_task = {
            let mut state = self.0.state.lock();
            state.waiting.push_back(Call { contents, caller });
            mem::replace(&mut state.has_task, true)
        };
        if !has_task {
            self.0.tasks.spawn(run(Arc::clone(&self.0)));
        }
        let ended = |_| Err(StoreError::Unavailable("the node ends".into()));
        done.await.unwrap_or_else(ended)
    }
}

/// Carries out what waits until nothing does. The next calls are handed over before the callers of
/// those before are woken.
async fn run<T: Together>(inner: Arc<Inner<T>>) {
    let mut task = Task(Some(&inner.state));
    let mut before = Vec::new();
    while let Some(calls) = task.next() {
        let (contents, callers): (Vec<_>, Vec<_>) = calls
            .into_iter()
            .map(|Call { contents, caller }| (contents, caller))
            .unzip();
        let (accepted, ()) = tokio::join!(biased; inner.together.accept(contents), async {
            answer(mem::take(&mut before));
        });
        before = match accepted {
            Ok(done) => callers.into_iter().zip(done).collect(),
            Err(error) => {
                let failed = |caller| (caller, Err(error.clone()));
                callers.into_iter().map(failed).collect()
            }
        };
    }
    answer(before);
}

fn answer(calls: Vec<(oneshot::Sender<Done>, Done)>) {
    for (caller, done) in calls {
        // It may have given up.
        let _ = caller.send(done);
    }
}

// === impl Task ===

impl Task<'_> {
    fn next(&mut self) -> Option<Vec<Call>> {
        let mut state = self.0?.lock();
        if state.waiting.is_empty() {
            state.has_task = false;
            drop(state);
            self.0 = None;
            return None;
        }
        let count = state.waiting.len().min(TOGETHER_MAX);
        Some(state.waiting.drain(..count).collect())
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        if let Some(state) = self.0 {
            let mut state = state.lock();
            state.has_task = false;
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future, time::Duration};

    use tokio::{sync::Semaphore, time};

    use super::*;
    use crate::{id::Person, record::RecordId, store::Chat};

    /// Carries out a batch for each permit, and tells how many calls were in it by the ids.
    #[derive(Debug)]
    struct Counter(Semaphore);

    impl Together for Arc<Counter> {
        fn accept(&self, calls: Vec<Vec<Content>>) -> Pending<'_, Vec<Done>> {
            Box::pin(async move {
                let permit = self.0.acquire().await;
                permit
                    .map_err(|_| StoreError::Unavailable("closed".into()))?
                    .forget();
                let count = RecordId(calls.len() as u64);
                let kept = |_| Accepted::Kept {
                    id: count,
                    is_repeat: false,
                };
                let done = calls
                    .into_iter()
                    .map(|contents| Ok(contents.into_iter().map(kept).collect()));
                Ok(done.collect())
            })
        }
    }

    fn content() -> Content {
        let person = Person::new(1).expect("it is one");
        Content::Chat(Chat {
            from: person,
            to: person,
            kind: 't',
            msg: "".into(),
            packet_id: None,
            is_online: false,
        })
    }

    fn gatherer(permits: usize) -> (Arc<Gatherer<Arc<Counter>>>, Arc<Counter>) {
        let counter = Arc::new(Counter(Semaphore::new(permits)));
        (Arc::new(Gatherer::new(Arc::clone(&counter))), counter)
    }

    fn call(gatherer: &Arc<Gatherer<Arc<Counter>>>) -> tokio::task::JoinHandle<Done> {
        let gatherer = Arc::clone(gatherer);
        TaskTracker::new().spawn(async move { gatherer.accept(vec![content()]).await })
    }

    fn together(done: Done) -> u64 {
        let accepted = done.expect("it was accepted");
        let [Accepted::Kept { id, .. }] = accepted[..] else {
            panic!("there was one");
        };
        id.0
    }

    #[tokio::test]
    async fn what_comes_meanwhile_is_carried_out_together() {
        let (gatherer, counter) = gatherer(0);
        let first = call(&gatherer);
        while gatherer.0.state.lock().has_task && !gatherer.0.state.lock().waiting.is_empty()
            || !gatherer.0.state.lock().has_task
        {
            tokio::task::yield_now().await;
        }
        let others = [call(&gatherer), call(&gatherer), call(&gatherer)];
        while gatherer.0.state.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        counter.0.add_permits(2);
        assert_eq!(together(first.await.unwrap()), 1);
        for other in others {
            assert_eq!(together(other.await.unwrap()), 3);
        }
        // The next one finds no task.
        counter.0.add_permits(1);
        assert_eq!(together(call(&gatherer).await.unwrap()), 1);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_others() {
        let (gatherer, counter) = gatherer(0);
        let patience = Duration::from_millis(1);
        let given_up = time::timeout(patience, gatherer.accept(vec![content()])).await;
        assert!(given_up.is_err());
        let other = call(&gatherer);
        counter.0.add_permits(2);
        assert_eq!(together(other.await.unwrap()), 1);
    }

    #[tokio::test]
    async fn an_error_is_everybodys_and_a_panic_nobodys_end() {
        let (gatherer, counter) = gatherer(0);
        counter.0.close();
        assert!(call(&gatherer).await.unwrap().is_err());

        struct Panics;
        impl Together for Panics {
            fn accept(&self, _: Vec<Vec<Content>>) -> Pending<'_, Vec<Done>> {
                Box::pin(async {
                    future::ready(()).await;
                    panic!("by a mistake of its own")
                })
            }
        }
        let gatherer = Gatherer::new(Panics);
        assert!(gatherer.accept(vec![content()]).await.is_err());
        assert!(gatherer.accept(vec![content()]).await.is_err());
    }
}
