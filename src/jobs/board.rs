//! The board: where jobs are handed in, and where it stands which kinds somebody does.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{Added, Jobs, JobsError, NewJob};
use crate::stats::JobStats;

/// Takes jobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Board(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    jobs: Arc<dyn Jobs>,
    kinds: ArcSwap<Vec<Box<str>>>,
    added: Notify,
    stats: Arc<JobStats>,
}

/// What is to be done, and for whom.
#[derive(Debug, Deserialize, Serialize)]
pub struct Order<'a> {
    /// Who is told the answer.
    pub user: Box<str>,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Box<str>>,
    /// More about it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<&'a RawValue>,
}

/// Nobody does jobs of this kind.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is {kind:?}, expected {}", expected(.known))]
pub struct UnknownKind {
    kind: Box<str>,
    known: Vec<Box<str>>,
}

// === impl Board ===

impl Board {
    /// A board without kinds.
    pub fn new(jobs: Arc<dyn Jobs>, stats: Arc<JobStats>) -> Self {
        Self(Arc::new(Inner {
            jobs,
            kinds: ArcSwap::default(),
            added: Notify::new(),
            stats,
        }))
    }

    /// These are done from now on.
    pub fn set_kinds(&self, kinds: Vec<Box<str>>) {
        self.0.kinds.store(Arc::new(kinds));
    }

    /// Whether somebody does jobs of this kind.
    ///
    /// # Errors
    ///
    /// [`UnknownKind`], which names those that are done.
    pub fn check_kind(&self, kind: &str) -> Result<(), UnknownKind> {
        let known = self.0.kinds.load();
        if known.iter().any(|other| &**other == kind) {
            return Ok(());
        }
        Err(UnknownKind {
            kind: kind.into(),
            known: known.to_vec(),
        })
    }

    /// Adds a job, whose kind was checked.
    ///
    /// # Errors
    ///
    /// It is not known whether it is kept.
    ///
    /// Not cancel safe: it may be kept or not.
    pub async fn add(&self, job: NewJob) -> Result<Added, JobsError> {
        let added = self.0.jobs.add(job).await?;
        if added == Added::New {
            self.0.stats.added.add(1);
            self.0.added.notify_waiters();
        }
        Ok(added)
    }

    /// Adds what cannot be a job to the dead.
    ///
    /// # Errors
    ///
    /// It is not known whether it is kept.
    ///
    /// Not cancel safe: it may be kept or not.
    pub async fn add_dead(&self, job: NewJob, reason: String) -> Result<(), JobsError> {
        tracing::warn!(job = %job.id, %reason, "what was to be a job is with the dead ones");
        self.0.jobs.add_dead(job, reason).await?;
        self.0.stats.dead.add(1);
        Ok(())
    }

    /// Waits for a job that is added on this node from the call on. Cancel safe.
    pub fn added(&self) -> Notified<'_> {
        self.0.added.notified()
    }

    /// Has those who wait look for jobs.
    pub fn wake(&self) {
        self.0.added.notify_waiters();
    }

    /// Where the jobs are.
    pub fn jobs(&self) -> &dyn Jobs {
        &*self.0.jobs
    }

    /// What is counted.
    pub fn stats(&self) -> &Arc<JobStats> {
        &self.0.stats
    }
}

// === impl Order ===

impl Order<'_> {
    /// As it is kept.
    pub fn to_body(&self) -> Bytes {
        let body = serde_json::to_vec(self).expect("texts and JSON are JSON");
        body.into()
    }
}

fn expected(known: &[Box<str>]) -> String {
    match known {
        [] => "none, since no backend.jobs are configured".to_owned(),
        known => known.join(" or "),
    }
}
