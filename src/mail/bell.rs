//! What the postman has to do: users who expect mail, letters that clients have.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Doorbell, LetterId};
use crate::topic::Topic;

/// Most users of one round.
const ROUND_MAX: usize = 256;

/// Between everybody and the postman. Holds a user once, however often it rings, and no more users
/// than have sessions here or had a letter posted that its sessions were not told of.
#[derive(Debug, Default)]
pub struct Bell {
    todo: Mutex<Todo>,
    work: Notify,
}

#[derive(Debug, Default)]
struct Todo {
    expecting: HashSet<Topic>,
    /// Users whose sessions, here and on other members, must be told that they have mail.
    untold: HashSet<Topic>,
    confirmed: HashMap<Topic, Vec<LetterId>>,
}

/// What the postman does at a time.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) expecting: Vec<Topic>,
    pub(super) untold: Vec<Topic>,
    pub(super) confirmed: Vec<(Topic, Vec<LetterId>)>,
}

impl Bell {
    /// Users that wait for the postman.
    pub fn waiting(&self) -> usize {
        let todo = self.todo.lock();
        todo.expecting.len() + todo.untold.len()
    }

    /// The sessions of this user could not be told of a letter.
    pub(super) fn tell_later(&self, user: Topic) {
        self.todo.lock().untold.insert(user);
        self.work.notify_one();
    }

    /// Waits until there is something to do. Cancel safe.
    pub(super) async fn work(&self) {
        loop {
            let work = self.work.notified();
            if !self.todo.lock().is_empty() {
                return;
            }
            work.await;
        }
    }

    /// The next round.
    pub(super) fn take(&self) -> Round {
        let mut todo = self.todo.lock();
        let confirmed: Vec<Topic> = todo.confirmed.keys().take(ROUND_MAX).cloned().collect();
        let confirmed = confirmed.into_iter().filter_map(|topic| {
            let letters = todo.confirmed.remove(&topic)?;
            Some((topic, letters))
        });
        Round {
            confirmed: confirmed.collect(),
            expecting: some(&mut todo.expecting),
            untold: some(&mut todo.untold),
        }
    }

    /// Gives back what could not be done.
    pub(super) fn put_back(&self, round: Round) {
        let Round {
            expecting,
            untold,
            confirmed,
        } = round;
        let mut todo = self.todo.lock();
        todo.expecting.extend(expecting);
        todo.untold.extend(untold);
        for (user, letters) in confirmed {
            let all = todo.confirmed.entry(user).or_default();
            let later = mem::replace(all, letters);
            all.extend(later);
        }
        drop(todo);
        self.work.notify_one();
    }
}

impl Doorbell for Bell {
    fn ring(&self, user: &Topic) {
        if self.todo.lock().expecting.insert(user.clone()) {
            self.work.notify_one();
        }
    }

    fn confirm(&self, user: &Topic, letters: &[LetterId]) {
        if letters.is_empty() {
            return;
        }
        let mut todo = self.todo.lock();
        let all = todo.confirmed.entry(user.clone()).or_default();
        all.extend_from_slice(letters);
        drop(todo);
        self.work.notify_one();
    }
}

impl Todo {
    fn is_empty(&self) -> bool {
        self.expecting.is_empty() && self.untold.is_empty() && self.confirmed.is_empty()
    }
}

fn some(topics: &mut HashSet<Topic>) -> Vec<Topic> {
    if topics.len() <= ROUND_MAX {
        return topics.drain().collect();
    }
    let some: Vec<Topic> = topics.iter().take(ROUND_MAX).cloned().collect();
    for topic in &some {
        topics.remove(topic);
    }
    some
}
