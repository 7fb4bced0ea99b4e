//! Identities: newtypes for everything that is named across the cluster.

use std::{fmt, str::FromStr, sync::Arc};

/// Longest node name, in characters. It is part of Redis keys and of every session id.
pub const NODE_CHARS_MAX: usize = 64;
/// Longest user id, in bytes. Generous, since some clients use their whole access token as address.
pub const USER_BYTES_MAX: usize = 1024;

/// The configured name of a node: letters, digits, `-` and `_`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NodeId(Arc<str>);

/// One life of one node: `<node>.<epoch>`. A restarted node is a new member.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Member(Arc<str>);

/// A session's number on its member. The upper 16 bits name the shard that serves it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, PartialOrd, Ord)]
pub struct Serial(u64);

/// A session, unique in the cluster: `<node>.<epoch>.<serial>`. It contains its member, so that it
/// routes by itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct SessionId {
    /// The member that serves the session.
    pub member: Member,
    /// Which of that member's sessions.
    pub serial: Serial,
}

/// Whoever authenticated, in the one namespace of all dialects. Never empty. Kept as the text of the
/// user's topic, which an idle session has anyway: both share it.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UserId(Arc<str>);

/// What stands before a user's id in the text of its topic.
pub(crate) const USER_PREFIX: &str = "user:";

/// A user of the `im` dialect, whose users are numbers: from 1 to 2^63 - 2, which every database has a
/// column for. Also a [`UserId`], the decimal digits.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Person(u64);

/// Why a text is not an identity.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseIdError {
    #[error("is empty")]
    Empty,
    #[error("has a character that is not allowed")]
    Character,
    #[error("is too long")]
    TooLong,
    #[error("is not a session id, expected <node>.<epoch>.<serial>")]
    Shape,
}

// === impl NodeId ===

impl NodeId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseIdError::Empty);
        }
        if NODE_CHARS_MAX < text.len() {
            return Err(ParseIdError::TooLong);
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !text.bytes().all(allowed) {
            return Err(ParseIdError::Character);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Member ===

impl Member {
    /// The life of `node` that began at `epoch` (any number that grows from life to life).
    pub fn new(node: &NodeId, epoch: u64) -> Self {
        Self(format!("{node}.{epoch:x}").into())
    }

    /// The whole `<node>.<epoch>` text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The node's name.
    pub fn node(&self) -> &str {
        self.0.split_once('.').map_or(&*self.0, |(node, _)| node)
    }

    /// The life's number, as it stands in the text.
    pub fn epoch(&self) -> &str {
        self.0.split_once('.').map_or("", |(_, epoch)| epoch)
    }
}

impl FromStr for Member {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (node, epoch) = text.split_once('.').ok_or(ParseIdError::Shape)?;
        node.parse::<NodeId>()?;
        if !canonical_hex(epoch) {
            return Err(ParseIdError::Shape);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// === impl Serial ===

impl Serial {
    /// Session number `count` of `shard`. Counts wrap after 2^48 sessions of one shard.
    pub fn new(shard: u16, count: u64) -> Self {
        Self((u64::from(shard) << 48) | (count & ((1 << 48) - 1)))
    }

    /// As a number.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The serial of a number that [`Self::number`] gave.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }

    /// The shard that serves the session.
    pub fn shard(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

// === impl SessionId ===

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.member, self.serial)
    }
}

impl FromStr for SessionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (member, serial) = text.rsplit_once('.').ok_or(ParseIdError::Shape)?;
        let (node, epoch) = member.split_once('.').ok_or(ParseIdError::Shape)?;
        node.parse::<NodeId>()?;
        if !canonical_hex(epoch) || !canonical_hex(serial) {
            return Err(ParseIdError::Shape);
        }
        let serial = u64::from_str_radix(serial, 16).map_err(|_| ParseIdError::Shape)?;
        Ok(Self {
            member: Member(member.into()),
            serial: Serial(serial),
        })
    }
}

/// One text per session: no upper case, no leading zeros.
fn canonical_hex(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (1..=16).contains(&text.len())
        && text.bytes().all(digit)
        && (text.len() == 1 || !text.starts_with('0'))
}

// === impl Person ===

impl Person {
    /// The user of this number, if it can be one's.
    pub const fn new(number: u64) -> Option<Self> {
        if number == 0 || i64::MAX as u64 <= number {
            return None;
        }
        Some(Self(number))
    }

    /// The person of a user's id. One text is one user: that with zeros in front is another one.
    pub fn of_user(id: &str) -> Option<Self> {
        id.parse().ok().filter(|_| !id.starts_with('0'))
    }

    /// The number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

/// Decimal digits and nothing else; zeros in front of them are passed over.
impl FromStr for Person {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseIdError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseIdError::Character);
        }
        let number = text.parse().map_err(|_| ParseIdError::TooLong)?;
        Self::new(number).ok_or(ParseIdError::Character)
    }
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

