//! The book: what has happened and is not kept yet, and which sessions owe something.
//!
//! Pure. A session stands in it from its beginning, or from its first duty, until it is settled.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
};

use super::{BYTES_MAX, ITEMS_MAX, SESSIONS_MAX};
use crate::{
    duty::{Change, Changed, DUTIES_MAX, Deed, Duty, Record},
    happening::{Happening, What},
    id::{Member, Serial},
    topic::Topic,
};

/// Most items of a batch.
const BATCH_ITEMS: usize = 512;
/// About as many bytes of messages.
const BATCH_BYTES: usize = 1024 * 1024;

/// What is known and not kept.
#[derive(Debug, Default)]
pub(super) struct Book {
    items: VecDeque<Item>,
    /// Happenings among the items.
    happenings: usize,
    /// Of messages among the items.
    bytes: usize,
    sessions: HashMap<Serial, Entry>,
    /// Rooms that may have got their first local subscriber, or lost their last one.
    pub(super) changed: HashSet<Topic>,
}

#[derive(Debug)]
enum Item {
    /// The record of a session has changed, or the session has ended.
    Session(Serial),
    /// Something has happened.
    Happening(Happening),
}

/// A session that owes something.
#[derive(Debug)]
struct Entry {
    record: Record,
    /// Grows with each change.
    version: u64,
    /// The version that is kept; 0 if none is.
    kept: u64,
    /// Whether an item of it waits, beside that of its end.
    is_queued: bool,
    /// What is to be said at its end, as long as nothing was said of what that puts an end to.
    untold: Vec<Box<str>>,
    ended: Option<Ended>,
}

/// How a session has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ended {
    pub(super) reason: &'static str,
    /// In milliseconds since the Unix epoch.
    pub(super) at_ms: u64,
}

/// What is done together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Records to be kept, with their versions.
    pub(super) records: Vec<(Record, u64)>,
    /// Happenings and ends, in order.
    pub(super) news: Vec<News>,
}

/// What of a record is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// Everything that was said of the session before its end.
    Newest,
    /// Nothing.
    None,
    /// Something older.
    Older,
}

/// Something to be told.
#[derive(Debug)]
pub(super) enum News {
    /// The session is to be settled. Which of its record may have been kept.
    Ended(Record, Ended, Standing),
    /// Something has happened.
    Happening(Happening),
}

// === impl Book ===

