//! The order of agents, and what customers choose among them by.

use aws_lc_rs::digest::{SHA256, digest};

use crate::id::UserId;

/// Where an agent stands: whole numbers from 1 on by their value, then other texts by their bytes.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum AgentKey {
    /// Its digits, behind how many they are.
    Number(usize, UserId),
    /// Any other text.
    Text(UserId),
}

// === impl AgentKey ===

impl AgentKey {
    /// The place of this agent.
    pub fn new(agent: &UserId) -> Self {
        match is_number(agent.as_str()) {
            true => Self::Number(agent.as_str().len(), agent.clone()),
            false => Self::Text(agent.clone()),
        }
    }

    /// The agent.
    pub const fn id(&self) -> &UserId {
        match self {
            Self::Number(_, id) | Self::Text(id) => id,
        }
    }
}

/// The first 48 bits of SHA-256 of an id: the same on every machine and in every language, and exact
/// where numbers are floating.
pub fn hash(id: &UserId) -> u64 {
    let digest = digest(&SHA256, id.as_str().as_bytes());
    let first = digest.as_ref()[..6].iter();
    first.fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Which of `count` agents `round_robin` gives a customer to: `(id - 1) % count` if the id is a number,
/// however long; else by its hash.
pub fn by_number(customer: &UserId, count: usize) -> usize {
    let id = customer.as_str();
    if !is_number(id) {
        return by_hash(customer, count);
    }
    let digits = id.bytes().map(|byte| usize::from(byte - b'0'));
    let rest = digits.fold(0, |rest, digit| (rest * 10 + digit) % count);
    (rest + count - 1) % count
}

/// Which of `count` agents `hash` gives a customer to.
pub fn by_hash(customer: &UserId, count: usize) -> usize {
    (hash(customer) % count as u64) as usize
}

/// A whole number from 1 on, in the one way to write it.
fn is_number(text: &str) -> bool {
    !text.starts_with('0') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        id.parse().unwrap()
    }

    #[test]
    fn agents_stand_by_their_numbers_and_then_by_their_texts() {
        let mut keys =
            ["b", "10", "2", "a", "02", "9", "B", "é"].map(|id| AgentKey::new(&user(id)));
        keys.sort();
        let ids = keys.each_ref().map(|key| key.id().as_str());
        assert_eq!(ids, ["2", "9", "10", "02", "B", "a", "b", "é"]);
    }

    #[test]
    fn round_robin_gives_customers_as_the_tutorials_table_does() {
        let table = |count| (1..=9).map(move |id| by_number(&user(&format!("{id}")), count));
        assert!(table(3).eq([0, 1, 2, 0, 1, 2, 0, 1, 2]));
        assert!(table(1).eq([0; 9]));
        // 2^80 + 1: no number of the machine's.
        assert_eq!(by_number(&user("1208925819614629174706177"), 3), 1);
    }

    #[test]
    fn the_hash_of_an_id_is_the_beginning_of_its_sha_256() {
        // printf %s abc | sha256sum
        assert_eq!(hash(&user("abc")), 0xba78_16bf_8f01);
        assert_eq!(
            by_hash(&user("abc"), 7),
            (0xba78_16bf_8f01_u64 % 7) as usize
        );
        assert_eq!(by_number(&user("abc"), 7), by_hash(&user("abc"), 7));
    }
}
