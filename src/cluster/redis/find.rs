//! Which server has which key: the only one, the primary that Sentinels know, or by the slots of a
//! Cluster.
//!
//! All that can tell are asked at a time, so that those that do not answer delay nobody.

use std::future::Future;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{Value, cmd};

use super::{
    address::{Host, Kind},
    connect::Connector,
    errors::{at, from_value, meaning, unavailable},
};
use crate::cluster::streams::{CALL_TIMEOUT, StreamsError};

/// Slots of a Cluster.
const SLOTS: u16 = 16_384;

/// Which server has which key.
#[derive(Debug)]
pub(super) enum Known {
    /// All keys.
    One(Host),
    /// Ranges of slots, in order, with their last slots.
    Slots(Vec<(u16, Host)>),
}

// === impl Connector ===

impl Connector {
    pub(super) async fn find(&self) -> Result<Known, StreamsError> {
        let hosts = &self.address.hosts;
        match &self.address.kind {
            Kind::Alone => Ok(Known::One(hosts[0].clone())),
            Kind::Cluster => first(hosts.iter().map(|host| self.ask_slots(host))).await,
            Kind::Sentinel(name) => {
                let asking = hosts.iter().map(|host| self.ask_sentinel(host, name));
                first(asking).await.map(Known::One)
            }
        }
    }

    /// Asks a Sentinel who the primary is, and it whether it agrees.
    async fn ask_sentinel(&self, sentinel: &Host, name: &str) -> Result<Host, StreamsError> {
        let mut connection = self.connect_to_sentinel(sentinel).await?;
        let mut ask = cmd("SENTINEL");
        ask.arg(&["get-master-addr-by-name", name]);
        let answer = ask.query_async::<Option<(String, u16)>>(&mut connection);
        let answer = answer
            .await
            .map_err(|error| at(sentinel, meaning(&error)))?;
        let Some((name, port)) = answer else {
            let error = unavailable("it knows no primary of this name");
            return Err(at(sentinel, error));
        };
        let host = Host { name, port };
        self.has_to_be_primary(&host).await?;
        Ok(host)
    }

    /// One that was demoted may not have heard of it yet, and would lose what it takes.
    async fn has_to_be_primary(&self, host: &Host) -> Result<(), StreamsError> {
        let mut connection = self.connect(host, CALL_TIMEOUT).await?;
        let role = cmd("ROLE").query_async::<Vec<Value>>(&mut connection).await;
        let role = role.map_err(|error| at(host, meaning(&error)))?;
        let role = role.into_iter().next().map(from_value::<String>);
        match role {
            Some(Ok(role)) if role == "master" => Ok(()),
            _ => Err(at(host, unavailable("it is no primary"))),
        }
    }

    /// Asks a node of the Cluster who has which slots.
    async fn ask_slots(&self, host: &Host) -> Result<Known, StreamsError> {
        let mut connection = self.connect(host, CALL_TIMEOUT).await?;
        let mut ask = cmd("CLUSTER");
        let ranges = ask.arg("SLOTS").query_async(&mut connection).await;
        slots(ranges.map_err(|error| at(host, meaning(&error)))?, host)
    }
}

/// The first answer. Of several errors one that somebody has to do something about.
async fn first<T>(
    asking: impl Iterator<Item = impl Future<Output = Result<T, StreamsError>>>,
) -> Result<T, StreamsError> {
    let mut asking: FuturesUnordered<_> = asking.collect();
    let mut reason = unavailable("its address has no host");
    while let Some(answer) = asking.next().await {
        match answer {
            Ok(answer) => return Ok(answer),
            Err(_) if matches!(reason, StreamsError::Refused(_)) => {}
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

// === impl Known ===

impl Known {
    pub(super) fn host(&self, key: &str) -> Result<&Host, StreamsError> {
        match self {
            Self::One(host) => Ok(host),
            Self::Slots(ranges) => {
                let slot = slot(key);
                let mut above = ranges.iter().filter(|(last, _)| slot <= *last);
                let host = above.next().map(|(_, host)| host);
                host.ok_or_else(|| unavailable("a slot of the Cluster has no server"))
            }
        }
    }
}

/// The slot of a key: of the part of it between the first braces, if there is one.
fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    let hashed = tag.map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    crc16::State::<crc16::XMODEM>::calculate(hashed.as_bytes()) % SLOTS
}

/// Reads the answer to `CLUSTER SLOTS`: first slot, last slot, primary, replicas.
fn slots(ranges: Vec<Vec<Value>>, asked: &Host) -> Result<Known, StreamsError> {
    let mut found = Vec::new();
    for range in ranges {
        let mut range = range.into_iter().skip(1);
        let (Some(last), Some(primary)) = (range.next(), range.next()) else {
            continue;
        };
        let (last, primary): (u16, Vec<Value>) = (from_value(last)?, from_value(primary)?);
        let mut primary = primary.into_iter();
        let name: Option<String> = from_value(primary.next().unwrap_or(Value::Nil))?;
        // A server that does not know its own name means the one that was asked.
        let name = name
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| asked.name.clone());
        let port = from_value(primary.next().unwrap_or(Value::Nil))?;
        found.push((last, Host { name, port }));
    }
    found.sort_by_key(|(last, _)| *last);
    Ok(Known::Slots(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_that_of_the_tag() {
        // From the specification of Redis Cluster.
        assert_eq!(slot("123456789"), 12_739);
        assert_eq!(slot("tg:inbox:{gw.1}"), slot("tg:node:{gw.1}"));
        assert_eq!(
            slot("a{}b"),
            crc16::State::<crc16::XMODEM>::calculate(b"a{}b") % SLOTS
        );
    }
}
