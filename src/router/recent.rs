//! What a session was given lately of what may come again: a message that its sender repeats, since
//! its acknowledgement was lost, is kept once and sent on its way each time.

use std::collections::VecDeque;

use crate::message::MessageId;

/// Most messages that are remembered. A sender repeats within seconds, or when it is back; a user who
/// is sent more than this meanwhile may see a repeat.
const RECENT_MAX: usize = 256;

/// The last messages that a session was given.
#[derive(Debug, Default)]
pub(super) struct Recent(VecDeque<MessageId>);

impl Recent {
    /// Takes note of a message; says whether it was not given before.
    pub(super) fn is_new(&mut self, id: &MessageId) -> bool {
        // A repeat is mostly one of the last.
        if self.0.iter().rev().any(|before| before == id) {
            return false;
        }
        if self.0.len() == RECENT_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id.clone());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_among_the_last() {
        let mut recent = Recent::default();
        assert!(recent.is_new(&MessageId::Number(0)));
        assert!(!recent.is_new(&MessageId::Number(0)));
        for number in 1..RECENT_MAX as u64 {
            assert!(recent.is_new(&MessageId::Number(number)));
        }
        assert!(!recent.is_new(&MessageId::Number(0)));
        assert!(recent.is_new(&MessageId::Text("0".into())));
        assert!(recent.is_new(&MessageId::Number(0)));
    }
}
