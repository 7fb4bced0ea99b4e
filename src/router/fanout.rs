//! Fan-out: one message into many outboxes, encoded once per dialect.
//!
//! Each shard walks the deliveries in the order of their arrival, so that every publisher's order
//! holds for every subscriber. Deliveries that follow one another on the same list are walked
//! together, as one run: each subscriber gets the frames of the whole run as one entry, which is
//! one copy and one slice instead of one per message.

mod encoded;

use std::{
    collections::VecDeque,
    sync::{Arc, OnceLock},
    time::Duration,
};

use smallvec::SmallVec;
use tokio::time::Instant;

use self::encoded::{Encoded, Trail};
use crate::{
    dialect::{Dialect, DialectId, Now},
    frame::Frame,
    id::Serial,
    message::{DeliveryClass, Message},
    outbox::Entry,
    recorder::{Fate, Group, Traced, What},
    router::{
        list::{Cursor, List},
        shard::Shard,
        subscriber::Subscriber,
    },
};

/// Most messages of one run.
const RUN_MAX: usize = 64;
/// Frames of a run are put together up to this many bytes.
const JOINED_BYTES_MAX: usize = 16 * 1024;
/// Sockets that a step writes into at most, passing by outboxes: each costs a call of the system.
const WRITES_MAX: usize = 64;
/// The outboxes of a list this long are flushed before the next run anyway.
const DIRECT_SUBSCRIBERS_MIN: usize = 256;
/// Joining frames pays from this many subscribers on.
const JOINED_SUBSCRIBERS_MIN: usize = 4;

/// A message on its way to local subscribers, with its encodings.
#[derive(Debug)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// When it was published.
    pub published: Instant,
    /// When it came here, in deciseconds of uptime.
    pub since: u32,
    /// Where its steps go, if anybody wants to know of them.
    pub traced: Option<Traced>,
    /// From when on it is put into no outbox any more.
    expires: Option<Instant>,
    /// Local sessions that are not given it.
    except: Option<Box<[Serial]>>,
    frames: [OnceLock<Frame>; DialectId::ALL.len()],
}

/// A message for some of a shard's sessions.
#[derive(Debug)]
pub struct Delivery {
    /// The message.
    pub outgoing: Arc<Outgoing>,
    /// Whom it is for.
    pub target: Target,
}

/// Whom a delivery is for.
#[derive(Debug)]
pub enum Target {
    /// A topic's subscribers.
    List(Arc<List>),
    /// One session.
    One(Arc<Subscriber>),
}

/// Walks a shard's deliveries; belongs to its flusher.
#[derive(Debug, Default)]
pub struct Walker {
    run: Option<Run>,
    walks: u32,
}

/// Deliveries that are walked together.
#[derive(Debug)]
struct Run {
    list: Arc<List>,
    cursor: Cursor,
    messages: SmallVec<[Arc<Outgoing>; 1]>,
    entries: [Option<Encoded>; DialectId::ALL.len()],
    /// 0 if the frames stay apart.
    joined_bytes_max: usize,
    /// Absent if nobody wants to know of any of the messages.
    trail: Option<Box<Trail>>,
    /// Nothing is known that could leave together with it, so that it is written without waiting.
    is_direct: bool,
}

/// What a step of a walk led to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Walked {
    /// Frames put into outboxes.
    pub frames: usize,
    /// When the oldest message was published that reached its last subscriber in this step.
    pub completed: Option<Instant>,
}

// === impl Outgoing ===

impl Outgoing {
    /// A message that was published now.
    pub fn new(message: Message, traced: Option<Traced>, now: Now) -> Arc<Self> {
        Self::limited(message, traced, now, None, None)
    }

    /// A message that was published now, is worth nothing after `lasts`, and is not for these local
    /// sessions.
    pub fn limited(
        message: Message,
        traced: Option<Traced>,
        now: Now,
        lasts: Option<Duration>,
        except: Option<Box<[Serial]>>,
    ) -> Arc<Self> {
        let published = Instant::now();
        Arc::new(Self {
            message,
            published,
            since: u32::try_from(now.uptime.as_millis() / 100).unwrap_or(u32::MAX),
            traced,
            // Beyond what the clock has, it lasts for ever.
            expires: lasts.and_then(|lasts| published.checked_add(lasts)),
            except,
            frames: Default::default(),
        })
    }

