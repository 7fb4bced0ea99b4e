//! Where a case takes place, and what all of them need.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use tidegate::{
    cluster::streams::{Entry, Position, Reader, Sent, Streams, StreamsError},
    dispatch::{Dispatches, Graveyard},
    dues::Dues,
    id::Member,
    jobs::Jobs,
    mail::{Bounds, Mail},
    occupancy::Occupancy,
    office::{Ahead, Office},
    queue::Queue,
    schedules::Schedules,
};
use tokio::time::{self, Instant};

/// Longest wait for what has no limit of its own.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be told, and the dead, once they are there.
pub(crate) type Opening =
    Pin<Box<dyn Future<Output = (Arc<dyn Dispatches>, Arc<dyn Graveyard>)> + Send>>;

/// A server of one kind.
pub(crate) trait Rig: Send + Sync + 'static {
    type Streams: Streams;

    /// What one more member of the cluster with this prefix has.
    fn streams(&self, prefix: &str) -> Self::Streams;

    /// The mail of that cluster.
    fn mail(&self, prefix: &str, bounds: Bounds) -> Box<dyn Mail>;

    /// A queue of that cluster.
    fn queue(&self, prefix: &str, claim_after: Duration) -> Box<dyn Queue>;

    /// What the first member of that cluster is to tell endpoints, and what nobody could tell them.
    fn dispatches(&self, prefix: &str) -> Opening;

    /// What is owed in that cluster, and who is in which room.
    fn dues(&self, prefix: &str) -> (Arc<dyn Dues>, Arc<dyn Occupancy>);

    /// The jobs of that cluster.
    fn jobs(&self, prefix: &str, keep: Duration) -> Box<dyn Jobs>;

    /// The schedules of that cluster, which push into its queue.
    fn schedules(&self, prefix: &str) -> Box<dyn Schedules>;

    /// Customer service of that cluster, as two members have it.
    fn offices(&self, prefix: &str, ahead: Ahead) -> [Arc<dyn Office>; 2];

    /// Loses everything.
    fn wipe(&self);
}

/// A server, and the prefix of one case.
pub(crate) struct Place<R> {
    pub(crate) rig: Arc<R>,
    pub(crate) prefix: String,
}

// === impl Place ===

impl<R: Rig> Place<R> {
    pub(crate) fn new(rig: &Arc<R>, case: &str) -> Self {
        Self {
            rig: Arc::clone(rig),
            prefix: format!("tg:{case}:"),
        }
    }

    /// The mail, as one more member has it.
    pub(crate) fn mail(&self, bounds: Bounds) -> Box<dyn Mail> {
        self.rig.mail(&self.prefix, bounds)
    }

    /// A queue, as one more member has it. What is not done is given again so long after.
    pub(crate) fn queue(&self, claim_after: Duration) -> Box<dyn Queue> {
        self.rig.queue(&self.prefix, claim_after)
    }

    /// What the first member is to tell endpoints, as that has it after one more start.
    pub(crate) fn dispatches(&self) -> Opening {
        self.rig.dispatches(&self.prefix)
    }

    /// What is owed and who is in which room, as one more member sees it.
    pub(crate) fn dues(&self) -> (Arc<dyn Dues>, Arc<dyn Occupancy>) {
        self.rig.dues(&self.prefix)
    }

    /// The jobs, as one more member has them. Those that are done are known for so long.
    pub(crate) fn jobs(&self, keep: Duration) -> Box<dyn Jobs> {
        self.rig.jobs(&self.prefix, keep)
    }

    /// The schedules, as one more member has them.
    pub(crate) fn schedules(&self) -> Box<dyn Schedules> {
        self.rig.schedules(&self.prefix)
    }

    /// Customer service, as two members have it: with a number for those of this place that are apart.
    pub(crate) fn offices(&self, number: usize, ahead: Ahead) -> [Arc<dyn Office>; 2] {
        let prefix = format!("{}{number}:", self.prefix);
        self.rig.offices(&prefix, ahead)
    }

    /// What one more member has.
    pub(crate) fn streams(&self) -> R::Streams {
        self.rig.streams(&self.prefix)
    }
}

pub(crate) fn member(text: &str) -> Member {
    text.parse().unwrap()
}

pub(crate) fn entry(from: &str, sequence: u64) -> Entry {
    Entry {
        from: member(from),
        lane: 1 << 40,
        sequence,
        // Not text, with what ends lines and texts.
        body: Bytes::from(vec![0, 255, b'\r', b'\n', (sequence % 256) as u8]),
    }
}

pub(crate) fn entries(from: &str, sequences: impl Iterator<Item = u64>) -> Vec<Entry> {
    sequences.map(|sequence| entry(from, sequence)).collect()
}

/// Entries for one inbox.
pub(crate) fn to(
    member: &Member,
    from: &str,
    sequences: impl Iterator<Item = u64>,
) -> Vec<(Member, Entry)> {
    let entries = entries(from, sequences).into_iter();
    entries.map(|entry| (member.clone(), entry)).collect()
}

pub(crate) fn stored(waiting: u64) -> Sent {
    Sent::Stored { waiting }
}

/// Reads until there are `count` entries, which are in the order of their positions.
pub(crate) async fn read(reader: &mut impl Reader, count: usize) -> Vec<(Position, Entry)> {
    let mut all: Vec<(Position, Entry)> = Vec::new();
    let until = Instant::now() + PATIENCE;
    while all.len() < count {
        assert!(
            Instant::now() < until,
            "{} entries came instead of {count}",
            all.len()
        );
        all.extend(reader.next().await.unwrap());
    }
    assert_eq!(all.len(), count, "more came than was to come");
    assert!(all.is_sorted_by(|(one, _), (other, _)| one < other));
    all
}

pub(crate) async fn has_nothing(reader: &mut impl Reader) {
    assert_eq!(reader.next().await, Ok(Vec::new()));
}

/// The first error of a reader, which has nothing else to give.
pub(crate) async fn error_of(reader: &mut impl Reader) -> StreamsError {
    loop {
        match soon("an error", reader.next()).await {
            Ok(entries) => assert!(entries.is_empty(), "entries came instead of an error"),
            Err(error) => return error,
        }
    }
}

pub(crate) fn sequences(entries: &[(Position, Entry)]) -> Vec<u64> {
    entries.iter().map(|(_, entry)| entry.sequence).collect()
}

pub(crate) fn positions(entries: &[(Position, Entry)]) -> Vec<Position> {
    entries.iter().map(|(position, _)| *position).collect()
}

/// What a future gives, which has to be soon.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match time::timeout(PATIENCE, future).await {
        Ok(result) => result,
        Err(_) => panic!("{what} has not come in {PATIENCE:?}"),
    }
}
