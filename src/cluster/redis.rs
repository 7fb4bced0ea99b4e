//! Redis, alone, watched by Sentinels, or as a Cluster: leases, log and inboxes in streams with
//! consumer groups.
//!
//! Commands share one connection per server and end within `CALL_TIMEOUT`; readers block on
//! connections of their own. A call that fails is not repeated here: its fate is unknown, and whoever
//! made it knows how to repeat it. What it leads to is that the next call connects anew, and asks the
//! Sentinels or the Cluster again which server it has to talk to.
//!
//! **Invariant:** a password is in no error, no log and no debug output.

mod address;
mod backlog;
mod channel;
mod connect;
mod contacts;
mod credentials;
mod drafts;
mod dues;
mod errors;
mod find;
mod group;
mod hooks;
mod jobs;
mod journal;
mod keys;
mod ledger;
mod legacy;
mod mail;
mod occupancy;
mod office;
mod probe;
mod queue;
mod reader;
mod replicas;
mod schedules;
mod script;
mod servers;
mod streams;
mod writer;

use std::{path::PathBuf, sync::Arc, time::Duration};

use self::{address::Address, errors::refused, keys::Keys, servers::Servers, writer::Writer};
pub use self::{
    backlog::{Lag, RedisBacklog, Unmoved, Unreadable},
    channel::{RedisChannel, Subscription},
    contacts::RedisContacts,
    credentials::RedisCredentials,
    drafts::RedisDrafts,
    dues::RedisDues,
    hooks::{Current as CurrentHooks, RedisGraveyard, RedisHooks},
    jobs::RedisJobs,
    journal::RedisJournal,
    ledger::RedisLedger,
    legacy::{Drawn, RedisLegacy},
    mail::{RedisMail, Settings as MailSettings},
    office::RedisOffice,
    queue::RedisQueue,
    schedules::RedisSchedules,
    writer::Settings as JournalSettings,
};
use super::streams::{StreamsError, new_generation};
use crate::{config::Secret, office::Ahead, store::MessageStore};

/// The consumer group of an inbox.
const INBOX_GROUP: &str = "gateway";
/// The consumer group of a queue of pushes.
const PUSH_GROUP: &str = "gateways";
/// The one consumer of a group.
const CONSUMER: &str = "node";

/// Where Redis is.
#[derive(Debug)]
pub struct Settings {
    /// Its address, with its password.
    pub url: Secret,
    /// Beginning of every key.
    pub prefix: String,
    /// Certificates, in PEM, that its own is checked with; absent: the public ones.
    pub ca: Option<PathBuf>,
}

/// A connection to Redis, made when it is needed.
#[derive(Debug)]
pub struct Redis {
    servers: Servers,
    keys: Keys,
}

// === impl Redis ===

impl Redis {
    /// Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Refused`] for an address that is none, or certificates that cannot be read.
    pub fn new(settings: Settings) -> Result<Self, StreamsError> {
        let Settings { url, prefix, ca } = settings;
        let address = Address::parse(url.expose()).map_err(refused)?;
        let ca = ca.map(std::fs::read).transpose();
        let ca =
            ca.map_err(|error| refused(format!("its certificates cannot be read: {error}")))?;
        Ok(Self {
            servers: Servers::new(address, ca),
            keys: Keys::new(prefix),
        })
    }

    /// The mail in it, over connections of its own: what waits for replicas, and pages of letters,
    /// delay nobody else.
    pub fn mail(&self, settings: MailSettings) -> RedisMail {
        let (servers, keys) = (self.servers.apart(), self.keys.clone());
        RedisMail::new(servers, keys, settings)
    }

    /// The credentials in it, over connections of their own.
    pub fn credentials(&self) -> RedisCredentials {
        RedisCredentials::new(self.servers.apart(), self.keys.clone())
    }

    /// The ledger in it, over connections of its own.
    pub fn ledger(&self) -> RedisLedger {
        RedisLedger::new(self.servers.apart(), self.keys.clone())
    }

    /// What waits in live rooms for a wall's word, over connections of its own.
    pub fn drafts(&self) -> RedisDrafts {
        RedisDrafts::new(self.servers.apart(), self.keys.clone())
    }

    /// What is owed by sessions, and who is in which room, over connections of its own.
    pub fn dues(&self) -> RedisDues {
        RedisDues::new(self.servers.apart(), self.keys.clone())
    }

    /// A queue in it, over connections of its own. What was taken and is not done is given again after
    /// `claim_after`.
    pub fn queue(&self, name: &str, claim_after: Duration) -> RedisQueue {
        self.queue_of(name, PUSH_GROUP, claim_after)
    }

    /// A queue that is read as another group.
    pub fn queue_of(&self, name: &str, group: &'static str, claim_after: Duration) -> RedisQueue {
        RedisQueue::new(self.servers.apart(), &self.keys, name, group, claim_after)
    }

    /// The jobs in it, over connections of their own. Those that are done are known for `keep`.
    pub fn jobs(&self, keep: Duration) -> RedisJobs {
        RedisJobs::new(self.servers.apart(), &self.keys, keep)
    }

    /// Customer service in it, over connections of its own.
    pub fn office(&self, ahead: Ahead) -> RedisOffice {
        RedisOffice::new(self.servers.apart(), &self.keys, ahead)
    }

    /// The schedules in it, over connections of their own.
    pub fn schedules(&self) -> RedisSchedules {
        RedisSchedules::new(self.servers.apart(), &self.keys)
    }

    /// What endpoints are still to be told, over connections of its own.
    pub fn hooks(&self) -> RedisHooks {
        RedisHooks::new(self.servers.apart(), self.keys.clone())
    }

    /// A channel of applications, over a connection of its own. Its name has no prefix.
    pub fn channel(&self, name: &str) -> RedisChannel {
        RedisChannel::new(self.servers.apart(), name)
    }

    /// The journal in it, over connections of its own: what waits for replicas delays nobody else. What
    /// was accepted is moved to `store` by who runs [`super::archive::run`].
    pub fn journal(&self, settings: JournalSettings, store: Arc<dyn MessageStore>) -> RedisJournal {
        let servers = self.servers.apart();
        let writer = Writer::new(servers.clone(), self.keys.journal(), settings);
        RedisJournal::new(servers, writer, store)
    }

    /// What the journal has accepted and is in no database yet, over connections of its own. What was
    /// taken and not settled is given again after `claim_after`.
    pub fn backlog(&self, claim_after: Duration) -> RedisBacklog {
        RedisBacklog::new(self.servers.apart(), self.keys.journal(), claim_after)
    }

    /// Messages of older chat servers in it, which are written into the journal.
    pub fn legacy(&self, settings: JournalSettings) -> RedisLegacy {
        let servers = self.servers.apart();
        let writer = Writer::new(servers.clone(), self.keys.journal(), settings);
        RedisLegacy::new(servers, self.keys.legacy(), writer)
    }

    /// The contacts in it, over connections of their own.
    pub fn contacts(&self) -> RedisContacts {
        RedisContacts::new(self.servers.apart(), self.keys.clone())
    }

    /// Whether it is one that can be used: version 7.0 or newer, open to us, and to all that we do.
    ///
    /// # Errors
    ///
    /// [`StreamsError::Refused`] if it is not; [`StreamsError::Unavailable`] if it cannot be asked.
    pub async fn check(&self) -> Result<(), StreamsError> {
        let key = self.keys.probe(&new_generation());
        for commands in probe::commands(&key) {
            let commands = commands.into_iter().map(|command| (key.clone(), command));
            self.servers.call_in_time(commands.collect()).await?;
        }
        Ok(())
    }
}