    fn has_expired(&self) -> bool {
        self.expires
            .is_some_and(|expires| expires <= Instant::now())
    }

    /// How the message looks on the wire of `dialect`; encoded by whoever asks first.
    pub fn frame(&self, dialect: &dyn Dialect) -> &Frame {
        self.frames[dialect.id().index()].get_or_init(|| dialect.encode(&self.message))
    }

    fn entry(&self, dialect: &dyn Dialect) -> Entry {
        Entry {
            bytes: self.frame(dialect).bytes().clone(),
            frames: 1,
            since: self.since,
            key: self.message.conflate,
            mark: None,
        }
    }

    /// How it goes to this session alone, with what notes its fate if anybody wants to know of it.
    pub(super) fn entry_for(&self, subscriber: &Subscriber) -> Entry {
        let mut entry = self.entry(&**subscriber.dialect());
        let group = Group::of(self.traced.iter());
        entry.mark = group.map(|group| group.mark(subscriber.serial));
        entry
    }

    /// Whether it goes alone: whoever receives it takes note of it, or not everybody does.
    fn is_alone(&self) -> bool {
        self.message.letter.is_some()
            || self.message.class == DeliveryClass::Durable
            || self.except.is_some()
            || self.message.spares_sender
    }

    /// Whether this session is not given it.
    fn spares(&self, subscriber: &Subscriber) -> bool {
        let is_except = |except: &[Serial]| except.contains(&subscriber.serial);
        if self.except.as_deref().is_some_and(is_except) {
            return true;
        }
        let sender = self.message.sender.as_ref();
        let user = sender.and_then(|sender| sender.user.as_ref());
        self.message.spares_sender && user.is_some() && user == subscriber.user()
    }

    /// Queues these entries, which hold this message, and others only if it does not go alone. What is
    /// direct and a single entry passes by an outbox in which nothing waits, unless its steps are noted.
    fn push(
        &self,
        subscriber: &Arc<Subscriber>,
        entries: &[Entry],
        is_direct: bool,
        dirty: &mut VecDeque<Arc<Subscriber>>,
    ) {
        if self.spares(subscriber) {
            if let Some(mark) = entries.first().and_then(|entry| entry.mark.as_ref()) {
                mark.end(Fate::Spared);
            }
            return;
        }
        let is_marked = match (self.message.letter, entries) {
            (Some(letter), [entry]) if subscriber.reads_mail_of(&self.message.topic) => {
                subscriber.push_letter(letter, &self.message.id, entry)
            }
            // Others have numbers that are their node's own: two may have the same.
            (None, [entry]) if self.message.class == DeliveryClass::Durable => {
                subscriber.push_once(&self.message.id, self.published, entry)
            }
            (_, [entry]) if is_direct && entry.mark.is_none() => subscriber.write_or_push(entry),
            _ => subscriber.push(entries),
        };
        if is_marked {
            dirty.push_back(Arc::clone(subscriber));
        }
    }
}

// === impl Walker ===

impl Walker {
    /// Puts the next messages into at most `max` outboxes; sessions that need to be flushed are
    /// added to `dirty`. Nothing happens only if nothing was left to be done.
    pub fn step(
        &mut self,
        shard: &Shard,
        deliveries: &mut VecDeque<Delivery>,
        dirty: &mut VecDeque<Arc<Subscriber>>,
        max: usize,
    ) -> Walked {
        let mut walked = Walked::default();
        let mut visited = 0;
        while visited < max {
            let mut run = match self.run.take() {
                Some(run) => run,
                None => match self.begin(shard, deliveries) {
                    Next::Run(run) => run,
                    Next::One(outgoing, subscriber) => {
                        let entry = outgoing.entry_for(&subscriber);
                        let is_direct = deliveries.is_empty();
                        outgoing.push(&subscriber, &[entry], is_direct, dirty);
                        visited += 1;
                        walked.complete(1, outgoing.published);
                        shard.delivered(1);
                        continue;
                    }
                    Next::Nothing => break,
                },
            };
            let messages = run.messages.len();
            let max = max.min(if run.is_direct { WRITES_MAX } else { max });
            if max <= visited {
                self.run = Some(run);
                break;
            }
            let (count, is_left) = run.advance(max - visited, dirty);
            visited += count.max(1);
            walked.frames += count * messages;
            if is_left {
                self.run = Some(run);
            } else {
                walked.complete(0, run.messages[0].published);
                shard.delivered(messages);
                run.end(shard.number());
            }
        }
        shard.stats.deliveries.add(walked.frames as u64);
        walked
    }

