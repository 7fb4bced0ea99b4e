//! The services that answer methods, and those that decide what clients may do.

use super::Check;
use crate::{
    config::backend::{DecidingHook, Method},
    dialect::DialectId,
};

/// Longest prefix, in bytes. It is a label of metrics.
const PREFIX_BYTES_MAX: usize = 64;
/// Types of frames that `device` takes itself, or may take: no service would be asked.
const WORDS: [&str; 5] = ["auth", "ping", "pong", "subscribe", "unsubscribe"];
/// Most services that answer methods: each has metrics of its own.
const METHODS_MAX: usize = 100;

impl Check<'_> {
    pub(super) fn methods(&mut self) {
        let methods = &self.config.backend.methods;
        if METHODS_MAX < methods.len() {
            let problem = format!("are {}, expected at most {METHODS_MAX}", methods.len());
            self.mistake("backend.methods", problem);
        }
        for (index, method) in methods.iter().enumerate() {
            let key = format!("backend.methods[{index}]");
            let before = &methods[..index];
            if before.iter().any(|other| other.prefix == method.prefix) {
                self.mistake(format!("{key}.prefix"), "stands there twice");
            }
            if !is_prefix(&method.prefix) {
                let problem = format!(
                    "is {:?}, expected 1 to {PREFIX_BYTES_MAX} letters, digits and \".\", \"-\", \"_\", \
                     \":\", \"/\"",
                    method.prefix
                );
                self.mistake(format!("{key}.prefix"), problem);
            }
            let is_of_device = method.serves(DialectId::Device);
            if is_of_device && WORDS.contains(&&*method.prefix) {
                let problem = format!("is {:?}, a word of the gateway's own", method.prefix);
                self.mistake(format!("{key}.prefix"), problem);
            }
            self.not_zero(&format!("{key}.timeout"), method.timeout);
            self.not_zero(&format!("{key}.pause"), method.pause);
            for (name, value) in [
                ("concurrency_max", method.concurrency_max as usize),
                ("answer_bytes_max", method.answer_bytes_max),
            ] {
                self.at_least_one(&format!("{key}.{name}"), value);
            }
            // Not as much as a client would be closed for.
            let half = self.config.limits.outbox_bytes_max / 2;
            if half < method.answer_bytes_max {
                let problem = format!(
                    "is {}, expected at most half of limits.outbox_bytes_max, {half}",
                    method.answer_bytes_max
                );
                self.mistake(format!("{key}.answer_bytes_max"), problem);
            }
            let key = format!("{key}.dialects");
            self.only(&key, &method.dialects, Method::DIALECTS);
        }
    }

    pub(super) fn deciding(&mut self) {
        let backend = &self.config.backend;
        for (key, hook, dialects) in [
            ("backend.connect", &backend.connect, &DialectId::ALL[..]),
            (
                "backend.subscribe",
                &backend.subscribe,
                DecidingHook::JOINING,
            ),
        ] {
            let Some(hook) = hook else {
                continue;
            };
            self.not_zero(&format!("{key}.timeout"), hook.timeout);
            self.at_least_one(&format!("{key}.waiting_max"), hook.waiting_max);
            self.only(&format!("{key}.dialects"), &hook.dialects, dialects);
        }
    }

    fn at_least_one(&mut self, key: &str, value: usize) {
        if value == 0 {
            self.mistake(key, "is 0, expected at least 1");
        }
    }

    fn only(&mut self, key: &str, dialects: &[DialectId], allowed: &[DialectId]) {
        for dialect in dialects {
            if !allowed.contains(dialect) {
                let words = allowed
                    .iter()
                    .map(|dialect| format!("{:?}", dialect.label()));
                let words = words.collect::<Vec<_>>().join(" or ");
                let problem = format!("has {:?}, expected {words}", dialect.label());
                self.mistake(key, problem);
            }
        }
    }
}

fn is_prefix(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/".contains(&byte);
    (1..=PREFIX_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}
