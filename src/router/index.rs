//! The topic index of a node: which local sessions a topic reaches.
//!
//! A topic with one subscriber, as nearly all `user:` topics are, costs one entry of the map. The
//! others have a list per shard that has subscribers.
//!
//! **Invariant:** no guard of the map leaves this file, and none is held while a second entry or an
//! `.await` is reached: both would deadlock.

use std::{
    iter,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dashmap::{DashMap, Entry};
use smallvec::SmallVec;

use crate::{
    id::Serial,
    router::{
        list::{List, smallest},
        subscriber::Subscriber,
    },
    topic::{Topic, TopicKind},
};

/// Which local sessions each topic reaches.
#[derive(Debug, Default)]
pub struct Index {
    topics: DashMap<Topic, Subscribers>,
    /// Kept beside the map, whose own count locks shard after shard.
    len: AtomicUsize,
}

/// The local subscribers of one topic; never none.
#[derive(Clone, Debug)]
pub enum Subscribers {
    /// A list for each shard that has some. Not inline: nearly all topics have one subscriber, and
    /// would be twice as big for it. Shared, so that who publishes takes it along without copying it.
    Many(Arc<Lists>),
    /// Exactly one.
    One(Arc<Subscriber>),
}

/// The lists of one topic, by shard.
#[derive(Clone, Debug, Default)]
pub struct Lists(SmallVec<[(u16, Arc<List>); 1]>);

/// Whether a change made a topic come or go on this node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Edge {
    /// The first local subscriber came.
    First,
    /// The last local subscriber went.
    Last,
    /// Others were or are there.
    None,
}

// === impl Index ===

impl Index {
    /// Subscribes a session.
    pub fn subscribe(&self, topic: &Topic, subscriber: &Arc<Subscriber>) -> Edge {
        match self.topics.entry(topic.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Subscribers::One(Arc::clone(subscriber)));
                self.len.fetch_add(1, Relaxed);
                Edge::First
            }
            Entry::Occupied(mut occupied) => {
                occupied.get_mut().insert(subscriber);
                Edge::None
            }
        }
    }

    /// Undoes the subscription of this session, and of no other.
    pub fn unsubscribe(&self, topic: &Topic, subscriber: &Subscriber) -> Edge {
        let Entry::Occupied(mut occupied) = self.topics.entry(topic.clone()) else {
            return Edge::None;
        };
        if !occupied.get_mut().remove(subscriber) {
            return Edge::None;
        }
        occupied.remove();
        self.len.fetch_sub(1, Relaxed);
        Edge::Last
    }

    /// The subscribers of a topic.
    pub fn find(&self, topic: &Topic) -> Option<Subscribers> {
        self.topics.get(topic).map(|found| found.clone())
    }

    /// The first `max` rooms in alphabetical order that have subscribers, behind `after`. Looks at every
    /// topic.
    pub fn rooms(&self, after: Option<&Topic>, max: usize) -> Vec<Topic> {
        let topics = self.topics.iter().filter_map(|entry| {
            let topic = entry.key();
            let is_wanted =
                topic.kind() == TopicKind::Room && after.is_none_or(|after| after < topic);
            is_wanted.then(|| topic.clone())
        });
        smallest(topics, max)
    }

    /// Whether a topic has subscribers.
    pub fn contains(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }

    /// How many topics have subscribers.
    pub fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    /// Whether no topic has subscribers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// === impl Subscribers ===

impl Subscribers {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Self::Many(lists) => lists.iter().map(|(_, list)| list.len()).sum(),
            Self::One(_) => 1,
        }
    }

    /// Whether there are none; only while a list is being left.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `max` of them.
    pub fn sample(&self, max: usize) -> Vec<Arc<Subscriber>> {
        match self {
            Self::One(one) => iter::once(Arc::clone(one)).take(max).collect(),
            Self::Many(lists) => {
                let mut subscribers = Vec::new();
                for (_, list) in lists.iter() {
                    subscribers.extend(list.sample(max - subscribers.len()));
                }
                subscribers
            }
        }
    }

    /// The first `max` of the wanted ones in the order of their serials, behind `after`.
    pub fn page(
        &self,
        after: Option<Serial>,
        max: usize,
        is_wanted: impl Fn(&Subscriber) -> bool,
    ) -> Vec<Arc<Subscriber>> {
        match self {
            Self::One(one) => {
                let is_behind = after.is_none_or(|after| after < one.serial);
                let is_in = 0 < max && is_behind && is_wanted(one);
                is_in.then(|| Arc::clone(one)).into_iter().collect()
            }
            Self::Many(lists) => {
                let mut lists: Vec<_> = lists.iter().collect();
                lists.sort_unstable_by_key(|(shard, _)| *shard);
                let lists = lists.into_iter().map(|(_, list)| list);
                page(lists, after, max, is_wanted)
            }
        }
    }

    fn insert(&mut self, subscriber: &Arc<Subscriber>) {
        if let Self::One(one) = self {
            if one.serial == subscriber.serial {
                return;
            }
            let one = Arc::clone(one);
            *self = Self::Many(Arc::default());
            self.insert(&one);
        }
        let Self::Many(lists) = self else { return };
        let number = subscriber.serial.shard();
        if let Some((_, list)) = lists.iter().find(|(shard, _)| *shard == number) {
            list.insert(subscriber);
        } else {
            let list = Arc::<List>::default();
            list.insert(subscriber);
            Arc::make_mut(lists).0.push((number, list));
        }
    }

    /// Says whether nobody is left.
    fn remove(&mut self, subscriber: &Subscriber) -> bool {
        match self {
            Self::One(one) => one.serial == subscriber.serial,
            Self::Many(lists) => {
                let serial: Serial = subscriber.serial;
                let own = lists.iter().position(|(shard, _)| *shard == serial.shard());
                if let Some(own) = own {
                    let list = &lists.0[own].1;
                    list.remove(serial);
                    let is_empty = list.is_empty();
                    if is_empty {
                        Arc::make_mut(lists).0.remove(own);
                    }
                }
                lists.0.is_empty()
            }
        }
    }
}

// === impl Lists ===

impl Lists {
    /// Each shard that has subscribers, and its list.
    pub fn iter(&self) -> impl Iterator<Item = &(u16, Arc<List>)> {
        self.0.iter()
    }
}

/// The first sessions of these lists, which are in the order of their shards, as serials are.
pub fn page<'a>(
    lists: impl Iterator<Item = &'a Arc<List>>,
    after: Option<Serial>,
    max: usize,
    is_wanted: impl Fn(&Subscriber) -> bool,
) -> Vec<Arc<Subscriber>> {
    let mut found = Vec::new();
    for list in lists {
        let rest = max - found.len();
        if rest == 0 {
            break;
        }
        found.extend(list.page(after, rest, &is_wanted));
    }
    found
}
