//! The servers of one Redis: which one has which key, and the connections to them.
//!
//! What is known of them is forgotten with the first failure, and asked for again by the next call.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, Pipeline, TlsCertificates, Value,
    aio::MultiplexedConnection, cmd,
};

use super::{
    address::{Address, Host, Kind},
    errors::{from_value, meaning, refused, unavailable},
};
use crate::cluster::streams::{CALL_TIMEOUT, READ_WAIT, StreamsError};

/// The oldest major version that has what is used here.
const MAJOR_MIN: u32 = 7;
/// Longest time for a connection, its password and its version.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Commands that wait for a connection before callers have to.
const PIPELINE_BUFFER: usize = 1024;
/// Bytes that a connection collects before it writes them.
const WRITE_BOUNDARY: usize = 256 * 1024;
/// Slots of a Cluster.
const SLOTS: u16 = 16_384;

/// Connections to the servers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Servers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: Address,
    ca: Option<Vec<u8>>,
    state: Mutex<State>,
    /// One finds out, the others wait for it.
    finding: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Known>>,
    connections: HashMap<Host, MultiplexedConnection>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Which server has which key.
#[derive(Debug)]
enum Known {
    /// All keys.
    One(Host),
    /// Ranges of slots, in order, with their last slots.
    Slots(Vec<(u16, Host)>),
}

// === impl Servers ===

impl Servers {
    pub(super) fn new(address: Address, ca: Option<Vec<u8>>) -> Self {
        Self(Arc::new(Inner {
            address,
            ca,
            state: Mutex::default(),
            finding: tokio::sync::Mutex::default(),
        }))
    }

    /// The same servers, over other connections.
    pub(super) fn apart(&self) -> Self {
        Self::new(self.0.address.clone(), self.0.ca.clone())
    }

    /// Has each command carried out by the server of its key, those of one server in order.
    pub(super) async fn call(
        &self,
        commands: Vec<(String, Cmd)>,
    ) -> Result<Vec<Value>, StreamsError> {
        let called = self.try_call(commands).await;
        if matches!(called, Err(StreamsError::Unavailable(_))) {
            self.forget();
        }
        called
    }

    /// A connection of one's own to the server of a key, for a reader.
    pub(super) async fn dedicated(&self, key: &str) -> Result<MultiplexedConnection, StreamsError> {
        let host = self.known().await?.host(key)?.clone();
        self.connect(&host, READ_WAIT + CALL_TIMEOUT).await
    }

    /// Forgets which servers there are, and the connections to them.
    pub(super) fn forget(&self) {
        *self.0.state.lock() = State::default();
    }

    async fn try_call(&self, commands: Vec<(String, Cmd)>) -> Result<Vec<Value>, StreamsError> {
        let known = self.known().await?;
        let count = commands.len();
        let mut batches: Vec<(Host, Pipeline, Vec<usize>)> = Vec::new();
        for (place, (key, command)) in commands.into_iter().enumerate() {
            let host = known.host(&key)?;
            let index = match batches.iter().position(|(other, ..)| other == host) {
                Some(index) => index,
                None => {
                    batches.push((host.clone(), Pipeline::new(), Vec::new()));
                    batches.len() - 1
                }
            };
            batches[index].1.add_command(command);
            batches[index].2.push(place);
        }
        let calls = batches
            .into_iter()
            .map(|(host, pipeline, places)| async move {
                let mut connection = self.shared(&host).await?;
                let answers: Result<Vec<Value>, _> = pipeline.query_async(&mut connection).await;
                Ok((places, answers.map_err(|error| meaning(&error))?))
            });
        let mut all = vec![Value::Nil; count];
        for (places, answers) in try_join_all(calls).await? {
            for (place, answer) in places.into_iter().zip(answers) {
                all[place] = answer;
            }
        }
        Ok(all)
    }

    /// The connection that all commands to a server share.
    async fn shared(&self, host: &Host) -> Result<MultiplexedConnection, StreamsError> {
        let known = self.0.state.lock().connections.get(host).cloned();
        if let Some(connection) = known {
            return Ok(connection);
        }
        let connection = self.connect(host, CALL_TIMEOUT).await?;
        let mut state = self.0.state.lock();
        let shared = state.connections.entry(host.clone());
        Ok(shared.or_insert(connection).clone())
    }

    async fn known(&self) -> Result<Arc<Known>, StreamsError> {
        let known = || self.0.state.lock().known.clone();
        if let Some(known) = known() {
            return Ok(known);
        }
        let _one = self.0.finding.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let found = Arc::new(self.find().await?);
        self.0.state.lock().known = Some(Arc::clone(&found));
        Ok(found)
    }

