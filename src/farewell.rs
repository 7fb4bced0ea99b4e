//! Farewells: what the gateway itself does when a session ends, whatever ends it.
//!
//! Contract, for every implementation of [`Farewells`]:
//!
//! - **Once**: what is said under an id is said once, whoever has it said and how often, from any member,
//!   within ten minutes. Giving back a seat that was given back changes nothing.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

use std::fmt;

use bytes::Bytes;

use crate::{
    dues::{Done, Pending},
    id::SessionId,
    topic::Topic,
};

/// Does what the gateway itself owes at the ends of sessions. See the module's documentation for the
/// contract.
pub trait Farewells: fmt::Debug + Send + Sync + 'static {
    /// Publishes to a topic; `data` is one JSON value.
    fn say<'a>(
        &'a self,
        id: &'a str,
        to: &'a Topic,
        event: &'a str,
        data: &'a Bytes,
    ) -> Pending<'a, Done>;

    /// Gives back the seat that the session of an agent has had.
    fn rise<'a>(&'a self, session: &'a SessionId) -> Pending<'a, Done>;
}
