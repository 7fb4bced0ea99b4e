//! What everything that is kept is opened with.

use super::{identity::Identity, member::Membership, stored::Base};
use crate::{backend::HttpClient, config::Config, store::sqlite::Database};

/// A node that is put together, as far as those need it who keep something.
#[derive(Clone, Copy)]
pub(super) struct Opening<'a> {
    pub(super) config: &'a Config,
    pub(super) base: &'a Base,
    pub(super) home: Home<'a>,
    pub(super) client: &'a HttpClient,
    pub(super) identity: &'a Identity,
}

/// Where what belongs to all nodes is kept.
#[derive(Clone, Copy)]
pub(super) enum Home<'a> {
    /// In the store of a node that is alone.
    Store(&'a Database),
    /// In the cluster's Redis.
    Redis(&'a Membership),
}

// === impl Home ===

impl<'a> Home<'a> {
    pub(super) fn new(base: &'a Base, membership: Option<&'a Membership>) -> Self {
        match (membership, base) {
            (Some(membership), _) => Self::Redis(membership),
            (None, Base::Sqlite(database)) => Self::Store(database),
            (None, Base::Mysql(_)) => unreachable!("the configuration refuses it"),
        }
    }
}
