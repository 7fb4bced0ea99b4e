//! A stream that all nodes read as the one consumer of one group: what one of them has taken and never
//! removed is given to whoever looks for it, and no consumer is left over when a node goes.

use std::time::Duration;

use redis::{Value, aio::MultiplexedConnection, cmd};
use tokio::{
    sync::Mutex,
    time::{self, Instant},
};

use super::{
    CONSUMER,
    errors::{from_value, meaning},
    servers::Servers,
};
use crate::cluster::streams::{CALL_TIMEOUT, READ_WAIT, StreamsError};

/// Reads a stream for all nodes.
#[derive(Debug)]
pub(super) struct Group {
    servers: Servers,
    stream: String,
    name: &'static str,
    claim_after: Duration,
    reading: Mutex<Reading>,
}

/// An entry that was given out.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// Its name in the stream.
    pub(super) id: String,
    /// What stands in it; a claimed one that was deleted has nothing.
    pub(super) fields: Vec<(String, Vec<u8>)>,
    /// How many times it was given out, this time included.
    pub(super) attempts: u64,
}

/// One read after the other, on a connection of their own, since they wait on it.
#[derive(Default)]
struct Reading {
    connection: Option<MultiplexedConnection>,
    /// When to look for what somebody has taken and not removed.
    claim: Option<Instant>,
}

/// An entry in the answer to a read: its name, and its fields; a claimed one that was deleted has none.
type Fields = (String, Option<Vec<(String, Vec<u8>)>>);

// === impl Group ===

impl Group {
    /// Reads `stream` as the group `name`, which is made when it is missing. What was taken and not
    /// removed is given again after `claim_after`.
    pub(super) fn new(
        servers: Servers,
        stream: String,
        name: &'static str,
        claim_after: Duration,
    ) -> Self {
        Self {
            servers,
            stream,
            name,
            claim_after,
            reading: Mutex::default(),
        }
    }

    /// Takes up to `max` entries; waits for the first one, up to `wait`, which is no longer than
    /// [`READ_WAIT`].
    pub(super) async fn take(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Given>, StreamsError> {
        let mut reading = self.reading.lock().await;
        if reading.claim.is_none_or(|at| at <= Instant::now()) {
            let taken = self.claim(max).await?;
            if !taken.is_empty() {
                return Ok(taken);
            }
            reading.claim = Some(Instant::now() + self.claim_after / 4);
        }
        loop {
            match self.read(&mut reading, ">", max, wait).await {
                Err(StreamsError::Lost) => self.make().await?,
                read => return read,
            }
        }
    }

    /// With `>` what nobody has taken yet, else what was taken and stands behind `start`: up to `max` of
    /// it. Waits for the first one that is new, up to `wait`, which is no longer than [`READ_WAIT`].
    pub(super) async fn read_from(
        &self,
        start: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Given>, StreamsError> {
        let mut reading = self.reading.lock().await;
        self.read(&mut reading, start, max, wait).await
    }

    async fn make(&self) -> Result<(), StreamsError> {
        let mut create = cmd("XGROUP");
        create.arg(&["CREATE", &self.stream, self.name, "0", "MKSTREAM"]);
        let commands = vec![(self.stream.clone(), create)];
        match self.servers.call_in_time(commands).await {
            Err(StreamsError::Refused(text)) if text.contains("BUSYGROUP") => Ok(()),
            made => made.map(drop),
        }
    }

    /// What somebody has taken and not removed for too long.
    async fn claim(&self, max: usize) -> Result<Vec<Given>, StreamsError> {
        let idle_ms = self.claim_after.as_millis() as u64;
        let mut pending = cmd("XPENDING");
        pending.arg(&self.stream).arg(self.name);
        pending.arg("IDLE").arg(idle_ms).arg(&["-", "+"]).arg(max);
        let commands = vec![(self.stream.clone(), pending)];
        let answer = match self.servers.call_in_time(commands).await {
            Err(StreamsError::Lost) => return Ok(Vec::new()),
            answer => answer?.remove(0),
        };
        let pending: Vec<(String, String, u64, u64)> = from_value(answer)?;
        if pending.is_empty() {
            return Ok(Vec::new());
        }
        let mut claim = cmd("XCLAIM");
        claim.arg(&self.stream).arg(self.name);
        claim.arg(CONSUMER).arg(idle_ms);
        for (id, ..) in &pending {
            claim.arg(id);
        }
        let commands = vec![(self.stream.clone(), claim)];
        let answer = self.servers.call_in_time(commands).await?.remove(0);
        let attempts = |id: &str| {
            let before = pending.iter().find(|(other, ..)| other == id);
            before.map_or(1, |(.., deliveries)| deliveries + 1)
        };
        let claimed: Vec<Fields> = from_value(answer)?;
        Ok(given(claimed, attempts))
    }

    async fn read(
        &self,
        reading: &mut Reading,
        start: &str,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Given>, StreamsError> {
        let mut connection = match reading.connection.take() {
            Some(connection) => connection,
            None => self.servers.dedicated(&self.stream).await?,
        };
        let mut read = cmd("XREADGROUP");
        read.arg(&["GROUP", self.name, CONSUMER, "COUNT"]).arg(max);
        // 0 would be for ever.
        read.arg("BLOCK").arg(wait.as_millis().max(1) as u64);
        read.arg("STREAMS").arg(&self.stream).arg(start);
        let asking = read.query_async::<Value>(&mut connection);
        let answer = match time::timeout(READ_WAIT + CALL_TIMEOUT, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                let error = meaning(&error);
                if error == StreamsError::Lost {
                    reading.connection = Some(connection);
                } else {
                    self.servers.forget();
                }
                return Err(error);
            }
            Err(_) => {
                self.servers.forget();
                return Err(StreamsError::Unavailable("no answer in time".into()));
            }
        };
        reading.connection = Some(connection);
        let streams: Option<Vec<(String, Vec<Fields>)>> = from_value(answer)?;
        let entries = streams.unwrap_or_default().into_iter();
        Ok(given(entries.flat_map(|(_, entries)| entries), |_| 1))
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

fn given(entries: impl IntoIterator<Item = Fields>, attempts: impl Fn(&str) -> u64) -> Vec<Given> {
    let given = entries.into_iter().map(|(id, fields)| Given {
        attempts: attempts(&id),
        id,
        fields: fields.unwrap_or_default(),
    });
    given.collect()
}
