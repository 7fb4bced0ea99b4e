//! Scripts: sent once to each server, and by their digest from then on.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use bytes::Bytes;
use indexmap::IndexSet;
use redis::{Cmd, Value, cmd};

use super::{errors::unexpected, servers::Servers};
use crate::{cluster::streams::StreamsError, digest::hex};

/// A script, with what Redis knows it by.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    digest: String,
}

/// What one run of a script is about.
#[derive(Clone, Debug, Default)]
pub(super) struct Call {
    /// Its keys, all on one server.
    pub(super) keys: IndexSet<String>,
    /// Everything else.
    pub(super) arguments: Vec<Bytes>,
    /// What is carried out behind it, if it is not refused.
    pub(super) then: Option<Cmd>,
}

// === impl Script ===

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        // Not for safety: it is the name that Redis gives to scripts.
        let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        Self {
            text,
            digest: hex(digest.as_ref()),
        }
    }

    /// Runs it. Gives what it answers, and what the command behind it does.
    pub(super) async fn run(
        &self,
        servers: &Servers,
        call: Call,
    ) -> Result<(Value, Option<Value>), StreamsError> {
        let answers = match servers.call_in_time(self.known(&call)).await {
            // A server that was started, or has become the primary, in the meantime.
            Err(StreamsError::Refused(text)) if text.contains("NOSCRIPT") => {
                servers.call_in_time(self.told(&call)).await?
            }
            answers => answers?,
        };
        let mut answers = answers.into_iter();
        let answer = answers.next().ok_or_else(unexpected)?;
        Ok((answer, answers.next()))
    }

    /// The command that runs it by its digest.
    pub(super) fn by_digest(&self) -> Cmd {
        cmd("EVALSHA").arg(&self.digest).take()
    }

    fn known(&self, call: &Call) -> Vec<(String, Cmd)> {
        call.commands(self.by_digest())
    }

    fn told(&self, call: &Call) -> Vec<(String, Cmd)> {
        call.commands(cmd("EVAL").arg(self.text).take())
    }
}

// === impl Call ===

impl Call {
    pub(super) fn arg(&mut self, argument: impl Into<Bytes>) {
        self.arguments.push(argument.into());
    }

    /// Where a key stands among the keys, counted from 1; it is put there if it is not yet.
    pub(super) fn key(&mut self, key: String) -> usize {
        self.keys.insert_full(key).0 + 1
    }

    fn commands(&self, mut run: Cmd) -> Vec<(String, Cmd)> {
        run.arg(self.keys.len());
        for key in &self.keys {
            run.arg(key);
        }
        for argument in &self.arguments {
            run.arg(&argument[..]);
        }
        let key = self.keys.first().cloned().unwrap_or_default();
        let mut commands = vec![(key.clone(), run)];
        commands.extend(self.then.clone().map(|then| (key, then)));
        commands
    }
}
