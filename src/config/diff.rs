//! What a reload changes, and what only a restart does.

use std::collections::BTreeMap;

use super::{
    Config,
    visit::{Section, Sections, Setting, Visitor},
};
use crate::dialect::DialectId;

/// Keys, and tables of keys, whose change needs a restart: they are sockets, identities and threads
/// that live as long as the process. Everything else is looked up when it is needed.
const NEEDS_RESTART: &[&str] = &[
    "development",
    "pid_file",
    "listen.public",
    "listen.admin",
    "listen.proxy_protocol",
    "listen.accept_backlog",
    "cluster",
    "store",
    "mail",
    "runtime",
    "log.format",
    "log.file",
    "dialect.ride.enabled",
    "dialect.ride.paths",
    // Part of addresses, which sessions keep.
    "dialect.ride.realm",
    "dialect.im.enabled",
    "dialect.im.paths",
    // Connections and tasks of their own.
    "backend.pubsub_channel",
    "backend.jobs_keep",
    "dialect.im.orders",
    "dialect.im.legacy_mq",
    "dialect.room.enabled",
    "dialect.room.paths",
    "dialect.live.enabled",
    "dialect.live.paths",
    "dialect.device.enabled",
    "dialect.device.paths",
];

/// The keys that two configurations differ in. Lists are named as a whole.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Those that a running node takes over.
    pub applied: Vec<String>,
    /// Those that it does not.
    pub needs_restart: Vec<String>,
}

// === impl Config ===

impl Config {
    /// What is different in `new`.
    pub fn diff(&self, new: &Self) -> Changes {
        let (old, new) = (record(self), record(new));
        let mut changes = Changes::default();
        for key in old
            .keys()
            .chain(new.keys().filter(|key| !old.contains_key(*key)))
        {
            if old.get(key) == new.get(key) {
                continue;
            }
            if needs_restart(key) {
                changes.needs_restart.push(key.clone());
            } else {
                changes.applied.push(key.clone());
            }
        }
        changes
    }

    /// `new`, as far as a running node takes it over: what needs a restart stays as it is, so that
    /// the next comparison names it again.
    pub fn taken_over(&self, mut new: Self) -> Self {
        let old = self.clone();
        new.development = old.development;
        new.pid_file = old.pid_file;
        new.listen.public = old.listen.public;
        new.listen.admin = old.listen.admin;
        new.listen.proxy_protocol = old.listen.proxy_protocol;
        new.listen.accept_backlog = old.listen.accept_backlog;
        new.cluster = old.cluster;
        new.store = old.store;
        new.mail = old.mail;
        new.runtime = old.runtime;
        new.log.format = old.log.format;
        new.log.file = old.log.file;
        for dialect in DialectId::ALL {
            let mount = old.dialect.mount(dialect);
            let taken = new.dialect.mount_mut(dialect);
            taken.enabled = mount.enabled;
            taken.paths.clone_from(&mount.paths);
        }
        new.dialect.im.wanted = old.dialect.im.wanted;
        new.dialect.room.wanted = old.dialect.room.wanted;
        new.dialect.live.wanted = old.dialect.live.wanted;
        new.dialect.im.orders = old.dialect.im.orders;
        new.dialect.im.legacy_mq = old.dialect.im.legacy_mq;
        new.backend.pubsub_channel = old.backend.pubsub_channel;
        new.backend.jobs_keep = old.backend.jobs_keep;
        new.dialect.ride.realm = old.dialect.ride.realm;
        new
    }
}

pub(super) fn needs_restart(key: &str) -> bool {
    NEEDS_RESTART.iter().any(|listed| {
        key.strip_prefix(listed)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

pub(super) fn record(config: &Config) -> BTreeMap<String, String> {
    let mut record = Record {
        path: String::new(),
        values: BTreeMap::new(),
    };
    config.clone().visit(&mut record);
    record.values
}

/// The visitor that takes the fingerprint of every key.
struct Record {
    path: String,
    values: BTreeMap<String, String>,
}

impl Record {
    fn add(&mut self, key: &str, value: String) {
        self.values.insert(format!("{}{key}", self.path), value);
    }
}

impl Visitor for Record {
    fn setting(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.add(key, setting.fingerprint());
    }

    fn required(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.add(key, setting.fingerprint());
    }

    fn secret(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.add(key, setting.fingerprint());
    }

    fn required_secret(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.add(key, setting.fingerprint());
    }

    fn section(&mut self, key: &'static str, section: &mut dyn Section) {
        let length = self.path.len();
        self.path.push_str(key);
        self.path.push('.');
        section.visit(self);
        self.path.truncate(length);
    }

    fn sections(&mut self, key: &'static str, sections: &mut dyn Sections) {
        let mut all = Vec::new();
        for index in 0..sections.count() {
            let mut one = Self {
                path: String::new(),
                values: BTreeMap::new(),
            };
            sections.at(index).visit(&mut one);
            all.push(one.values);
        }
        self.add(key, format!("{all:?}"));
    }
}