// === impl UserId ===

impl UserId {
    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0[USER_PREFIX.len()..]
    }

    /// The text of the user's topic.
    pub(crate) fn topic_text(&self) -> &Arc<str> {
        &self.0
    }

    /// The user of the `im` dialect that it is, if it is one.
    pub fn person(&self) -> Option<Person> {
        Person::of_user(self.as_str())
    }
}

impl FromStr for UserId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(ParseIdError::Empty);
        }
        if USER_BYTES_MAX < text.len() {
            return Err(ParseIdError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(ParseIdError::Character);
        }
        Ok(Self([USER_PREFIX, text].concat().into()))
    }
}

impl From<Person> for UserId {
    fn from(person: Person) -> Self {
        Self(format!("{USER_PREFIX}{person}").into())
    }
}

/// Ids may be credentials in dialects whose address is a token, so logs show none of it.
impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserId(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> NodeId {
        text.parse().unwrap()
    }

    #[test]
    fn a_session_id_contains_its_member_and_comes_back_from_text() {
        let id = SessionId {
            member: Member::new(&node("gw-1"), 0x18f3),
            serial: Serial::new(3, 77),
        };
        assert_eq!(id.to_string().parse(), Ok(id.clone()));
        assert_eq!(id.member.node(), "gw-1");
        assert_eq!(id.member.epoch(), "18f3");
        assert_eq!(id.serial.shard(), 3);
    }

    #[test]
    fn a_session_id_has_one_text() {
        for text in [
            "", "a", "a.1", "a.1.G", "a.01.1", "a.1.01", "a.1.A", "a..1", "a.b.c.d",
        ] {
            assert!(text.parse::<SessionId>().is_err(), "{text}");
        }
        assert!("a.1.0".parse::<SessionId>().is_ok());
    }

    #[test]
    fn a_node_name_has_no_dot_so_that_members_split_in_one_way() {
        assert_eq!("gw.1".parse::<NodeId>(), Err(ParseIdError::Character));
        assert_eq!("".parse::<NodeId>(), Err(ParseIdError::Empty));
        assert_eq!("a".repeat(65).parse::<NodeId>(), Err(ParseIdError::TooLong));
    }

    #[test]
    fn a_user_id_is_text_without_control_characters() {
        assert!("driver/张三".parse::<UserId>().is_ok());
        assert_eq!("a\n".parse::<UserId>(), Err(ParseIdError::Character));
        assert_eq!("".parse::<UserId>(), Err(ParseIdError::Empty));
    }

    #[test]
    fn a_person_is_a_number_of_which_there_is_one_text() {
        assert_eq!("42".parse(), Ok(Person(42)));
        assert_eq!("007".parse::<Person>().unwrap().to_string(), "7");
        for text in ["", "0", "-1", "+1", "1.0", " 1", "x", "9223372036854775807"] {
            assert!(text.parse::<Person>().is_err(), "{text}");
        }
        assert!("9223372036854775806".parse::<Person>().is_ok());
        let user = UserId::from(Person(42));
        assert_eq!((user.as_str(), user.person()), ("42", Some(Person(42))));
        assert_eq!("042".parse::<UserId>().unwrap().person(), None);
    }

    #[test]
    fn a_user_id_does_not_show_in_debug_output() {
        let user: UserId = "secret-token".parse().unwrap();
        assert!(!format!("{user:?}").contains("secret"));
    }
}