    async fn find(&self) -> Result<Known, StreamsError> {
        let address = &self.0.address;
        match &address.kind {
            Kind::Alone => Ok(Known::One(address.hosts[0].clone())),
            Kind::Cluster => self.find_slots().await,
            Kind::Sentinel(name) => self.find_primary(name).await.map(Known::One),
        }
    }

    /// Asks one Sentinel after the other who the primary is, and it whether it agrees.
    async fn find_primary(&self, name: &str) -> Result<Host, StreamsError> {
        for sentinel in &self.0.address.hosts {
            let url = self.0.address.sentinel_url(sentinel);
            let Ok(mut connection) = self.open(&url, CONNECT_TIMEOUT).await else {
                continue;
            };
            let mut ask = cmd("SENTINEL");
            ask.arg(&["get-master-addr-by-name", name]);
            let answer: Result<Option<(String, u16)>, _> = ask.query_async(&mut connection).await;
            let Ok(Some((name, port))) = answer else {
                continue;
            };
            let host = Host { name, port };
            if self.is_primary(&host).await {
                return Ok(host);
            }
        }
        Err(unavailable("no Sentinel knows the primary"))
    }

    /// One that was demoted may not have heard of it yet, and would lose what it takes.
    async fn is_primary(&self, host: &Host) -> bool {
        let Ok(mut connection) = self.connect(host, CALL_TIMEOUT).await else {
            return false;
        };
        let role: Result<Vec<Value>, _> = cmd("ROLE").query_async(&mut connection).await;
        let role = role.ok().and_then(|role| role.into_iter().next());
        role.is_some_and(|role| from_value::<String>(role).is_ok_and(|role| role == "master"))
    }

    /// Asks one node of the Cluster after the other who has which slots.
    async fn find_slots(&self) -> Result<Known, StreamsError> {
        let mut reason = unavailable("no node of the Cluster answers");
        for host in &self.0.address.hosts {
            let mut connection = match self.connect(host, CALL_TIMEOUT).await {
                Ok(connection) => connection,
                Err(error) => {
                    reason = error;
                    continue;
                }
            };
            let mut ask = cmd("CLUSTER");
            ask.arg("SLOTS");
            match ask.query_async::<Vec<Vec<Value>>>(&mut connection).await {
                Ok(ranges) => return slots(ranges, host),
                Err(error) => reason = meaning(&error),
            }
        }
        Err(reason)
    }

    /// Connects to a server, and looks at its version.
    async fn connect(
        &self,
        host: &Host,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, StreamsError> {
        let url = self.0.address.url(host);
        let mut connection = self.open(&url, response_timeout).await?;
        let mut info = cmd("INFO");
        let answer = info
            .arg("server")
            .query_async::<String>(&mut connection)
            .await;
        let info = answer.map_err(|error| meaning(&error))?;
        check_version(&info)?;
        Ok(connection)
    }

    async fn open(
        &self,
        url: &str,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, StreamsError> {
        let info = url
            .into_connection_info()
            .map_err(|error| meaning(&error))?;
        let client = match &self.0.ca {
            Some(ca) if self.0.address.is_tls => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(ca.clone()),
                };
                Client::build_with_tls(info, certificates)
            }
            _ => Client::open(info),
        };
        let client = client.map_err(|error| meaning(&error))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(response_timeout))
            .set_pipeline_buffer_size(PIPELINE_BUFFER)
            .set_write_backpressure_boundary(WRITE_BOUNDARY);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        connecting.await.map_err(|error| meaning(&error))
    }
}

// === impl Known ===

impl Known {
    fn host(&self, key: &str) -> Result<&Host, StreamsError> {
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

fn check_version(info: &str) -> Result<(), StreamsError> {
    let mut lines = info.lines();
    let version = lines.find_map(|line| line.strip_prefix("redis_version:"));
    let version = version.unwrap_or("unknown").trim();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    match major {
        Some(major) if MAJOR_MIN <= major => Ok(()),
        _ => Err(refused(format!(
            "its version is {version}, expected 7.0 or newer"
        ))),
    }
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

    #[test]
    fn old_versions_are_refused_by_name() {
        assert_eq!(
            check_version("# Server\r\nredis_version:7.0.15\r\n"),
            Ok(())
        );
        let error = check_version("redis_version:6.2.14\r\n").unwrap_err();
        assert!(error.to_string().contains("6.2.14, expected 7.0"));
        assert!(check_version("").is_err());
    }
}