impl Book {
    /// Happenings, ends and changes that wait.
    pub(super) fn len(&self) -> usize {
        self.items.len() + self.changed.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes note of something, if there is room.
    pub(super) fn note(&mut self, happening: Happening) -> bool {
        let bytes = weight(&happening);
        if ITEMS_MAX <= self.happenings || BYTES_MAX < self.bytes + bytes {
            return false;
        }
        self.bytes += bytes;
        self.happenings += 1;
        self.items.push_back(Item::Happening(happening));
        true
    }

    /// Takes note of a session whose end is to be told, and tells of its beginning, if there is room for
    /// both. Says whether it is new here; nothing if there is no room.
    pub(super) fn open(&mut self, record: Record, news: Option<Happening>) -> Option<bool> {
        let serial = record.session.serial;
        let is_new = !self.sessions.contains_key(&serial);
        let has_room = ITEMS_MAX > self.happenings || news.is_none();
        if !has_room || is_new && SESSIONS_MAX <= self.sessions.len() {
            return None;
        }
        let entry = self
            .sessions
            .entry(serial)
            .or_insert_with(|| Entry::new(record.clone()));
        // Somebody may have given it duties before it was let in.
        let duties = mem::take(&mut entry.record.duties);
        entry.record = Record { duties, ..record };
        // It stands before what is told of it.
        entry.queue(&mut self.items);
        news.is_none_or(|news| self.note(news)).then_some(is_new)
    }

    /// Changes the record of a session that stands here. Says whether there is work.
    pub(super) fn change(&mut self, serial: Serial, change: impl FnOnce(&mut Record)) -> bool {
        let Some(entry) = self.sessions.get_mut(&serial) else {
            return false;
        };
        if entry.ended.is_none() {
            change(&mut entry.record);
            entry.queue(&mut self.items);
        }
        true
    }

    /// A session has ended. Says whether it stands here.
    pub(super) fn end(&mut self, last: &Record, ended: Ended) -> bool {
        let serial = last.session.serial;
        let Some(entry) = self.sessions.get_mut(&serial) else {
            return false;
        };
        if entry.ended.replace(ended).is_none() {
            entry.record.user.clone_from(&last.user);
            entry.record.rooms.clone_from(&last.rooms);
            let untold = mem::take(&mut entry.untold);
            let duties = &mut entry.record.duties;
            duties.retain(|duty| !untold.contains(&duty.id));
            // Behind everything that was said of it.
            self.items.push_back(Item::Session(serial));
        }
        true
    }

    /// Changes what a session owes, which is `new` if it does not stand here yet. Gives the version that
    /// has to be kept, and what it owes then; or why nothing is changed.
    pub(super) fn owe(&mut self, new: Record, change: Change) -> Result<(u64, Vec<Duty>), Changed> {
        let serial = new.session.serial;
        let is_new = !self.sessions.contains_key(&serial);
        if is_new && SESSIONS_MAX <= self.sessions.len() {
            return Err(Changed::Unknown);
        }
        let entry = self
            .sessions
            .entry(serial)
            .or_insert_with(|| Entry::new(new));
        if entry.ended.is_some() {
            return Err(Changed::Gone);
        }
        let new = match &change {
            Change::Add(duty) if matches!(duty.deed, Deed::Publish { .. }) => {
                let mut duties = entry.record.duties.iter();
                (!duties.any(|other| other.id == duty.id)).then(|| duty.id.clone())
            }
            _ => None,
        };
        apply(&mut entry.record, change)?;
        entry.untold.extend(new);
        entry.queue(&mut self.items);
        Ok((entry.version, entry.record.duties.clone()))
    }

    /// What a session owes and which version of that is kept; none if it does not stand here.
    pub(super) fn look(&self, serial: Serial) -> Option<(&Record, u64)> {
        let entry = self.sessions.get(&serial)?;
        Some((&entry.record, entry.kept))
    }

    /// Whether it is known that a session has ended.
    /// Something was said that this puts an end to.
    pub(super) fn tell(&mut self, serial: Serial, id: &str) {
        if let Some(entry) = self.sessions.get_mut(&serial) {
            entry.untold.retain(|untold| &**untold != id);
        }
    }

    /// Whether nothing was said yet that this puts an end to.
    pub(super) fn is_untold(&self, serial: Serial, id: &str) -> bool {
        let entry = self.sessions.get(&serial);
        entry.is_some_and(|entry| entry.untold.iter().any(|untold| &**untold == id))
    }

    /// Whether something is to be said at the end of a session that has not ended; with none, whether something is
    /// still to be said of any, ended or not.
    pub(super) fn has_words(&self, of: Option<Serial>) -> bool {
        let has = |entry: &Entry| {
            let mut duties = entry.record.duties.iter();
            duties.any(|duty| matches!(duty.deed, Deed::Publish { .. }))
        };
        match of {
            Some(serial) => {
                let entry = self.sessions.get(&serial);
                entry.is_some_and(|entry| entry.ended.is_none() && has(entry))
            }
            None => self.sessions.values().any(has),
        }
    }

    pub(super) fn has_ended(&self, serial: Serial) -> bool {
        let entry = self.sessions.get(&serial);
        entry.is_some_and(|entry| entry.ended.is_some())
    }

    /// Everything of the living has to be kept anew: what was kept is gone.
    pub(super) fn doubt(&mut self, me: &Member) {
        for entry in self.sessions.values_mut() {
            let is_mine = entry.record.session.member == *me;
            if is_mine && entry.ended.is_none() && 0 < entry.kept {
                entry.queue(&mut self.items);
            }
        }
    }

    /// Takes out what is to be done next.
    pub(super) fn take(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut bytes = 0;
        let mut count = 0;
        while count < BATCH_ITEMS
            && bytes < BATCH_BYTES
            && let Some(item) = self.items.pop_front()
        {
            count += 1;
            match item {
                Item::Happening(happening) => {
                    let weight = weight(&happening);
                    self.happenings -= 1;
                    self.bytes -= weight;
                    bytes += weight;
                    batch.news.push(News::Happening(happening));
                }
                Item::Session(serial) => self.take_session(serial, &mut batch),
            }
        }
        batch
    }

    fn take_session(&mut self, serial: Serial, batch: &mut Batch) {
        let Some(entry) = self.sessions.get_mut(&serial) else {
            return;
        };
        let was_queued = mem::take(&mut entry.is_queued);
        match entry.ended {
            None => batch.records.push((entry.record.clone(), entry.version)),
            // Its end has an item of its own, which comes last.
            Some(_) if was_queued => {}
            Some(ended) => {
                let news = News::Ended(entry.record.clone(), ended, entry.standing());
                batch.news.push(news);
            }
        }
    }

    /// These versions are kept.
    pub(super) fn keep(&mut self, records: &[(Record, u64)]) {
        for (record, version) in records {
            if let Some(entry) = self.sessions.get_mut(&record.session.serial) {
                entry.kept = *version;
            }
        }
    }

    /// A session is settled. Says whether it stood here.
    pub(super) fn settle(&mut self, serial: Serial) -> bool {
        self.sessions.remove(&serial).is_some()
    }
}

// === impl Entry ===

impl Entry {
    fn new(record: Record) -> Self {
        Self {
            record,
            version: 0,
            kept: 0,
            is_queued: false,
            untold: Vec::new(),
            ended: None,
        }
    }

    fn standing(&self) -> Standing {
        match self.kept {
            0 => Standing::None,
            kept if kept == self.version => Standing::Newest,
            _ => Standing::Older,
        }
    }

    /// It has changed, and is to be kept.
    fn queue(&mut self, items: &mut VecDeque<Item>) {
        self.version += 1;
        if !mem::replace(&mut self.is_queued, true) {
            items.push_back(Item::Session(self.record.session.serial));
        }
    }
}

fn apply(record: &mut Record, change: Change) -> Result<(), Changed> {
    let duties = &mut record.duties;
    match change {
        Change::Add(duty) => match duties.iter().find(|other| other.id == duty.id) {
            Some(other) if *other == duty => Ok(()),
            Some(_) => Err(Changed::Taken),
            None if !duty.is_own() && DUTIES_MAX <= of_applications(duties).count() => {
                Err(Changed::TooMany)
            }
            None => {
                duties.push(duty);
                Ok(())
            }
        },
        Change::Remove(None) => {
            duties.retain(Duty::is_own);
            Ok(())
        }
        Change::Remove(Some(id)) => {
            let before = duties.len();
            duties.retain(|duty| duty.id != id);
            match duties.len() < before {
                true => Ok(()),
                false => Err(Changed::Missing),
            }
        }
    }
}

/// Those that applications have attached.
pub(super) fn of_applications(duties: &[Duty]) -> impl Iterator<Item = &Duty> {
    duties.iter().filter(|duty| !duty.is_own())
}

/// Bytes that a happening takes beyond its own size.
fn weight(happening: &Happening) -> usize {
    match &happening.what {
        What::MessageReceived { data, .. } => data.len(),
        _ => 0,
    }
}
