//! Occupancy: which members are in which rooms, and whose coming or going has changed whether anybody is.
//!
//! Contract, for every implementation of [`Occupancy`]:
//!
//! - **Edges**: of all members that enter a room that nobody is in, one is given a number: the room is
//!   occupied by it. Of all that leave, the last one is: the room is vacated by it. A room's numbers
//!   grow.
//! - **Told**: the same member is given the same number again, however often it calls, until
//!   [`Occupancy::told`]: whoever dies in between leaves it to the one who settles its affairs, who
//!   calls in its name.
//! - **Opening**: as in [`crate::dues`]: what a member is in stands beside its records.
//! - **Blocking**, **Cancellation**: as in [`crate::dues`].

use std::fmt;

use crate::{dues::Pending, id::Member, topic::Topic};

/// Knows who is where. See the module's documentation for the contract.
pub trait Occupancy: fmt::Debug + Send + Sync + 'static {
    /// A member enters rooms, or is in them already. Gives the number for each that is occupied by it,
    /// in order; with `is_quiet` for none: it was told of before the data were lost.
    fn enter(
        &self,
        me: &Member,
        rooms: Vec<Topic>,
        is_quiet: bool,
    ) -> Pending<'_, Vec<Option<u64>>>;

    /// A member leaves rooms, or has left them already. Gives what is to be told of each, in order.
    fn leave(&self, member: &Member, rooms: Vec<Topic>) -> Pending<'_, Vec<Left>>;

    /// What was to be told of these rooms for this member is.
    fn told(&self, member: &Member, rooms: Vec<Topic>) -> Pending<'_, ()>;
}

/// What is to be told of a room that a member has left.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Left {
    /// The number under which it was occupied by the member, if that was not told yet.
    pub occupied: Option<u64>,
    /// The number under which it is vacated by the member, if it is.
    pub vacated: Option<u64>,
}
