//! Orders: whose they are. They belong to the application; nothing is changed.

use std::fmt;

pub use crate::record::ORDER_BYTES_MAX;
use crate::{id::Person, store::Pending};

/// Knows orders.
pub trait Orders: fmt::Debug + Send + Sync + 'static {
    /// An order, if there is one of this id. Ends within a limit of the implementation's own. An order
    /// without a courier is one that nobody may take.
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Order>>;
}

/// Whose an order is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order {
    /// Who has ordered.
    pub customer: Person,
    /// Who brings it.
    pub courier: Option<Person>,
}
