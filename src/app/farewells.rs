//! What the gateway itself does at the ends of sessions.

use std::sync::Arc;

use bytes::Bytes;

use super::kept::Publisher;
use crate::{
    admin,
    backend::ingest::{NotPublished, Publish as _},
    dialect::json::ObjectWriter,
    dues::{Done, DuesError, Pending},
    farewell::Farewells,
    id::SessionId,
    topic::Topic,
};

/// Says things as the admin listener would, which knows what was said before.
#[derive(Debug)]
pub(super) struct Last(Publisher);

impl Last {
    pub(super) fn new(state: &Arc<admin::State>) -> Self {
        Self(Publisher(Arc::clone(state)))
    }
}

impl Farewells for Last {
    fn say<'a>(
        &'a self,
        id: &'a str,
        to: &'a Topic,
        event: &'a str,
        data: &'a Bytes,
    ) -> Pending<'a, Done> {
        let request = ObjectWriter::new()
            .text("to", to.as_str())
            .text("event", event)
            .raw("data", data)
            .finish();
        Box::pin(async move {
            match self.0.publish(id, &request).await {
                Ok(()) => Ok(Done::Now),
                Err(NotPublished::Invalid(reason)) => Ok(Done::Failed(reason.into())),
                Err(NotPublished::Busy(reason)) => Err(DuesError::Unavailable(reason.into())),
            }
        })
    }

    /// There are no seats.
    fn rise<'a>(&'a self, _: &'a SessionId) -> Pending<'a, Done> {
        Box::pin(async { Ok(Done::Before) })
    }
}
