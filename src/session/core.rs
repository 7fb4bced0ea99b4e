//! What happens to a conversation: messages, deadlines and answers go in, actions are carried out.

mod calls;
mod deadlines;
mod execute;
mod rate;
mod seat;

use std::{fmt, future::Future, mem, pin::Pin, sync::Arc};

use smallvec::SmallVec;
use tokio::{sync::Notify, time::Instant};

use self::{
    calls::Calls,
    rate::{Rate, SMALL_BYTES},
};
use super::{
    Session, Settings,
    frames::{Event, Flow, ReadError, Reader},
    tick,
};
use crate::{
    close::CloseReason,
    dialect::{Actions, Answer, ClaimKey, Conversation, Incoming, Now},
    frame::Frame,
    router::{Room, subscriber::Standing},
    topic::{Topic, TopicKind},
};

/// The state of one session that changes as its client speaks.
pub(super) struct Core {
    conversation: Box<dyn Conversation>,
    reader: Reader,
    topics: SmallVec<[Topic; 2]>,
    claim: Option<ClaimKey>,
    /// Absent for a client who has called for nothing.
    calls: Option<Box<Calls>>,
    /// Read from the socket, but not consumed since reading paused.
    rest: Box<[u8]>,
    /// Wait for room or for an answer; nothing is fed in before they are done.
    waiting: Option<Box<Actions>>,
    /// Not yet seen by the poller.
    pause: Option<Box<Pause>>,
    paused: bool,
    /// What was read is being consumed: answers wait, to leave together.
    is_consuming: bool,
    /// Some do.
    has_answered: bool,
    /// Nothing of the client counts any more.
    ended: bool,
    /// The client was let in.
    has_entered: bool,
    /// It was, or is about to be, without being any user.
    is_nobody: bool,
    /// Where it is matters to others.
    is_watched: bool,
    /// The user's mail waits until the actions under way are carried out.
    holds_mail: bool,
    /// A rule of the protocol was broken: where frames begin is no longer known.
    broken: bool,
    rate: Rate,
    /// Tick in which the message began that is not complete.
    partial_since: Option<u32>,
    /// Tick of the last Ping of ours.
    pinged: u32,
    /// Tick in which the session stands in the wheel.
    pub(super) entered: u32,
}

/// Why reading pauses.
pub(super) enum Pause {
    /// A service was asked.
    Answer(Pin<Box<dyn Future<Output = Answer> + Send>>),
    /// Too many calls are under way.
    Call(Arc<Notify>),
    /// A message found no room.
    Room(Room),
    /// The client is over its rate.
    Until(Instant),
}

// === impl Core ===

impl Core {
    pub(super) fn new(conversation: Box<dyn Conversation>, read_ahead: Vec<u8>) -> Self {
        Self {
            has_entered: false,
            is_nobody: false,
            is_watched: false,
            conversation,
            reader: Reader::default(),
            topics: SmallVec::new(),
            claim: None,
            calls: None,
            rest: read_ahead.into(),
            waiting: None,
            pause: None,
            paused: false,
            is_consuming: false,
            has_answered: false,
            ended: false,
            holds_mail: false,
            broken: false,
            rate: Rate::default(),
            partial_since: None,
            pinged: 0,
            entered: u32::MAX,
        }
    }

    /// The upgrade is through.
    pub(super) fn open(&mut self, session: &Arc<Session>, now: Now) {
        let mut actions = Actions::default();
        self.conversation.open(now, &mut actions);
        self.pause = self.execute(session, actions, now).map(Box::new);
    }

    /// A pause that something else than reading has led to.
    pub(super) fn take_pause(&mut self, session: &Arc<Session>) -> Option<Pause> {
        if self.pause.is_none() && !self.paused && self.waiting.is_some() {
            self.pause = self.retry(session).map(Box::new);
        }
        let pause = self.pause.take().map(|pause| *pause);
        self.paused |= pause.is_some();
        pause
    }

    /// Whether the caller must have written what the client was answered in [`Self::consume`].
    pub(super) fn take_answered(&mut self) -> bool {
        mem::take(&mut self.has_answered)
    }

    /// Whether a pause is under way that the poller knows of.
    pub(super) fn is_paused(&self) -> bool {
        self.paused
    }

