//! Rules of `[[backend.jobs]]`.

use super::Check;
use crate::config::Job;

/// Longest name of a kind. It stands in paths and in keys.
const KIND_BYTES_MAX: usize = 64;

impl Check<'_> {
    /// Checks a kind of jobs; `before` stand in front of it.
    pub(super) fn job(&mut self, key: &str, job: &Job, before: &[Job]) {
        if !(1..=KIND_BYTES_MAX).contains(&job.kind.len()) {
            let problem = format!("is not usable, expected 1 to {KIND_BYTES_MAX} bytes");
            self.mistake(format!("{key}.kind"), problem);
        }
        if before.iter().any(|other| other.kind == job.kind) {
            self.mistake(format!("{key}.kind"), "stands there twice");
        }
        self.not_zero(&format!("{key}.timeout"), job.timeout);
        self.not_zero(&format!("{key}.retry_min"), job.retry_min);
        if job.retry_max < job.retry_min {
            let problem = "is shorter than retry_min, expected at least as long";
            self.mistake(format!("{key}.retry_max"), problem);
        }
        for (name, number) in [
            ("concurrency_max", job.concurrency_max),
            ("attempts_max", job.attempts_max),
        ] {
            if number == 0 {
                self.mistake(format!("{key}.{name}"), "is 0, expected at least 1");
            }
        }
        let list = &job.legacy_list;
        let others = before.iter().map(|other| &other.legacy_list);
        let problem = match list {
            None => return,
            Some(name) if name.is_empty() => "is empty, expected a name",
            Some(_) if self.config.cluster.redis.is_none() => {
                "is a list in cluster.redis, which is missing"
            }
            Some(_) if others.into_iter().any(|other| other == list) => "stands there twice",
            Some(_) => return,
        };
        self.mistake(format!("{key}.legacy_list"), problem);
    }
}
