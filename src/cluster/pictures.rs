//! Lists that older programs write jobs into, `<url>userid:<id>` each.
//!
//! An entry stays where it is until its job has ended, so that nothing is lost on the way: it becomes a job whose
//! name is made of its text, and whoever ends that job removes it. Equal entries are one job.

use std::{collections::HashMap, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{redis::RedisJobs, streams::StreamsError},
    digest,
    jobs::{
        Added, JobsError, NewJob, Origin,
        board::{Board, Order},
    },
    pauses::Pauses,
    topic::Topic,
};

/// What stands between address and user.
const MARK: &str = "userid:";
/// Longest address.
const URL_BYTES_MAX: usize = 8192;
/// Most entries of one list that are jobs at a time.
const WINDOW: usize = 256;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// For so long an entry is not offered again: it could have gone and come again meanwhile.
const OFFERED: Duration = Duration::from_secs(5);
/// Longest pause between looks that fail.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A list, and what its entries are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct List {
    /// Its key in Redis.
    pub name: Box<str>,
    /// The kind of its jobs.
    pub kind: Box<str>,
}

/// The lists of a node.
#[derive(Debug)]
pub struct Lists {
    jobs: RedisJobs,
    board: Board,
    lists: ArcSwap<Vec<List>>,
}

/// Why a look came to nothing.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Redis(#[from] StreamsError),
    #[error(transparent)]
    Jobs(#[from] JobsError),
}

/// The entries that were offered, by the names of their jobs, and when.
type Known = HashMap<Box<str>, Instant>;

// === impl Lists ===

impl Lists {
    /// Looks at no list yet.
    pub fn new(jobs: RedisJobs, board: Board) -> Self {
        Self {
            jobs,
            board,
            lists: ArcSwap::default(),
        }
    }

    /// Looks at these from now on.
    pub fn set(&self, lists: Vec<List>) {
        self.lists.store(Arc::new(lists));
    }

    /// Makes jobs of entries until `stop` fires.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut known = Known::new();
        let mut pauses = Pauses::new(2 * LOOK, PAUSE_MAX);
        while !stop.is_cancelled() {
            let lists = self.lists.load_full();
            known.retain(|_, at| at.elapsed() < OFFERED);
            let mut looked = Ok(());
            for list in lists.iter() {
                looked = looked.and(self.look(list, &mut known).await);
            }
            let pause = match looked {
                Ok(()) => {
                    pauses.reset();
                    LOOK
                }
                Err(error) => {
                    self.board.stats().errors.add(1);
                    tracing::debug!(%error, "jobs of older programs wait");
                    pauses.take()
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = time::sleep(pause) => {}
            }
        }
    }

    async fn look(&self, list: &List, known: &mut Known) -> Result<(), LookError> {
        for entry in self.jobs.entries(&list.name, WINDOW).await? {
            let id = name(&list.name, &entry);
            if known.contains_key(&id) {
                continue;
            }
            match self.offer(list, entry, id.clone()).await? {
                // There is no room for more.
                Added::Full => return Ok(()),
                _ => known.insert(id, Instant::now()),
            };
        }
        Ok(())
    }

    async fn offer(&self, list: &List, entry: Bytes, id: Box<str>) -> Result<Added, LookError> {
        let origin = Origin {
            list: list.name.clone(),
            entry: entry.clone(),
        };
        let mut job = NewJob {
            id: id.clone(),
            kind: list.kind.clone(),
            body: entry.clone(),
            origin: Some(origin.clone()),
        };
        job.body = match read(&entry) {
            Ok(order) => order.to_body(),
            Err(reason) => {
                job.kind = "".into();
                self.board.add_dead(job, reason.to_owned()).await?;
                return Ok(Added::New);
            }
        };
        let added = self.board.add(job).await?;
        // Another node may have ended its job since this one has looked.
        if added == Added::New && !self.jobs.has_entry(&origin).await? {
            self.board.jobs().forget(&id).await?;
        }
        Ok(added)
    }
}

fn name(list: &str, entry: &[u8]) -> Box<str> {
    let digest = digest::of_parts([list.as_bytes(), entry]);
    format!("list:{}", digest::hex(&digest)).into()
}

fn read(entry: &[u8]) -> Result<Order<'static>, &'static str> {
    let text = std::str::from_utf8(entry).map_err(|_| "it is no text")?;
    let (url, user) = text.rsplit_once(MARK).ok_or("it has no userid:")?;
    if url.is_empty() || URL_BYTES_MAX < url.len() {
        return Err("it has no address, or too long a one");
    }
    let is_topic = |topic: String| topic.parse::<Topic>().is_ok();
    if !is_topic(format!("user:{user}")) || !is_topic(format!("room:user_{user}")) {
        return Err("its user is none");
    }
    Ok(Order {
        user: user.into(),
        url: Some(url.into()),
        data: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_split_at_its_last_mark() {
        let order = |entry: &str| read(entry.as_bytes()).map(|order| (order.url, order.user));
        for (entry, url, user) in [
            ("http://x/1.pnguserid:7", "http://x/1.png", "7"),
            (
                "http://x/?userid:1&auserid:anna",
                "http://x/?userid:1&a",
                "anna",
            ),
        ] {
            assert_eq!(order(entry), Ok((Some(url.into()), user.into())));
        }
        let long = format!("{}userid:1", "x".repeat(URL_BYTES_MAX + 1));
        for entry in ["", "http://x/1.png", "userid:7", "http://xuserid:", &long] {
            assert!(order(entry).is_err(), "{entry}");
        }
        assert!(read(b"\xffuserid:1").is_err());
    }
}
