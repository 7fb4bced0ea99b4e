//! Rules about the applications behind the gateway.

use super::Check;
use crate::{config::EventHook, happening::Kind};

impl Check<'_> {
    pub(super) fn backend(&mut self) {
        let backend = &self.config.backend;
        match &backend.pubsub_channel {
            Some(name) if name.is_empty() => {
                self.mistake("backend.pubsub_channel", "is empty, expected a name");
            }
            Some(_) if self.config.cluster.redis.is_none() => {
                let problem = "is a channel of cluster.redis, which is missing";
                self.mistake("backend.pubsub_channel", problem);
            }
            _ => {}
        }
        self.methods();
        self.deciding();
        for (index, hook) in backend.hooks.iter().enumerate() {
            self.hook(index, hook);
        }
        if backend.hooks_backlog_max == 0 {
            self.mistake("backend.hooks_backlog_max", "is 0, expected at least 1");
        }
        self.not_zero("backend.jobs_keep", backend.jobs_keep);
        for (index, job) in backend.jobs.iter().enumerate() {
            let key = format!("backend.jobs[{index}]");
            self.job(&key, job, &backend.jobs[..index]);
        }
    }

    fn hook(&mut self, index: usize, hook: &EventHook) {
        let key = format!("backend.hooks[{index}]");
        let before = &self.config.backend.hooks[..index];
        if before.iter().any(|other| other.url == hook.url) {
            // The address is what it is known by, wherever something waits for it.
            self.mistake(format!("{key}.url"), "stands there twice");
        }
        if hook.events.is_empty() {
            self.mistake(format!("{key}.events"), "is empty, expected at least one");
        }
        let wants_messages = hook.events.contains(&Kind::MessageReceived);
        if wants_messages && hook.messages.is_empty() {
            let problem = "is missing, expected the flags, methods or types of the messages that it \
                           is told of, since message.received is among its events";
            self.mistake(format!("{key}.messages"), problem);
        }
        if !wants_messages && !hook.messages.is_empty() {
            let problem = "is of no use, since message.received is not among its events";
            self.mistake(format!("{key}.messages"), problem);
        }
        for (place, pattern) in hook.messages.iter().enumerate() {
            let beginning = pattern.strip_suffix('*').unwrap_or(pattern);
            if pattern.is_empty() || beginning.contains('*') {
                let problem =
                    format!("is {pattern:?}, expected a name, or its beginning and a \"*\"");
                self.mistake(format!("{key}.messages[{place}]"), problem);
            }
        }
        self.not_zero(&format!("{key}.timeout"), hook.timeout);
        self.not_zero(&format!("{key}.retry_for"), hook.retry_for);
        if hook.concurrency_max == 0 {
            self.mistake(
                format!("{key}.concurrency_max"),
                "is 0, expected at least 1",
            );
        }
    }
}
