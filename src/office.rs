//! Customer service: which agent serves which customer, as one decision of all nodes.
//!
//! Contract, for every implementation of [`Office`]:
//!
//! - **One decision**: a customer who has asked and is not released has one agent, or waits at one place of
//!   the queue. Whatever is called at the same time, on whichever nodes, happens one after the other.
//! - **Who is there**: an agent is there while it has a seat. A seat that was given up ([`Office::rise`]) is
//!   never taken again, in whichever order the two calls come, for an hour at least.
//! - **Assigning**: only agents who are there get customers, by the [`Strategy`], those who have waited for
//!   the longest first. A customer stays its agent's until the agent has been away for
//!   [`Rules::reassign_after`], or somebody transfers or releases it.
//! - **Telling**: whatever changes is to be told, and what a customer says is to be passed on. It waits in
//!   *lanes*, one of each customer and one of the office's own, each in order. Whoever has the [`Turn`] of a
//!   lane tells what is in it; a turn that is not used is somebody else's after [`LEASE`]. So all of it is
//!   told at least once. What a customer says is for whoever is its agent when it is told, after what
//!   is to be told of the change that made it so.
//! - **Deaths**: what was passed on to an agent in the last [`WINDOW`] before a node that it was at has died
//!   is passed on once more.
//! - **Durability**: what was answered for survives the death of every node, in Redis as far as Redis itself
//!   persists, embedded it is on disk. Embedded, a restart makes all agents ones who are away since then.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need be.
//! - **Cancellation**: a call whose future is dropped, or that has failed, may or may not be carried out.

pub mod entry;
pub mod order;
pub mod state;

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;

use self::entry::Entry;
use crate::id::{SessionId, UserId};

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, OfficeError>> + Send + 'a>>;

/// How long a turn is somebody's who does not use it: longer than it takes to publish, short enough for a
/// customer who waits.
pub const LEASE: Duration = Duration::from_secs(5);
/// How long it is remembered what was passed on: longer than it takes to see that a node is dead.
pub const WINDOW: Duration = Duration::from_secs(15);
/// Most messages that are remembered so, of one customer.
pub const WINDOW_MESSAGES_MAX: usize = 100;
/// How long it is remembered that a seat was given up.
pub const RISEN: Duration = Duration::from_secs(3600);
/// Most customers who wait.
pub const QUEUE_MAX: usize = 10_000;
/// Most customers, with an agent or without.
pub const CUSTOMERS_MAX: usize = 100_000;
/// Most agents, there or away.
pub const AGENTS_MAX: usize = 1000;
/// Most messages of one customer that wait to be passed on for the first time.
pub const MESSAGES_MAX: usize = 20;
/// Most bytes of them. A longer one is taken if it does not have to wait.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// How many at the head of the queue are told each time that they move.
pub const TOLD_MAX: usize = 50;
/// Most customers who are assigned, or given up, in one step.
pub const STEP: usize = 200;
/// Most turns that one call gives.
pub const TURNS_MAX: usize = 200;
/// Most entries that [`Office::next`] gives.
pub const ENTRIES_MAX: usize = 32;
/// Most customers of one page.
pub const PAGE_MAX: usize = 100;

/// Decides. See the module's documentation for the contract.
pub trait Office: fmt::Debug + Send + Sync + 'static {
    /// An agent takes customers from now on, at this session. Again: changes no more than its name.
    fn sit(&self, agent: Party, session: SessionId, rules: Rules) -> Pending<'_, Decided>;

    /// A session is nobody's seat any more, and never will be. Again: changes nothing.
    fn rise(&self, session: SessionId, end: End) -> Pending<'_, Done>;

    /// A customer says something: one JSON value, to be passed on as it is.
    fn ask(&self, customer: Party, data: Bytes, rules: Rules) -> Pending<'_, Decided>;

    /// Gives a customer to another agent, who is there. `by`: the agent whose customer it has to be.
    fn transfer(&self, by: Option<UserId>, customer: UserId, to: UserId) -> Pending<'_, Decided>;

    /// A customer needs no agent any more. `by`: the agent whose customer it has to be. What it has said
    /// and was not passed on yet is, if its agent is there, and is dropped and counted if not.
    fn release(&self, by: Option<UserId>, customer: UserId) -> Pending<'_, Decided>;

    /// Does what time brings: assigns the customers of agents who have been away for too long, and of the
    /// queue; releases those who have not said a word for [`Rules::idle`]; and gives turns that nobody uses.
    fn look(&self, rules: Rules) -> Pending<'_, Look>;

    /// Takes these entries out of a lane, which were told, and gives those that come next. None: the turn
    /// is somebody else's, and nothing was taken. No entries: there are none to be told, and the turn is over.
    fn next(&self, turn: Turn, told: Vec<EntryId>) -> Pending<'_, Option<Vec<(EntryId, Entry)>>>;

    /// All agents, and a page of the customers in the order in which they came, behind that number, at
    /// most [`PAGE_MAX`].
    fn view(&self, after: u64, max: usize) -> Pending<'_, View>;

    /// A customer.
    fn find(&self, customer: UserId) -> Pending<'_, Option<Customer>>;
}