    /// Whether a walk is under way.
    pub fn is_walking(&self) -> bool {
        self.run.is_some()
    }

    fn begin(&mut self, shard: &Shard, deliveries: &mut VecDeque<Delivery>) -> Next {
        let Some(Delivery { outgoing, target }) = next_due(shard, deliveries) else {
            return Next::Nothing;
        };
        let list = match target {
            Target::One(subscriber) => return Next::One(outgoing, subscriber),
            Target::List(list) => list,
        };
        let mut messages = SmallVec::new();
        let is_alone = outgoing.is_alone();
        messages.push(outgoing);
        while !is_alone
            && messages.len() < RUN_MAX
            && let Some(Delivery {
                target: Target::List(next),
                outgoing: follower,
            }) = deliveries.front()
            && Arc::ptr_eq(next, &list)
            && !follower.is_alone()
            && !follower.has_expired()
            && let Some(delivery) = deliveries.pop_front()
        {
            messages.push(delivery.outgoing);
        }
        // 0 is the mark of a session that no walk has visited.
        self.walks = self.walks.checked_add(1).unwrap_or(1);
        let joined_bytes_max = match JOINED_SUBSCRIBERS_MIN <= list.len() {
            // A part of what an outbox holds: an entry finds room as a whole or not at all.
            true => JOINED_BYTES_MAX.min(shard.limits().outbox_bytes_max() / 4),
            false => 0,
        };
        Next::Run(Run {
            cursor: list.begin(self.walks),
            joined_bytes_max,
            is_direct: deliveries.is_empty() || DIRECT_SUBSCRIBERS_MIN <= list.len(),
            list,
            trail: Trail::of(&messages),
            messages,
            entries: Default::default(),
        })
    }
}

/// The next delivery that has not expired; what has on the way is dropped and counted.
fn next_due(shard: &Shard, deliveries: &mut VecDeque<Delivery>) -> Option<Delivery> {
    loop {
        let delivery = deliveries.pop_front()?;
        if !delivery.outgoing.has_expired() {
            return Some(delivery);
        }
        shard.stats.expired.add(1);
        if let Some(traced) = &delivery.outgoing.traced {
            traced.note(What::Expired { place: "shard" });
        }
        shard.delivered(1);
    }
}

/// What a walker does next. Lives on the stack for a moment.
#[allow(clippy::large_enum_variant)]
enum Next {
    Nothing,
    One(Arc<Outgoing>, Arc<Subscriber>),
    Run(Run),
}

// === impl Run ===

impl Run {
    /// Visits up to `max` subscribers. Says how many, and whether any are left.
    fn advance(&mut self, max: usize, dirty: &mut VecDeque<Arc<Subscriber>>) -> (usize, bool) {
        let Self {
            list,
            cursor,
            messages,
            entries,
            joined_bytes_max,
            is_direct,
            trail,
        } = self;
        let mut count = 0;
        let is_left = list.advance(cursor, max, |subscriber| {
            let encoded = entries[subscriber.dialect_id().index()].get_or_insert_with(|| {
                Encoded::of(messages, &**subscriber.dialect(), *joined_bytes_max)
            });
            let is_followed = trail
                .as_mut()
                .is_some_and(|trail| trail.follows(subscriber));
            if is_followed {
                let entries = encoded.marked(subscriber.serial);
                messages[0].push(subscriber, &entries, *is_direct, dirty);
            } else {
                messages[0].push(subscriber, &encoded.entries, *is_direct, dirty);
            }
            count += 1;
        });
        if let Some(trail) = trail {
            trail.visited += count;
        }
        (count, is_left)
    }

    /// The last subscriber has it.
    fn end(&self, shard: u16) {
        if let Some(trail) = &self.trail {
            trail.end(&self.messages, shard);
        }
    }
}

// === impl Walked ===

impl Walked {
    fn complete(&mut self, frames: usize, published: Instant) {
        self.frames += frames;
        self.completed = Some(
            self.completed
                .map_or(published, |before| before.min(published)),
        );
    }
}
