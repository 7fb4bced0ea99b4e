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
    reception::Reception,
    topic::Topic,
};

/// Says things as the admin listener would, which knows what was said before; seats are given back at the
/// reception.
#[derive(Debug)]
pub(super) struct Last {
    publisher: Publisher,
    reception: Reception,
}

impl Last {
    pub(super) fn new(state: &Arc<admin::State>, reception: Reception) -> Self {
        Self {
            publisher: Publisher(Arc::clone(state)),
            reception,
        }
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
            match self.publisher.publish(id, &request).await {
                Ok(()) => Ok(Done::Now),
                Err(NotPublished::Invalid(reason)) => Ok(Done::Failed(reason.into())),
                Err(NotPublished::Busy(reason)) => Err(DuesError::Unavailable(reason.into())),
            }
        })
    }

    fn rise<'a>(&'a self, session: &'a SessionId) -> Pending<'a, Done> {
        Box::pin(self.reception.rise(session))
    }
}
