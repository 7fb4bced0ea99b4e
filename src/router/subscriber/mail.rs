//! A session in its role as a reader of its user's mail.
//!
//! While the mail is being read for it, what is posted meanwhile waits there, so that letters come in
//! their order. Who is not behind gets each letter at once.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use super::{State, Subscriber};
use crate::{
    close::CloseReason,
    frame::Frame,
    message::{LetterId, MessageId, Posted},
    outbox::Entry,
    recorder::{Fate, What},
    router::{
        fanout::Outgoing,
        letters::{Given, Letter, Letters},
    },
    topic::Topic,
};

/// What may lie in the mail that the session was not given.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Unread {
    /// Nothing.
    #[default]
    Nothing,
    /// What the look at the mail that is under way, or asked for, will find.
    Some,
    /// More than that.
    More,
}

/// What a client has shown to have.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Confirmed {
    /// These letters.
    pub letters: Vec<LetterId>,
    /// More waits in the mail, and there is room for it now.
    pub is_behind: bool,
}

impl Subscriber {
    /// Whether it is a session of this user, and not only subscribed to what that one is sent.
    pub fn reads_mail_of(&self, user: &Topic) -> bool {
        self.user().is_some_and(|own| own.as_str() == user.id())
    }

    /// There may be mail for it: what is posted from now on waits until it was read.
    pub fn expect_mail(&self) {
        let mut state = self.state.lock();
        state.unread = match state.unread {
            Unread::Nothing => Unread::Some,
            Unread::Some | Unread::More => Unread::More,
        };
    }

    /// The mail is read for it, unless it has nothing to expect: then says no.
    pub fn begin_reading(&self) -> bool {
        let mut state = self.state.lock();
        let is_expecting = state.unread != Unread::Nothing;
        if is_expecting {
            state.unread = Unread::Some;
        }
        is_expecting
    }

    /// Gives it a letter that was read, unless it was given before or there is no room for it: what
    /// is read never closes a slow session.
    pub fn give_read(self: &Arc<Self>, id: LetterId, outgoing: &Outgoing) -> Given {
        let message = &outgoing.message.id;
        let entry = outgoing.entry_for(self);
        let mut state = self.state.lock();
        let waiting = state.outbox.bytes();
        let room = self.shard.limits().outbox_bytes_max() / 2;
        if 0 < waiting && room < waiting + entry.bytes.len() {
            entry.end(Fate::Mailed);
            return Given::Later;
        }
        let given = state.letters().read(id, message);
        let given = state.unless_recent(given, message);
        let is_marked = self.queue(&mut state, given, entry);
        drop(state);
        if is_marked {
            self.shard.mark_dirty(Arc::clone(self));
        }
        given
    }

    /// The letters that were read have been given to it, or not all of them. Says whether the mail
    /// has to be read again at once; otherwise it is when the client has confirmed some.
    pub fn end_reading(self: &Arc<Self>, is_all: bool) -> bool {
        let mut state = self.state.lock();
        if !is_all {
            // Its confirmation, or that of a Ping alone, goes on with it.
            state.unread = Unread::More;
            state.letters();
            self.wake(state);
            return false;
        }
        match state.unread {
            Unread::More => true,
            Unread::Nothing | Unread::Some => {
                state.unread = Unread::Nothing;
                false
            }
        }
    }

    /// Queues a letter that was posted just now, unless older ones come first. Says whether the caller
    /// must have it flushed.
    pub fn push_letter(
        self: &Arc<Self>,
        posted: Posted,
        message: &MessageId,
        entry: &Entry,
    ) -> bool {
        let mut state = self.state.lock();
        if state.unread != Unread::Nothing {
            state.unread = Unread::More;
            entry.end(Fate::Mailed);
            return false;
        }
        let given = state.letters().give(posted, message);
        let given = state.unless_recent(given, message);
        self.queue(&mut state, given, entry.clone())
    }

    fn queue(self: &Arc<Self>, state: &mut State, given: Given, entry: Entry) -> bool {
        let is_marked = match given {
            Given::Now => self.push_locked(state, &[entry]),
            // The Pong to a Ping has the mail read: it tells that there is room, too.
            Given::Behind => {
                entry.end(Fate::Mailed);
                state.unread = Unread::More;
                state.mark()
            }
            // One that is known under another name waits for its Ping.
            Given::Before => {
                entry.end(Fate::Repeated);
                state.mark()
            }
            // Out of the mail it is for later; otherwise there is none.
            Given::Later if state.unread == Unread::Nothing => {
                entry.end(Fate::Dropped(Some(CloseReason::SlowConsumer)));
                self.close_locked(state, CloseReason::SlowConsumer);
                state.mark()
            }
            Given::Later => {
                entry.end(Fate::Mailed);
                false
            }
        };
        self.note_letters(state);
        is_marked
    }

    /// A Pong has come. Says what the client has, if it is one that was waited for.
    pub fn letters_ponged(&self, payload: &[u8]) -> Option<Confirmed> {
        self.confirmed(|letters| letters.pong(payload))
    }

    /// A frame has come in this decisecond of uptime. Says what the client must have by now.
    pub fn letters_spoken(&self, deciseconds: u32) -> Option<Confirmed> {
        self.confirmed(|letters| letters.spoken(deciseconds))
    }

    fn confirmed(
        &self,
        take: impl FnOnce(&mut Letters) -> Option<Vec<Letter>>,
    ) -> Option<Confirmed> {
        // Asked for with every frame.
        if !self.has_letters.load(Relaxed) {
            return None;
        }
        let mut state = self.state.lock();
        let letters = state.rare.as_mut()?.letters.as_deref_mut()?;
        let letters = take(letters)?;
        self.note_letters(&state);
        let is_behind = state.unread == Unread::More;
        drop(state);
        let session = self.serial;
        for (_, trace) in &letters {
            let recorder = self.shard.recorder();
            recorder.note_remembered(*trace, What::Confirmed { session });
        }
        Some(Confirmed {
            letters: letters.into_iter().map(|(id, _)| id).collect(),
            is_behind,
        })
    }

    /// Sends a Ping behind letters that are all written.
    pub(super) fn ask_for_letters(&self, state: &mut State) {
        let State {
            outbox,
            rare: Some(rare),
            unread,
            ..
        } = state
        else {
            return;
        };
        if outbox.is_empty()
            && let Some(letters) = rare.letters.as_deref_mut()
            && let Some(payload) = letters.write(*unread == Unread::More)
        {
            outbox.push_control(Frame::ping(&payload));
            self.note_letters(state);
        }
    }

    fn note_letters(&self, state: &State) {
        let letters = state.rare.as_ref().and_then(|rare| rare.letters.as_deref());
        let is_open = letters.is_some_and(Letters::is_open);
        self.has_letters.store(is_open, Relaxed);
    }
}

impl State {
    fn letters(&mut self) -> &mut Letters {
        let rare = self.rare.get_or_insert_default();
        rare.letters.get_or_insert_default()
    }

    /// What has come by a room already is not given again as a letter, and confirmed all the same.
    fn unless_recent(&self, given: Given, message: &MessageId) -> Given {
        let recent = self.rare.as_ref().and_then(|rare| rare.recent.as_ref());
        match (given, recent) {
            (Given::Now, Some(recent)) if recent.has(message) => Given::Before,
            _ => given,
        }
    }
}
