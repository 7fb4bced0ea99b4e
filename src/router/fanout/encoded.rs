//! The messages of a run in one dialect, and whom they are followed to.

use std::{mem, sync::Arc};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::Outgoing;
use crate::{
    dialect::Dialect,
    id::Serial,
    outbox::Entry,
    recorder::{Group, What},
    router::subscriber::Subscriber,
};

/// For so many sessions of a run it is noted one by one what becomes of what they are given.
const FOLLOWED_MAX: usize = 16;

/// The frames of a run as entries, the same for all sessions of a dialect.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) entries: SmallVec<[Entry; 1]>,
    /// Those messages in each entry that somebody wants to know of; empty if there are none in any.
    groups: SmallVec<[Option<Arc<Group>>; 1]>,
}

/// Where a run goes, if somebody wants to know of one of its messages.
#[derive(Debug)]
pub(super) struct Trail {
    is_noted: bool,
    is_told: bool,
    followed: usize,
    pub(super) visited: usize,
}

impl Encoded {
    /// Puts frames together, except those that a newer one may replace.
    pub(super) fn of(messages: &[Arc<Outgoing>], dialect: &dyn Dialect, bytes_max: usize) -> Self {
        let mut encoded = Self::default();
        if messages.len() == 1 || bytes_max == 0 {
            for outgoing in messages {
                encoded.push(outgoing.entry(dialect), std::slice::from_ref(outgoing));
            }
            return encoded;
        }
        let mut joined = Joined::default();
        for (index, outgoing) in messages.iter().enumerate() {
            let entry = outgoing.entry(dialect);
            let is_big = bytes_max < joined.bytes.len() + entry.bytes.len();
            if is_big || entry.key.is_some() {
                joined.finish(&messages[..index], &mut encoded);
            }
            if entry.key.is_some() || bytes_max < entry.bytes.len() {
                encoded.push(entry, std::slice::from_ref(outgoing));
            } else {
                joined.bytes.extend_from_slice(&entry.bytes);
                joined.frames += 1;
            }
        }
        joined.finish(messages, &mut encoded);
        encoded
    }

    fn push(&mut self, entry: Entry, messages: &[Arc<Outgoing>]) {
        let group = Group::of(
            messages
                .iter()
                .filter_map(|outgoing| outgoing.traced.as_ref()),
        );
        if group.is_some() || !self.groups.is_empty() {
            self.groups.resize(self.entries.len(), None);
            self.groups.push(group);
        }
        self.entries.push(entry);
    }

    /// The entries, each with what notes its fate at this session.
    pub(super) fn marked(&self, session: Serial) -> SmallVec<[Entry; 1]> {
        let mut entries = self.entries.clone();
        for (entry, group) in entries.iter_mut().zip(&self.groups) {
            entry.mark = group.as_ref().map(|group| group.mark(session));
        }
        entries
    }
}

/// Frames that follow one another and are put together.
#[derive(Default)]
struct Joined {
    bytes: BytesMut,
    frames: u32,
}

impl Joined {
    /// They are those of the last of `before`.
    fn finish(&mut self, before: &[Arc<Outgoing>], into: &mut Encoded) {
        if self.frames == 0 {
            return;
        }
        let messages = &before[before.len() - self.frames as usize..];
        let bytes: Bytes = self.bytes.split().freeze();
        let entry = Entry {
            bytes,
            frames: mem::take(&mut self.frames),
            since: messages[0].since,
            key: None,
            mark: None,
        };
        into.push(entry, messages);
    }
}

// === impl Trail ===

impl Trail {
    pub(super) fn of(messages: &[Arc<Outgoing>]) -> Option<Box<Self>> {
        let mut traced = messages
            .iter()
            .filter_map(|outgoing| outgoing.traced.as_ref());
        let first = traced.next()?;
        let mut trail = Self {
            is_noted: first.is_noted(),
            is_told: first.is_told(),
            followed: 0,
            visited: 0,
        };
        for other in traced {
            trail.is_noted |= other.is_noted();
            trail.is_told |= other.is_told();
        }
        Some(Box::new(trail))
    }

    /// Whether what becomes of the messages at this session is noted.
    pub(super) fn follows(&mut self, subscriber: &Subscriber) -> bool {
        let is_one_of_few = self.is_noted && self.followed < FOLLOWED_MAX;
        self.followed += usize::from(is_one_of_few);
        is_one_of_few || (self.is_told && subscriber.is_watched())
    }

    /// The last subscriber has them.
    pub(super) fn end(&self, messages: &[Arc<Outgoing>], shard: u16) {
        for traced in messages
            .iter()
            .filter_map(|outgoing| outgoing.traced.as_ref())
        {
            traced.note(What::Walked {
                shard,
                sessions: self.visited,
                followed: self.followed,
            });
        }
    }
}
