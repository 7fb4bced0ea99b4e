//! What is said in live rooms: what waits for a wall's word, and what was published.
//!
//! Contract, for every implementation of [`Drafts`]:
//!
//! - **Durability**: a draft that [`Drafts::add`] has answered for survives the death of its node, in
//!   Redis as far as Redis itself persists, embedded it is on disk.
//! - **Bounds**: a room has at most [`DRAFTS_MAX`]; one more is refused, and none takes the place of
//!   another. [`DRAFTS_KEPT`] after the last one was added they are forgotten.
//! - **Once**: of several who call [`Drafts::take`] for one draft, one is given it. Between
//!   [`Drafts::approve`] and that, nobody can reject it any more; whoever died there may be followed by
//!   another who approves it.
//! - **Order**: [`Drafts::list`] gives the oldest first.
//!
//! And for every implementation of [`Sayings`]:
//!
//! - **Durability**: as that of `store::MessageStore`.
//! - **Duplicates**: a saying whose name is there already is passed over, and the id is that of the first.
//! - **Order**: pages are read newest first, by id.
//!
//! - **Blocking**: every call of both ends within a limit of the implementation's own, with an error if
//!   need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

use std::{fmt, time::Duration};

use crate::store::{Pending, Prunes};

/// Most drafts of a room.
pub const DRAFTS_MAX: usize = 1000;
/// How long drafts of a room are kept in which nothing more is said.
pub const DRAFTS_KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Longest text, in bytes, escaped.
pub const SAY_BYTES_MAX: usize = 4096;
/// Most sayings of a page.
pub const PAGE_MAX: usize = 20;
/// How far back pages go, in sayings, and up to where they are counted.
pub const DEPTH_MAX: usize = 10_000;

/// Keeps what waits. See the module's documentation for the contract.
pub trait Drafts: fmt::Debug + Send + Sync + 'static {
    /// Adds a draft to a room. Says whether there was room for it.
    fn add<'a>(&'a self, code: &'a str, draft: Draft) -> Pending<'a, bool>;

    /// Says that a draft is to be published, if it is there, and gives it. Again: gives it again.
    fn approve<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, Option<Draft>>;

    /// Takes a draft that is approved out. Says whether it was there.
    fn take<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, bool>;

    /// Takes a draft out that is not approved. Says whether it was there.
    fn reject<'a>(&'a self, code: &'a str, id: &'a str) -> Pending<'a, bool>;

    /// The oldest drafts of a room, at most so many.
    fn list<'a>(&'a self, code: &'a str, max: usize) -> Pending<'a, Vec<Draft>>;

    /// Takes all drafts of a room out that are not approved. Says how many.
    fn clear<'a>(&'a self, code: &'a str) -> Pending<'a, u64>;
}

/// Keeps what was published. See the module's documentation for the contract.
pub trait Sayings: Prunes {
    /// Keeps a saying, and gives its id.
    fn publish(&self, saying: Saying) -> Pending<'_, u64>;

    /// Withdraws what a wall has said in a room. Says whether it was published until then.
    fn recall<'a>(&'a self, code: &'a str, id: u64, now_ms: u64) -> Pending<'a, bool>;

    /// A page of what is published.
    fn history(&self, wanted: Page) -> Pending<'_, Found>;
}

/// Something that a user has said and no wall has judged yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Draft {
    /// Names it: 32 hexadecimal digits.
    pub id: Box<str>,
    /// Who has said it.
    pub user_id: Box<str>,
    /// The user's nickname, escaped.
    pub nickname: Box<str>,
    /// What was said, escaped.
    pub say: Box<str>,
    /// When, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Something that is published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Saying {
    /// The code of the room.
    pub code: Box<str>,
    /// Whose words they are.
    pub kind: Voice,
    /// The id of the draft that it was.
    pub name: Option<Box<str>>,
    /// Who has said it.
    pub user_id: Box<str>,
    /// The nickname of the one, escaped.
    pub nickname: Box<str>,
    /// What was said, escaped.
    pub say: Box<str>,
    /// When it was published, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Whose words they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Voice {
    /// Those of somebody with a phone.
    User,
    /// Those of a big screen.
    Wall,
}

/// Which page is wanted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Page {
    /// The code of the room.
    pub code: Box<str>,
    /// Whose words.
    pub kind: Voice,
    /// How many newer ones are passed over.
    pub skip: usize,
    /// Most of the page.
    pub max: usize,
}

/// A page.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Newest first, with their ids.
    pub sayings: Vec<(u64, Saying)>,
    /// How many there are of all pages, counted up to [`DEPTH_MAX`].
    pub count: u64,
}

// === impl Voice ===

impl Voice {
    /// Name in databases.
    pub const fn label(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Wall => "wall",
        }
    }

    /// The one of this name.
    pub fn of_label(label: &str) -> Option<Self> {
        [Self::User, Self::Wall]
            .into_iter()
            .find(|voice| voice.label() == label)
    }
}
