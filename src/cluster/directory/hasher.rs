//! The hash by which members tell one another of topics: the same on every member for one life of
//! the server's data, and another one in the next.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use siphasher::sip::SipHasher13;

use crate::topic::Topic;

/// Set before the text that a key is made of, so that the key is of no use for anything else.
const PURPOSE: &str = "tidegate topic hash 1\0";
/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// Hashes topics with a key.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct TopicHasher {
    key: [u8; KEY_BYTES],
}

// === impl TopicHasher ===

impl TopicHasher {
    /// The hasher for the life of the server's data that `generation` names.
    pub fn of_generation(generation: &str) -> Self {
        let digest = digest(&SHA256, format!("{PURPOSE}{generation}").as_bytes());
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&digest.as_ref()[..KEY_BYTES]);
        Self { key }
    }

    /// The hash of a topic.
    pub fn hash(&self, topic: &Topic) -> u64 {
        SipHasher13::new_with_key(&self.key).hash(topic.as_str().as_bytes())
    }
}

/// Whoever knows the key can look for topics whose hashes meet, so logs do not show it.
impl fmt::Debug for TopicHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TopicHasher(..)")
    }
}
