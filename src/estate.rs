//! Estates: what a member leaves behind beside its inbox, for others to take over.
//!
//! Contract, for every implementation of [`Estate`]:
//!
//! - **Opening**: nothing is kept for a member before [`Estate::open`], so that there is nothing that
//!   nobody would look for: the member is in the list of members by then.
//! - **Inheriting**: [`Estate::inherit`] is called by the one member that reaps `dead`, and again by
//!   another one should it die on the way. When it has ended well, nothing is left of `dead`, and
//!   what there was is kept under the name of this member. Twice is allowed, lost is not.
//! - **Order**: estates are taken over in the order in which the node lists them, each after the one
//!   before.
//! - **Leaving**: a member that goes in order and of which [`Estate::is_settled`] says no is not struck
//!   off the list of members, and so is reaped by one that comes later or is there.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

use std::{fmt, future::Future, pin::Pin};

use crate::id::Member;

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, EstateError>> + Send + 'a>>;

/// What members have on the server and leave to others. See the module's documentation for the
/// contract.
pub trait Estate: fmt::Debug + Send + Sync + 'static {
    /// `me` is a member from now on, until another one is opened.
    fn open(&self, me: &Member) -> Pending<'_, ()>;

    /// Takes over what `dead` has left.
    fn inherit(&self, dead: &Member) -> Pending<'_, ()>;

    /// Whether `me` would leave nothing. Then nothing can be kept for it any more.
    fn is_settled(&self, me: &Member) -> Pending<'_, bool>;
}

/// Why a call came to nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("what a member leaves cannot be reached: {0}")]
pub struct EstateError(pub Box<str>);
