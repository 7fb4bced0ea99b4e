//! What a session was given lately of what may come again: a message that its sender repeats, since
//! its acknowledgement was lost, is kept once and sent on its way each time.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::message::MessageId;

/// How long a message is remembered. A sender repeats within seconds, or when it is back; what was on
/// its way while a server was away comes later.
const REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// Most messages that are remembered: a user who is sent more than this between a message and its
/// repeat sees both.
const RECENT_MAX: usize = 1024;

/// The last messages that a session was given, and when.
#[derive(Debug, Default)]
pub(super) struct Recent {
    given: VecDeque<(Instant, MessageId)>,
    /// The greatest number that was among them.
    greatest: u64,
}

impl Recent {
    /// Takes note of a message; says whether it was not given before.
    pub(super) fn is_new(&mut self, id: &MessageId, now: Instant) -> bool {
        // Most are newer than all before, and need not be looked for.
        let is_newest = matches!(id, MessageId::Number(number) if self.greatest < *number);
        if !is_newest && self.given.iter().rev().any(|(_, before)| before == id) {
            return false;
        }
        if let MessageId::Number(number) = id {
            self.greatest = self.greatest.max(*number);
        }
        self.forget(now);
        self.given.push_back((now, id.clone()));
        true
    }

    /// Whether a message was given.
    pub(super) fn has(&self, id: &MessageId) -> bool {
        self.given.iter().any(|(_, before)| before == id)
    }

    /// Makes room for one more.
    fn forget(&mut self, now: Instant) {
        let is_old = |at: &Instant| REMEMBERED < now.saturating_duration_since(*at);
        while let Some((at, _)) = self.given.front()
            && (is_old(at) || RECENT_MAX <= self.given.len())
        {
            self.given.pop_front();
        }
        // A session may last for days after a busy minute.
        if self.given.len() < self.given.capacity() / 8 {
            self.given.shrink_to(2 * self.given.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_among_the_last() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        let mut is_new = |id: MessageId| recent.is_new(&id, now);
        assert!(is_new(MessageId::Number(0)));
        assert!(!is_new(MessageId::Number(0)));
        for number in 1..RECENT_MAX as u64 {
            assert!(is_new(MessageId::Number(number)));
        }
        assert!(!is_new(MessageId::Number(0)));
        assert!(is_new(MessageId::Text("0".into())));
        assert!(is_new(MessageId::Number(0)));
    }

    #[test]
    fn whichever_way_is_faster_a_message_is_new_once() {
        let (mut recent, now) = (Recent::default(), Instant::now());
        for (number, expect) in [(5, true), (3, true), (5, false), (3, false), (4, true)] {
            let id = MessageId::Number(number);
            assert_eq!(recent.is_new(&id, now), expect, "{number}");
        }
    }

    #[test]
    fn what_is_older_is_forgotten_and_takes_no_room() {
        let (mut recent, then) = (Recent::default(), Instant::now());
        for number in 0..RECENT_MAX as u64 {
            recent.is_new(&MessageId::Number(number), then);
        }
        let later = then + REMEMBERED;
        assert!(!recent.is_new(&MessageId::Number(7), later));
        assert!(recent.is_new(&MessageId::Number(9999), later + Duration::from_secs(1)));
        assert_eq!(recent.given.len(), 1);
        assert!(recent.given.capacity() < RECENT_MAX / 8);
    }
}
