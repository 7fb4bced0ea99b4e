//! Contacts: who may write to whom, who is a courier and where, and which orders were taken.
//!
//! Contract, for every implementation of [`Contacts`]:
//!
//! - **Changes**: what anybody changes, an application past this gateway included, counts for every
//!   call that begins afterwards; nothing is cached.
//! - **Repeats**: every change can be made twice, and the second one changes nothing.
//! - **Direction**: a friendship is one way; whoever is a friend of somebody may be written to by that
//!   one.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

use std::fmt;

pub use crate::position::Position;
use crate::{id::Person, store::Pending};

/// Keeps contacts. See the module's documentation for the contract.
pub trait Contacts: fmt::Debug + Send + Sync + 'static {
    /// The friends of somebody, in order.
    fn friends(&self, of: Person) -> Pending<'_, Vec<Person>>;

    /// Makes `friend` one of somebody's friends; or no friend any more.
    fn set_friend(&self, of: Person, friend: Person, is_friend: bool) -> Pending<'_, ()>;

    /// All couriers, in order.
    fn couriers(&self) -> Pending<'_, Vec<Person>>;

    /// Makes somebody a courier; or no courier any more.
    fn set_courier(&self, courier: Person, is_courier: bool) -> Pending<'_, ()>;

    /// Takes note of where a courier is. Says whether it is one: of others no note is taken.
    fn locate(&self, courier: Person, position: Position) -> Pending<'_, bool>;

    /// Who took an order, if somebody did.
    fn taken_by(&self, order: &str) -> Pending<'_, Option<Person>>;

    /// Takes note that an order was taken, for a month at least.
    fn set_taken(&self, order: &str, by: Person) -> Pending<'_, ()>;
}
