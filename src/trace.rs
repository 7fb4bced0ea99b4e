//! Traces: how what happens to one message or session is found again among everything else, on all nodes.
//!
//! The trace of a message is a hash of its id, which travels with it, and that of a session one of its id.
//! Whether one is sampled is decided by the hash alone. So nothing new travels, and all nodes choose the same.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use crate::{
    dialect::DialectId,
    id::SessionId,
    message::{DeliveryClass, Message, MessageId},
    topic::Topic,
};

/// Of a million traces, how many are sampled.
pub const MILLION: u32 = 1_000_000;

/// What all steps of one message or session have in common, on every node. 16 hexadecimal digits.
///
/// Two messages have the same one by chance, about once in 2^64, or since they have the same id: numbers that
/// nodes give to what is not kept are a node's own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceId(u64);

/// What is no [`TraceId`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is no trace, expected 16 hexadecimal digits")]
pub struct ParseTraceError;

/// By what way a message came to the node that publishes it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Way {
    /// The HTTP API.
    Api,
    /// The channel of Redis that the applications of `ride` publish to. Every node hears it.
    Bridge,
    /// A client that speaks this dialect.
    Client(DialectId),
    /// The gateway itself: what it tells clients of one another, and what services of it say.
    #[default]
    Gateway,
    /// The queue of pushes, which in a cluster is a stream in Redis.
    Queue,
    /// The same, for its time had come.
    Schedule,
}

/// One step of a message or a session, as a node tells it to whoever asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Step {
    /// When, by the clock of its node, in milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// What happened. A node of another version may know others than this one.
    pub name: Box<str>,
    /// What there is to say of it, by name.
    pub facts: Vec<(Box<str>, Box<str>)>,
}

/// What a node remembers of a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Explained {
    /// In the order in which they happened there.
    pub steps: Vec<Step>,
    /// How many more there were.
    pub left_out: u64,
    /// Since when every step is remembered that could be one of its, in milliseconds since the Unix epoch;
    /// [`Self::NEVER`] if none is.
    pub since_ms: u64,
    /// How many of a million messages of clients are sampled there.
    pub sample: u32,
}

impl Explained {
    /// Nothing is remembered.
    pub const NEVER: u64 = u64::MAX;
}

/// What somebody wants to follow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WatchQuery {
    /// Whose watch it is: the same number again goes on where the last answer ended.
    pub watch: u64,
    /// What is followed.
    pub topic: Topic,
    /// Whether the beginning of what messages say is shown.
    pub with_data: bool,
}

/// What there is to be told to whoever follows a topic.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Tailed {
    /// In their order.
    pub events: Vec<Event>,
    /// How many sessions are followed.
    pub sessions: u32,
    /// There are as many watches as there may be, and this is none of them.
    pub is_refused: bool,
}

/// A step as it is told to whoever follows a topic while it happens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Counts what this follower was to be told by this node, from 0: a gap is what there was no room for.
    pub number: u64,
    /// Of which message or session.
    pub trace: TraceId,
    /// The step.
    pub step: Step,
}

// === impl TraceId ===

impl TraceId {
    /// The trace of the message of this id. A number and its decimal digits are the same id.
    pub fn of_message(id: &MessageId) -> Self {
        match id {
            MessageId::Number(number) => Self(mixed(*number)),
            MessageId::Text(text) => match number(text) {
                Some(number) => Self(mixed(number)),
                None => Self(mixed(Hash::of(text))),
            },
        }
    }

    /// The trace of the message with the id of this text.
    pub fn of_text(id: &str) -> Self {
        Self(mixed(number(id).unwrap_or_else(|| Hash::of(id))))
    }

    /// The trace of a session.
    pub fn of_session(session: &SessionId) -> Self {
        Self(mixed(Hash::of(session)))
    }

    /// As a number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The trace that [`Self::number`] gave a number of.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// Whether it is sampled where so many of a million are.
    pub const fn is_sampled(self, millionths: u32) -> bool {
        // Spread evenly: the upper half of the product is the place on a scale of a million.
        let place = ((self.0 as u128 * MILLION as u128) >> 64) as u32;
        place < millionths
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TraceId {
    type Err = ParseTraceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_hex);
        number.map(Self).ok_or(ParseTraceError)
    }
}

/// The number that a text is, if it is written as numbers are.
fn number(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || text.starts_with(|digit: char| ('1'..='9').contains(&digit));
    text.parse().ok().filter(|_| is_canonical)
}

/// Spreads what differs in a few bits over all of them: the end of SplitMix64.
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// FNV-1a, 64 bits: the same in every version and on every machine.
struct Hash(u64);

impl Hash {
    fn of(value: impl fmt::Display) -> u64 {
        let mut hash = Self(0xcbf2_9ce4_8422_2325);
        write!(hash, "{value}").expect("hashing takes every write");
        hash.0
    }
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

// === impl Way ===

impl Way {
    /// Its name in logs and answers.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Bridge => "bridge",
            Self::Client(dialect) => dialect.label(),
            Self::Gateway => "gateway",
            Self::Queue => "queue",
            Self::Schedule => "schedule",
        }
    }
}

// === impl Message ===

impl Message {
    /// What its steps are found by.
    pub fn trace(&self) -> TraceId {
        TraceId::of_message(&self.id)
    }

    /// Whether it is an application's or the gateway's, or is kept: what every node remembers the steps of,
    /// sampled or not.
    pub fn is_remembered(&self) -> bool {
        self.sender.is_none() || self.class == DeliveryClass::Durable
    }
}

// === impl Step ===

impl Step {
    /// What there is to say under this name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        let mut facts = self.facts.iter();
        facts.find_map(|(other, value)| (**other == *name).then_some(&**value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_digits_are_one_message() {
        let id = MessageId::Number(1_797_000_000_000);
        let text = MessageId::Text("1797000000000".into());
        assert_eq!(TraceId::of_message(&id), TraceId::of_message(&text));
        assert_eq!(TraceId::of_message(&id), TraceId::of_text(&id.to_string()));
        let other = MessageId::Text("01797000000000".into());
        assert_ne!(TraceId::of_message(&id), TraceId::of_message(&other));
    }

    /// What one version samples, the next one has to as well.
    #[test]
    fn a_trace_stays_what_it_is() {
        assert_eq!(TraceId::of_text("order-17").to_string(), "a2b13ff1a62e905e");
        assert_eq!(TraceId::of_text("17").to_string(), "302b8631721c51be");
    }

    #[test]
    fn a_trace_comes_back_from_its_text_and_nothing_else_is_one() {
        let trace = TraceId::of_text("a");
        assert_eq!(trace.to_string().parse(), Ok(trace));
        for text in [
            "",
            "1",
            "+123456789abcdef",
            "0123456789abcdefg",
            "xyz3456789abcdef",
        ] {
            assert_eq!(text.parse::<TraceId>(), Err(ParseTraceError), "{text}");
        }
    }

    #[test]
    fn about_as_many_are_sampled_as_was_asked_for() {
        for (millionths, expect) in [(0, 0..=0), (10_000, 50..=150), (MILLION, 10_000..=10_000)] {
            let ids = (0..10_000_u64).map(|number| MessageId::Number((1_797 << 20) + number));
            let traces = ids.map(|id| TraceId::of_message(&id));
            let sampled = traces.filter(|trace| trace.is_sampled(millionths)).count();
            assert!(expect.contains(&sampled), "{millionths}: {sampled}");
        }
    }
}
