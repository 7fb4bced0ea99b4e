//! The servers of one Redis: the connections to them, and which one has which key.
//!
//! What is known of them is forgotten with the first failure, and asked for again by the next call.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{FutureExt as _, future::try_join_all};
use parking_lot::{Mutex, MutexGuard};
use redis::{
    Cmd, Pipeline, Value,
    aio::{MultiplexedConnection, PubSub},
};
use tokio::time;

use super::{
    address::{Address, Host},
    connect::Connector,
    errors::{at, meaning, unavailable, unexpected},
    find::Known,
};
use crate::cluster::streams::{CALL_TIMEOUT, READ_WAIT, StreamsError};

/// Longest time of a call that waits for entries.
const READ_TIMEOUT: Duration = READ_WAIT.saturating_add(CALL_TIMEOUT);

/// Connections to the servers. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Servers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    connector: Connector,
    /// How often a connection has ended, of all that are [`Servers::apart`]: what one finds out the others need not.
    ends: Arc<AtomicU64>,
    state: Mutex<State>,
    /// One finds out, the others wait for it.
    finding: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// The ends by then.
    ends: u64,
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

// === impl Servers ===

impl Servers {
    pub(super) fn new(address: Address, ca: Option<Vec<u8>>) -> Self {
        Self::of(Connector::new(address, ca), Arc::default())
    }

    fn of(connector: Connector, ends: Arc<AtomicU64>) -> Self {
        Self(Arc::new(Inner {
            connector,
            ends,
            state: Mutex::default(),
            finding: tokio::sync::Mutex::default(),
        }))
    }

    /// The same servers, over other connections.
    pub(super) fn apart(&self) -> Self {
        let connector = &self.0.connector;
        let other = Connector::new(connector.address.clone(), connector.ca.clone());
        Self::of(other, Arc::clone(&self.0.ends))
    }

    /// Like [`Self::call`], within [`CALL_TIMEOUT`].
    pub(super) async fn call_in_time(
        &self,
        commands: Vec<(String, Cmd)>,
    ) -> Result<Vec<Value>, StreamsError> {
        self.in_time(self.call(commands)).await
    }

    /// Has one command carried out by the server of its key, within [`CALL_TIMEOUT`].
    pub(super) async fn call_one(&self, key: &str, command: Cmd) -> Result<Value, StreamsError> {
        let answers = self.call_in_time(vec![(key.to_owned(), command)]);
        answers.await?.into_iter().next().ok_or_else(unexpected)
    }

    /// What a call gives that waits for no entries, within [`CALL_TIMEOUT`].
    pub(super) fn in_time<T>(
        &self,
        calling: impl Future<Output = Result<T, StreamsError>>,
    ) -> impl Future<Output = Result<T, StreamsError>> {
        self.within(CALL_TIMEOUT, calling)
    }

    /// What a call gives that waits for entries, [`READ_WAIT`] later at the most.
    pub(super) fn in_time_to_read<T>(
        &self,
        reading: impl Future<Output = Result<T, StreamsError>>,
    ) -> impl Future<Output = Result<T, StreamsError>> {
        self.within(READ_TIMEOUT, reading)
    }

    /// Not an async function: that would keep room for what it waits for twice.
    fn within<T>(
        &self,
        limit: Duration,
        calling: impl Future<Output = Result<T, StreamsError>>,
    ) -> impl Future<Output = Result<T, StreamsError>> {
        time::timeout(limit, calling).map(|called| {
            called.unwrap_or_else(|_| {
                self.forget();
                let hosts = self.0.connector.hosts();
                Err(unavailable(format!("{hosts}: no answer in time")))
            })
        })
    }

    /// Has each command carried out by the server of its key, those of one server in order.
    async fn call(&self, commands: Vec<(String, Cmd)>) -> Result<Vec<Value>, StreamsError> {
        let called = self.try_call(commands).await;
        if matches!(called, Err(StreamsError::Unavailable(_))) {
            self.0.ends.fetch_add(1, Relaxed);
            self.forget();
        }
        called
    }

    /// A connection of one's own to the server of a key, for a reader.
    pub(super) async fn dedicated(&self, key: &str) -> Result<MultiplexedConnection, StreamsError> {
        let host = self.known().await?.host(key)?.clone();
        Box::pin(self.0.connector.connect(&host, READ_TIMEOUT)).await
    }

    /// A connection of one's own, to hear a channel. Takes as long as it takes.
    pub(super) async fn to_subscribe(&self, channel: &str) -> Result<PubSub, StreamsError> {
        let host = self.known().await?.host(channel)?.clone();
        self.0.connector.connect_to_subscribe(&host).await
    }

    /// Forgets which servers there are, and the connections to them.
    pub(super) fn forget(&self) {
        *self.0.state.lock() = State {
            ends: self.0.ends.load(Relaxed),
            ..State::default()
        };
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
                Ok((places, answers.map_err(|error| at(&host, meaning(&error)))?))
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
        let known = self.state().connections.get(host).cloned();
        if let Some(connection) = known {
            return Ok(connection);
        }
        // Boxed, as what finds the servers is: much room for what is seldom done.
        let connection = Box::pin(self.0.connector.connect(host, CALL_TIMEOUT)).await?;
        let mut state = self.0.state.lock();
        let shared = state.connections.entry(host.clone());
        Ok(shared.or_insert(connection).clone())
    }

    /// What is known, without what is older than the last end of a connection.
    fn state(&self) -> MutexGuard<'_, State> {
        let ends = self.0.ends.load(Relaxed);
        let mut state = self.0.state.lock();
        if state.ends < ends {
            *state = State {
                ends,
                ..State::default()
            };
        }
        state
    }

    async fn known(&self) -> Result<Arc<Known>, StreamsError> {
        let known = || self.state().known.clone();
        if let Some(known) = known() {
            return Ok(known);
        }
        let _one = self.0.finding.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        let found = Arc::new(Box::pin(self.0.connector.find()).await?);
        self.0.state.lock().known = Some(Arc::clone(&found));
        Ok(found)
    }
}