    pub(super) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }

    /// Consumes what was left when reading paused.
    pub(super) fn consume_rest(&mut self, session: &Arc<Session>) -> Option<Pause> {
        let mut rest = mem::take(&mut self.rest);
        self.consume(session, &mut rest)
    }

    /// Consumes what was read from the socket, up to a pause.
    pub(super) fn consume(&mut self, session: &Arc<Session>, input: &mut [u8]) -> Option<Pause> {
        if self.broken {
            return None;
        }
        let now = session.context.clock.now();
        let settings = session.context.settings.load();
        let mut reader = mem::take(&mut self.reader);
        let mut pause = None;
        let mut messages = 0;
        self.is_consuming = true;
        let result = reader.feed(input, settings.message_bytes_max, |event| {
            messages += u64::from(matches!(event, Event::Message(_)));
            pause = self.on_event(session, &settings, event, now);
            if pause.is_some() {
                Flow::Stop
            } else {
                Flow::Continue
            }
        });
        self.reader = reader;
        self.is_consuming = false;
        session.stats().messages_in.add(messages);
        match result {
            Ok(consumed) => {
                if consumed < input.len() {
                    self.rest = input[consumed..].into();
                }
                self.note_partial(0 < messages, now);
            }
            Err(error) => self.refuse(session, error),
        }
        self.paused = pause.is_some();
        pause
    }

    /// The answer to the question that was asked last.
    pub(super) fn answered(&mut self, session: &Arc<Session>, answer: Answer) {
        if self.ended {
            return;
        }
        let now = session.context.clock.now();
        let mut actions = Actions::default();
        self.conversation.answered(answer, now, &mut actions);
        self.put_before_waiting(actions);
        self.pause = self.retry(session).map(Box::new);
    }

    /// Carries out what waits for room, for a call to return, or for an answer that has come.
    pub(super) fn retry(&mut self, session: &Arc<Session>) -> Option<Pause> {
        let actions = *self.waiting.take()?;
        let now = session.context.clock.now();
        self.execute(session, actions, now)
    }

    /// Carries out what waits; says whether it still waits for what `is_same` it did before. Any other
    /// pause is left to the poller.
    pub(super) fn try_again(
        &mut self,
        session: &Arc<Session>,
        is_same: fn(&Pause) -> bool,
    ) -> Option<Pause> {
        let pause = self.retry(session)?;
        if is_same(&pause) {
            return Some(pause);
        }
        self.pause = Some(Box::new(pause));
        None
    }

    /// Reading goes on.
    pub(super) fn resume(&mut self) {
        self.paused = false;
        if !self.rate.resume() {
            // The wait was the server's, not the client's.
            self.partial_since = None;
        }
    }

    /// Leaves every topic and gives up the claim. Gives the rooms that it was in, if that matters.
    pub(super) fn leave(&mut self, session: &Session) -> Vec<Topic> {
        self.ended = true;
        let rooms = if self.is_watched {
            self.rooms()
        } else {
            Vec::new()
        };
        let router = &session.context.router;
        for topic in self.topics.drain(..) {
            router.unsubscribe(&topic, &session.subscriber);
        }
        if let Some(claim) = self.claim.take() {
            router.release(claim, &session.subscriber);
        }
        self.waiting = None;
        self.pause = None;
        rooms
    }

    fn rooms(&self) -> Vec<Topic> {
        let rooms = self.topics.iter();
        let rooms = rooms.filter(|topic| topic.kind() == TopicKind::Room);
        rooms.cloned().collect()
    }

    fn refuse(&mut self, session: &Session, error: ReadError) {
        let reason = match error {
            ReadError::InvalidUtf8 => CloseReason::InvalidUtf8,
            ReadError::Protocol(_) => CloseReason::ProtocolError,
            ReadError::TooBig => CloseReason::MessageTooBig,
        };
        self.broken = true;
        tracing::debug!(number = %session.subscriber.serial, %error, "refused what a client sent");
        self.end(session, reason);
    }

    fn note_partial(&mut self, has_message: bool, now: Now) {
        if !self.reader.is_partial() {
            self.partial_since = None;
        } else if has_message || self.partial_since.is_none() {
            self.partial_since = Some(tick(now.uptime));
        }
    }

    fn on_event(
        &mut self,
        session: &Arc<Session>,
        settings: &Settings,
        event: Event<'_>,
        now: Now,
    ) -> Option<Pause> {
        session.subscriber.see(tick(now.uptime));
        self.confirm(session, &event, now);
        match event {
            Event::Close { code } => {
                self.ended = true;
                session.subscriber.close_echo(code);
                None
            }
            Event::Ping(payload) => {
                let is_marked = session.subscriber.push_control(Frame::pong(payload));
                self.have_written(session, is_marked);
                self.rate.small_frame(session, settings, now)
            }
            Event::Pong(_) => self.rate.small_frame(session, settings, now),
            Event::Fragment { length } if length < SMALL_BYTES => {
                self.rate.small_frame(session, settings, now)
            }
            Event::Fragment { .. } => None,
            Event::Message(_) if self.ended => None,
            Event::Message(message) => self.on_message(session, settings, message, now),
        }
    }

    /// Takes note of letters that the client has, as this event shows.
    fn confirm(&self, session: &Session, event: &Event<'_>, now: Now) {
        let subscriber = &session.subscriber;
        let confirmed = match event {
            Event::Pong(payload) => subscriber.letters_ponged(payload),
            _ => subscriber.letters_spoken(tick(now.uptime)),
        };
        if let Some(confirmed) = confirmed {
            session.context.router.confirm(subscriber, &confirmed);
        }
    }

    fn on_message(
        &mut self,
        session: &Arc<Session>,
        settings: &Settings,
        message: Incoming<'_>,
        now: Now,
    ) -> Option<Pause> {
        match session.subscriber.standing() {
            Standing::Open => {}
            // Answers to what came before are still due.
            Standing::Leaving => return None,
            Standing::Closed => {
                self.ended = true;
                return None;
            }
        }
        let witness = &session.context.witness;
        if self.has_entered && witness.hears(session.subscriber.dialect_id()) {
            witness.received(&session.subscriber, message);
        }
        if session.subscriber.is_watched() {
            session.note_received(message);
        }
        let mut actions = Actions::default();
        self.conversation.receive(message, now, &mut actions);
        self.execute(session, actions, now)
            .or_else(|| self.rate.message(session, settings, now))
    }

    /// Sees to it that an answer is written whose session was marked for that.
    fn have_written(&mut self, session: &Session, is_marked: bool) {
        if is_marked && self.is_consuming {
            self.has_answered = true;
        } else if is_marked {
            let subscriber = Arc::clone(&session.subscriber);
            session.context.shard.mark_dirty(subscriber);
        }
    }

    fn end(&mut self, session: &Session, reason: CloseReason) {
        self.ended = true;
        session.subscriber.close(reason);
    }

    /// `actions` come before whatever waits already.
    fn put_before_waiting(&mut self, mut actions: Actions) {
        if let Some(waiting) = &mut self.waiting {
            while let Some(action) = waiting.take_next() {
                actions.push(action);
            }
        }
        self.waiting = Some(Box::new(actions));
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").finish_non_exhaustive()
    }
}
