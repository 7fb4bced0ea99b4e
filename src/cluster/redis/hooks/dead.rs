//! What endpoints could not be told.

use redis::cmd;

use super::{
    super::{errors::from_value, servers::Servers},
    Entry, dispatch_error, fields, id_of, read,
};
use crate::{
    cluster::streams::StreamsError,
    dispatch::{DEAD_MAX, Dead, Dispatch, DispatchError, DispatchId, Graveyard, Pending},
};

/// Where nothing of a dispatch stands.
const REASON: &str = "reason";

/// The dead of a cluster: one stream.
#[derive(Debug)]
pub struct RedisGraveyard {
    servers: Servers,
    stream: String,
}

// === impl RedisGraveyard ===

impl RedisGraveyard {
    pub(super) fn new(servers: Servers, stream: String) -> Self {
        Self { servers, stream }
    }

    async fn range(&self, from: &str, to: &str, max: usize) -> Result<Vec<Dead>, DispatchError> {
        let mut range = cmd("XRANGE");
        range.arg(&self.stream).arg(from).arg(to);
        range.arg("COUNT").arg(max);
        let answer = self.servers.call_one(&self.stream, range).await;
        let entries = from_value::<Vec<Entry>>(answer.map_err(dispatch_error)?);
        let entries = entries.map_err(dispatch_error)?.into_iter();
        let dead = entries.map(|(id, fields)| {
            let reason = fields.iter().find(|(name, _)| name == REASON);
            let reason = reason.map(|(_, reason)| String::from_utf8_lossy(reason).into());
            Ok(Dead {
                id: id_of(&id)?,
                reason: reason.unwrap_or_default(),
                dispatch: read(fields),
            })
        });
        dead.collect()
    }
}

impl Graveyard for RedisGraveyard {
    fn list(&self, after: DispatchId, max: usize) -> Pending<'_, Vec<Dead>> {
        Box::pin(async move { self.range(&format!("({after}"), "+", max).await })
    }

    fn find(&self, id: DispatchId) -> Pending<'_, Option<Dead>> {
        Box::pin(async move {
            let id = id.to_string();
            Ok(self.range(&id, &id, 1).await?.pop())
        })
    }

    fn remove(&self, ids: Vec<DispatchId>) -> Pending<'_, u64> {
        Box::pin(async move {
            if ids.is_empty() {
                return Ok(0);
            }
            let mut delete = cmd("XDEL");
            delete.arg(&self.stream);
            for id in ids {
                delete.arg(id.to_string());
            }
            let answer = self.servers.call_one(&self.stream, delete).await;
            from_value(answer.map_err(dispatch_error)?).map_err(dispatch_error)
        })
    }
}

/// Adds one to the dead, with the reason.
pub(super) async fn add(
    servers: &Servers,
    stream: &str,
    dispatch: &Dispatch,
    reason: &str,
) -> Result<(), StreamsError> {
    let mut add = cmd("XADD");
    add.arg(stream).arg(&["MAXLEN", "~"]).arg(DEAD_MAX).arg("*");
    for (name, value) in fields(dispatch) {
        add.arg(name).arg(value);
    }
    add.arg(REASON).arg(reason);
    servers.call_one(stream, add).await.map(drop)
}
