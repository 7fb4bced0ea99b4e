//! What the postman has to do: users who expect mail, letters that clients have.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    mem,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

use super::{Doorbell, LetterId, Mail};
use crate::{presence::Members, topic::Topic};

/// Most users of one round.
const ROUND_MAX: usize = 256;
/// Longer than a login takes to be known on every member.
const SECOND_LOOK: Duration = Duration::from_secs(3);
/// Letters that are looked after a second time; beyond, it is done early for the oldest.
const POSTED_MAX: usize = 65_536;

/// Between everybody and the postman. Holds a user once, however often it rings, and no more users
/// than have sessions here or had a letter posted that its sessions were not told of.
#[derive(Debug)]
pub struct Bell {
    mail: Arc<dyn Mail>,
    todo: Mutex<Todo>,
    work: Notify,
}

#[derive(Debug, Default)]
struct Todo {
    expecting: HashSet<Topic>,
    /// Users whose sessions, here and on other members, must be told that they have mail.
    untold: HashSet<Topic>,
    confirmed: HashMap<Topic, Vec<LetterId>>,
    posted: VecDeque<Posted>,
}

/// A letter that was posted, in order.
#[derive(Debug)]
struct Posted {
    look_at: Instant,
    user: Topic,
    /// Members that were known to have sessions of the user.
    told: Members,
}

/// What the postman does at a time.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) expecting: Vec<Topic>,
    pub(super) untold: Vec<Topic>,
    pub(super) confirmed: Vec<(Topic, Vec<LetterId>)>,
}

impl Bell {
    pub(super) fn new(mail: Arc<dyn Mail>) -> Self {
        Self {
            mail,
            todo: Mutex::default(),
            work: Notify::new(),
        }
    }

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

    /// Has a second look at who has sessions of this user: one that has just logged in elsewhere may
    /// have read its mail before the letter was there, and not have been known of after.
    pub(super) fn look_again(&self, user: Topic, told: Members, now: Instant) {
        let mut todo = self.todo.lock();
        if todo.posted.len() == POSTED_MAX
            && let Some(posted) = todo.posted.pop_front()
        {
            todo.untold.insert(posted.user);
        }
        let is_first = todo.posted.is_empty();
        todo.posted.push_back(Posted {
            look_at: now + SECOND_LOOK,
            user,
            told,
        });
        drop(todo);
        if is_first {
            self.work.notify_one();
        }
    }

    /// Has users told for whom there are members now that were not there before.
    pub(super) fn look(&self, members: impl Fn(&Topic) -> Members, now: Instant) {
        let mut todo = self.todo.lock();
        while let Some(posted) = todo.posted.pop_front_if(|posted| posted.look_at <= now) {
            let news = members(&posted.user);
            if news.iter().any(|member| !posted.told.contains(member)) {
                todo.untold.insert(posted.user);
            }
        }
    }

    /// Waits until there is something to do. Cancel safe.
    pub(super) async fn work(&self) {
        loop {
            let work = self.work.notified();
            let look_at = {
                let todo = self.todo.lock();
                let look_at = todo.posted.front().map(|posted| posted.look_at);
                if !todo.is_empty() || look_at.is_some_and(|at| at <= Instant::now()) {
                    return;
                }
                look_at
            };
            match look_at {
                Some(at) => drop(time::timeout_at(at, work).await),
                None => work.await,
            }
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
    fn may_have_mail(&self, user: &Topic) -> bool {
        self.mail.may_have(user)
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{Letter, Pending, Put};

    /// Nothing is asked of it here.
    #[derive(Debug)]
    struct NoMail;

    impl Mail for NoMail {
        fn put(&self, _: Vec<(Topic, bytes::Bytes)>) -> Pending<'_, Vec<Put>> {
            unreachable!()
        }

        fn read(&self, _: Vec<Topic>) -> Pending<'_, Vec<Vec<Letter>>> {
            unreachable!()
        }

        fn remove(&self, _: Vec<(Topic, Vec<LetterId>)>) -> Pending<'_, ()> {
            unreachable!()
        }
    }

    fn bell() -> Bell {
        Bell::new(Arc::new(NoMail))
    }

    fn user(name: &str) -> Topic {
        format!("user:{name}").parse().unwrap()
    }

    fn members(names: &[&str]) -> Members {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_rings_often_is_done_once_and_what_was_put_back_again() {
        let bell = bell();
        for _ in 0..3 {
            bell.ring(&user("a"));
            bell.confirm(&user("a"), &[LetterId(1, 1)]);
        }
        bell.confirm(&user("b"), &[]);
        bell.work().await;
        let round = bell.take();
        assert_eq!(round.expecting, [user("a")]);
        assert_eq!(round.confirmed, [(user("a"), vec![LetterId(1, 1); 3])]);
        assert!(bell.todo.lock().is_empty());
        bell.confirm(&user("a"), &[LetterId(2, 2)]);
        bell.put_back(round);
        let round = bell.take();
        assert_eq!(round.expecting, [user("a")]);
        let (_, letters) = &round.confirmed[0];
        assert_eq!(letters.last(), Some(&LetterId(2, 2)), "in order");
    }

    #[tokio::test]
    async fn a_round_is_bounded() {
        let bell = bell();
        for number in 0..ROUND_MAX + 5 {
            bell.ring(&user(&number.to_string()));
        }
        assert_eq!(bell.waiting(), ROUND_MAX + 5);
        assert_eq!(bell.take().expecting.len(), ROUND_MAX);
        assert_eq!(bell.take().expecting.len(), 5);
    }

    #[test]
    fn members_that_were_not_known_when_a_letter_was_posted_are_told_of_it() {
        let (bell, now) = (bell(), Instant::now());
        bell.look_again(user("a"), members(&["x.1"]), now);
        bell.look_again(user("b"), members(&[]), now);
        bell.look_again(user("c"), members(&["x.1", "y.1"]), now);
        bell.look_again(user("d"), members(&[]), now + SECOND_LOOK);
        bell.look(|_| members(&["y.1"]), now);
        assert_eq!(bell.waiting(), 0, "it is early");
        bell.look(|_| members(&["y.1"]), now + SECOND_LOOK);
        let mut untold = bell.take().untold;
        untold.sort();
        assert_eq!(untold, [user("a"), user("b")]);
    }

    #[test]
    fn too_many_letters_to_look_after_are_looked_after_early() {
        let (bell, now) = (bell(), Instant::now());
        for number in 0..=POSTED_MAX {
            bell.look_again(user(&number.to_string()), members(&[]), now);
        }
        assert_eq!(bell.take().untold, [user("0")]);
    }
}