/// How customers get agents. The customer's own agent comes before all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Strategy {
    /// By a hash of the customer's id that is the same everywhere and for ever.
    Hash,
    /// The one with the fewest customers; of several, the first in order.
    LeastLoaded,
    /// By the number that the customer's id is, in order; by a hash if it is none.
    #[default]
    RoundRobin,
}

/// What can be configured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rules {
    /// How customers get agents.
    pub strategy: Strategy,
    /// An agent who is away for so long loses its customers.
    pub reassign_after: Duration,
    /// A customer with an agent who says nothing for so long is released.
    pub idle: Duration,
}

/// A user, as others are told of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Party {
    /// Who.
    pub id: UserId,
    /// Its name.
    pub name: Box<str>,
}

/// How a seat was given up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Its node has died: what was on its way to it is lost.
    Died,
    /// Its session has ended.
    Left,
}

/// A lane: that of a customer, or the office's own.
pub type Lane = Option<UserId>;

/// The right to tell what is in a lane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Turn {
    /// Of this lane.
    pub lane: Lane,
    /// Which of its turns.
    pub number: u64,
}

/// Names an entry in its lane.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EntryId(pub Box<str>);

/// What came of a call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Done {
    /// Turns of the caller's: lanes have something to be told.
    pub turns: Vec<Turn>,
    /// How many customers got an agent, by [`Reason`] in the order of [`Reason::ALL`].
    pub assigned: [u64; Reason::ALL.len()],
    /// Messages that were dropped with a customer who was released.
    pub dropped: u64,
}

/// What came of a call that can be refused.
pub type Decided = Result<Done, Refusal>;

/// Why a customer got an agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reason {
    /// It has asked, and somebody was there.
    New,
    /// It had waited.
    Queue,
    /// Its agent was away for too long.
    Reassigned,
    /// Somebody has said so.
    Transferred,
}

/// Why a call was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The seat was given up before.
    Gone,
    /// There is no such agent who is there.
    NoAgent,
    /// There is no such customer.
    NoCustomer,
    /// The customer is not the caller's.
    NotYours,
    /// Too many wait, or too much of the customer does; or there are too many agents.
    TooMany,
}

/// What came of a look.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// What was done.
    pub done: Done,
    /// There is more to be done at once.
    pub has_more: bool,
    /// How many there are.
    pub figures: Figures,
}

/// How many there are, on all nodes together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Figures {
    /// Customers who have an agent.
    pub assigned: u64,
    /// Customers who wait.
    pub waiting: u64,
    /// Agents who are there.
    pub agents: u64,
    /// Lanes that have something to be told.
    pub lanes: u64,
}

/// Who serves whom.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct View {
    /// All agents in order.
    pub agents: Vec<Agent>,
    /// Customers.
    pub customers: Vec<Customer>,
    /// How many there are.
    pub figures: Figures,
}

/// An agent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Agent {
    /// Who.
    pub party: Party,
    /// Whether it is there.
    pub is_online: bool,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// How many customers it has.
    pub customers: u64,
}

/// A customer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Customer {
    /// Who.
    pub party: Party,
    /// Customers who came later have a greater one.
    pub number: u64,
    /// Who serves it.
    pub agent: Option<Party>,
    /// Its place in the queue, from 1 on, if nobody does.
    pub position: Option<u64>,
    /// When it said something last, in milliseconds since the Unix epoch.
    pub last_ms: u64,
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("customer service cannot be kept: {0}")]
pub struct OfficeError(pub Box<str>);

/// How far the office is ahead of its clock: for tests of what takes hours.
#[derive(Clone, Debug, Default)]
pub struct Ahead(Arc<AtomicU64>);

// === impl Reason ===

impl Reason {
    /// Every reason, in the order of the variants.
    pub const ALL: [Self; 4] = [Self::New, Self::Queue, Self::Reassigned, Self::Transferred];
}

// === impl Strategy ===

impl Strategy {
    /// Its name in the configuration.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hash => "hash",
            Self::LeastLoaded => "least_loaded",
            Self::RoundRobin => "round_robin",
        }
    }
}

// === impl Refusal ===

impl Refusal {
    /// Every refusal, in the order of the variants.
    pub const ALL: [Self; 5] = [
        Self::Gone,
        Self::NoAgent,
        Self::NoCustomer,
        Self::NotYours,
        Self::TooMany,
    ];

    /// Name between nodes and in metrics.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::NoAgent => "no_agent",
            Self::NoCustomer => "no_customer",
            Self::NotYours => "not_yours",
            Self::TooMany => "too_many",
        }
    }
}

// === impl Ahead ===

impl Ahead {
    /// Goes on so far.
    pub fn go(&self, further: Duration) {
        self.0.fetch_add(further.as_millis() as u64, Relaxed);
    }

    /// How far it is, in milliseconds.
    pub fn ms(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
