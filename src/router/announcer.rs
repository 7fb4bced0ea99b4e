//! The announcer: which of this node's topics the other members have been told of.
//!
//! Pure. It compares what is announced with what is true whenever it is told to look, so that the
//! order in which changes are reported does not matter, and a topic that comes and goes in between
//! is no news at all. A topic that lost its last subscriber stays announced for the linger time.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use crate::topic::Topic;

/// What is announced.
#[derive(Debug)]
pub struct Announcer {
    linger: Duration,
    /// With the time on which it is left, if it has no subscriber now.
    topics: HashMap<Topic, Option<Duration>>,
    /// Topics that may be left, in the order of their times. Some have subscribers again.
    leaving: VecDeque<(Duration, Topic)>,
}

impl Announcer {
    /// Nothing is announced yet.
    pub fn new(linger: Duration) -> Self {
        Self {
            linger,
            topics: HashMap::new(),
            leaving: VecDeque::new(),
        }
    }

    /// Changes how long topics linger that lose their last subscriber from now on.
    pub fn set_linger(&mut self, linger: Duration) {
        self.linger = linger;
    }

    /// Looks at a topic that has or has not subscribers at `now`. Says whether it has to be announced.
    pub fn look(&mut self, topic: &Topic, has_subscribers: bool, now: Duration) -> bool {
        match (self.topics.get_mut(topic), has_subscribers) {
            (None, true) => {
                self.topics.insert(topic.clone(), None);
                true
            }
            (Some(leaving), true) => {
                *leaving = None;
                false
            }
            (Some(leaving @ None), false) => {
                let due = now + self.linger;
                *leaving = Some(due);
                self.leaving.push_back((due, topic.clone()));
                false
            }
            (Some(Some(_)) | None, false) => false,
        }
    }

    /// Nothing is announced any more.
    pub fn forget(&mut self) {
        self.topics.clear();
        self.leaving.clear();
    }

    /// The topics that are left by `now`; they are announced no more.
    pub fn take_left(&mut self, now: Duration) -> Vec<Topic> {
        let mut left = Vec::new();
        while let Some((due, _)) = self.leaving.front()
            && *due <= now
            && let Some((due, topic)) = self.leaving.pop_front()
        {
            // One that came back and went again has a later time of its own.
            if self.topics.get(&topic) == Some(&Some(due)) {
                self.topics.remove(&topic);
                left.push(topic);
            }
        }
        left
    }

    /// Whether a topic is announced.
    pub fn has(&self, topic: &Topic) -> bool {
        self.topics.contains_key(topic)
    }

    /// When [`Self::take_left`] may give something.
    pub fn next_due(&self) -> Option<Duration> {
        self.leaving.front().map(|(due, _)| *due)
    }

    /// Everything that is announced.
    pub fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.topics.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(2);

    fn second(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    fn topic() -> Topic {
        "user:7".parse().unwrap()
    }

    #[test]
    fn a_topic_is_announced_once_and_left_after_the_linger_time() {
        let mut announcer = Announcer::new(LINGER);
        assert!(announcer.look(&topic(), true, second(0)));
        assert!(!announcer.look(&topic(), true, second(1)));
        assert!(!announcer.look(&topic(), false, second(2)));
        assert_eq!(announcer.next_due(), Some(second(4)));
        assert_eq!(announcer.take_left(second(3)), []);
        assert_eq!(announcer.take_left(second(4)), [topic()]);
        assert_eq!(announcer.topics().count(), 0);
        assert!(announcer.look(&topic(), true, second(5)));
    }

    #[test]
    fn who_comes_back_in_time_is_no_news() {
        let mut announcer = Announcer::new(LINGER);
        announcer.look(&topic(), true, second(0));
        announcer.look(&topic(), false, second(1));
        assert!(!announcer.look(&topic(), true, second(2)));
        assert_eq!(announcer.take_left(second(9)), []);
        assert_eq!(announcer.topics().count(), 1);
    }

    #[test]
    fn the_linger_time_begins_anew_with_each_end() {
        let mut announcer = Announcer::new(LINGER);
        announcer.look(&topic(), true, second(0));
        announcer.look(&topic(), false, second(1));
        announcer.look(&topic(), true, second(2));
        announcer.look(&topic(), false, second(2));
        assert_eq!(announcer.take_left(second(3)), []);
        assert_eq!(announcer.take_left(second(4)), [topic()]);
    }

    #[test]
    fn what_came_and_went_unseen_is_no_news() {
        let mut announcer = Announcer::new(LINGER);
        assert!(!announcer.look(&topic(), false, second(0)));
        assert_eq!(announcer.next_due(), None);
    }
}
