//! What was said, what was answered, and how that agrees with what is stored.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use parking_lot::Mutex;

/// A message by who has sent it, and under which packet id, as it stands in its JSON.
pub(crate) type Key = (u64, String);

/// What the clients of one run have sent, and what came of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    said: HashMap<Key, Said>,
    figures: Figures,
    /// Acknowledgements by the node that they came from.
    through: [u64; 2],
    sessions: usize,
}

#[derive(Debug)]
struct Said {
    words: Words,
    is_acknowledged: bool,
}

/// What a message is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Words {
    pub(crate) to: u64,
    pub(crate) kind: char,
    pub(crate) text: String,
}

/// A message in a store.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) from: u64,
    pub(crate) packet_id: String,
    pub(crate) words: Words,
}

/// Counts of one run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) kills: u64,
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    /// Sent again, since there was no acknowledgement.
    pub(crate) repeats: u64,
    /// Answered with an error.
    pub(crate) refused: u64,
    pub(crate) delivered: u64,
    /// Looked for in the history right behind the acknowledgement, and found.
    pub(crate) found: u64,
}

// === impl Ledger ===

impl Ledger {
    pub(crate) fn said(&self, key: Key, words: Words) {
        let mut book = self.0.lock();
        book.figures.sent += 1;
        let said = Said {
            words,
            is_acknowledged: false,
        };
        assert!(book.said.insert(key, said).is_none(), "an id of two");
    }

    pub(crate) fn acknowledged(&self, key: &Key, node: usize) {
        let mut book = self.0.lock();
        book.through[node] += 1;
        book.figures.acknowledged += 1;
        let said = book.said.get_mut(key);
        let said = said.unwrap_or_else(|| panic!("{key:?} was never sent, and acknowledged"));
        said.is_acknowledged = true;
    }

    pub(crate) fn count(&self, count: impl FnOnce(&mut Figures)) {
        count(&mut self.0.lock().figures);
    }

    pub(crate) fn figures(&self) -> Figures {
        self.0.lock().figures
    }

    /// Acknowledgements that came through a node.
    pub(crate) fn through(&self, node: usize) -> u64 {
        self.0.lock().through[node]
    }

    /// A sender's session begins.
    pub(crate) fn begins(&self) {
        self.0.lock().sessions += 1;
    }

    /// And is over.
    pub(crate) fn ends(&self) {
        self.0.lock().sessions -= 1;
    }

    /// Sessions of senders.
    pub(crate) fn sessions(&self) -> usize {
        self.0.lock().sessions
    }

    /// What was acknowledged so far.
    pub(crate) fn kept(&self) -> BTreeSet<Key> {
        let book = self.0.lock();
        let kept = book.said.iter().filter(|(_, said)| said.is_acknowledged);
        kept.map(|(key, _)| key.clone()).collect()
    }

    /// That somebody has sent this.
    pub(crate) fn check_said(&self, row: &Row) {
        let book = self.0.lock();
        let said = book.said.get(&(row.from, row.packet_id.clone()));
        let words = said.map(|said| &said.words);
        assert_eq!(words, Some(&row.words), "nobody has sent {row:?}");
    }

    /// That everything that was sent is acknowledged.
    pub(crate) fn check_finished(&self) {
        let book = self.0.lock();
        let mut open = book.said.iter().filter(|(_, said)| !said.is_acknowledged);
        assert!(open.next().is_none(), "the senders have not finished");
    }

    /// That a store has what was acknowledged, each once, and nothing that nobody has sent. `kept` are
    /// those that were acknowledged before it was read.
    pub(crate) fn check(&self, kept: &BTreeSet<Key>, rows: &[Row]) {
        let mut stored: BTreeMap<Key, u64> = BTreeMap::new();
        for row in rows {
            self.check_said(row);
            *stored.entry((row.from, row.packet_id.clone())).or_default() += 1;
        }
        let missing: Vec<_> = kept
            .iter()
            .filter(|key| !stored.contains_key(key))
            .collect();
        assert!(
            missing.is_empty(),
            "{} were acknowledged and are not stored: {:?}",
            missing.len(),
            &missing[..missing.len().min(3)]
        );
        let doubled: Vec<_> = stored.iter().filter(|(_, count)| 1 < **count).collect();
        assert!(
            doubled.is_empty(),
            "{} are stored more than once: {:?}",
            doubled.len(),
            &doubled[..doubled.len().min(3)]
        );
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kills,
            sent,
            acknowledged,
            repeats,
            refused,
            delivered,
            found,
        } = self;
        write!(
            f,
            "{kills} kills, {sent} sent, {acknowledged} acknowledged, {repeats} repeats, {refused} \
             refused, {delivered} delivered, {found} found in histories at once"
        )
    }
}
