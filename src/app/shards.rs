//! The threads that serve sessions: one per shard, each with a runtime of its own.
//!
//! A message that stays on its shard wakes no other thread, and what two shards share are the queues
//! between them.

use std::{io, sync::Arc, thread, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    runtime::{Builder, Handle},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::identity::Identity;
use crate::{
    services::Services,
    session::{
        self, Context, flusher,
        poller::{self, Poller},
    },
    witness::Witness,
};

/// Time for the last tasks of a shard to end after its sessions have.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// A shard's thread.
#[derive(Debug)]
pub(super) struct ShardThread {
    pub(super) context: Arc<Context>,
    pub(super) handle: Handle,
    stop: CancellationToken,
    thread: thread::JoinHandle<()>,
}

/// Starts a thread for the sessions of each shard.
///
/// # Errors
///
/// A thread that cannot be started.
pub(super) fn start(
    identity: &Identity,
    services: Arc<dyn Services>,
    witness: &Arc<Witness>,
    settings: &Arc<ArcSwap<session::Settings>>,
) -> io::Result<Vec<ShardThread>> {
    let Identity {
        router,
        clock,
        failed,
        ..
    } = identity;
    let slots = Arc::default();
    let shards = router.shards().iter().map(|shard| {
        let context = Context {
            router: Arc::clone(router),
            shard: Arc::clone(shard),
            services: Arc::clone(&services),
            witness: Arc::clone(witness),
            settings: Arc::clone(settings),
            clock: *clock,
            poller: Poller::new()?,
            timers: session::timers::Timers::default(),
            slots: Arc::clone(&slots),
            tracker: TaskTracker::new(),
        };
        ShardThread::start(Arc::new(context), failed.clone())
    });
    shards.collect()
}

impl ShardThread {
    /// Starts the thread with its flusher, its poller and its timers. Should one of these end, which only a
    /// mistake of ours can lead to, `failed` fires: a node must not serve sessions that it cannot
    /// write to.
    fn start(context: Arc<Context>, failed: CancellationToken) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let stop = CancellationToken::new();
        let tracker = context.tracker.clone();
        let flusher = flusher::run(Arc::clone(&context.shard), stop.clone());
        let flusher = tracker.spawn_on(flusher, &handle);
        let poller = poller::run(Arc::clone(&context), stop.clone());
        let poller = tracker.spawn_on(poller, &handle);
        let timers = session::run_timers(Arc::clone(&context), stop.clone());
        let timers = tracker.spawn_on(timers, &handle);
        let until = stop.clone();
        let name = format!("shard-{}", context.shard.number());
        let thread = thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(async {
                if has_failed(&until, flusher, poller, timers).await {
                    failed.cancel();
                }
                until.cancelled().await;
                tracker.close();
                // What does not end by itself ends with the runtime.
                let _ = time::timeout(STOP_TIMEOUT, tracker.wait()).await;
            });
        })?;
        Ok(Self {
            context,
            handle,
            stop,
            thread,
        })
    }

    /// Ends the thread and everything on it.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let thread = self.thread;
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

/// Waits for the end of a part of the shard, or until it is asked to end. Says whether a part has ended
/// before that.
async fn has_failed(
    stop: &CancellationToken,
    flusher: impl Future,
    poller: impl Future,
    timers: impl Future,
) -> bool {
    tokio::select! {
        // Asked first: once they are to end, they may have done so by the time that this is looked at.
        biased;
        () = stop.cancelled() => false,
        _ = flusher => true,
        _ = poller => true,
        _ = timers => true,
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn a_part_that_ends_when_it_is_asked_to_has_not_failed() {
        let stop = CancellationToken::new();
        assert!(has_failed(&stop, ready(()), pending::<()>(), pending::<()>()).await);
        assert!(has_failed(&stop, pending::<()>(), pending::<()>(), ready(())).await);
        stop.cancel();
        // Arms that are ready would be taken at random otherwise.
        for _ in 0..100 {
            assert!(!has_failed(&stop, ready(()), ready(()), ready(())).await);
        }
    }
}
