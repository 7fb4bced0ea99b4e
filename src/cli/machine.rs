//! What the machine allows, beside what the configuration asks for.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Files a node has open beside its connections: listeners, Redis, the store, its log.
const OTHER_FILES: u64 = 256;

/// The limits of the machine that a node runs into first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine {
    /// Files that the process may open; absent: any number.
    pub open_files: Option<u64>,
    /// Connections that the kernel completes ahead of us.
    pub accept_backlog: Option<u64>,
}

// === impl Machine ===

impl Machine {
    /// Asks the kernel.
    pub fn read() -> Self {
        let backlog = fs::read_to_string("/proc/sys/net/core/somaxconn");
        Self {
            open_files: getrlimit(Resource::Nofile).maximum,
            accept_backlog: backlog.ok().and_then(|text| text.trim().parse().ok()),
        }
    }

    /// What `config` asks for and the machine does not give, one line each.
    pub fn warnings(&self, config: &Config) -> Vec<String> {
        let mut warnings = Vec::new();
        let connections = config.limits.connections_max as u64;
        if let Some(open_files) = self.open_files
            && open_files < connections.saturating_add(OTHER_FILES)
        {
            warnings.push(format!(
                "limits.connections_max: is {connections}, but the process may open {open_files} \
                 files only (ulimit -Hn)"
            ));
        }
        let asked = u64::from(config.listen.accept_backlog);
        if let Some(given) = self.accept_backlog
            && given < asked
        {
            warnings.push(format!(
                "listen.accept_backlog: is {asked}, but the kernel allows {given} only \
                 (net.core.somaxconn)"
            ));
        }
        warnings
    }
}

/// Lets the process open as many files as it may at all. Most systems start it with 1024.
pub fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if limit.current != limit.maximum {
        // Refused: then the warning about the limit is all there is to be said.
        let _ = setrlimit(Resource::Nofile, raised);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_gives_less_is_a_warning() {
        let config = Config::default();
        let machine = Machine {
            open_files: Some(100_255),
            accept_backlog: Some(128),
        };
        let warnings = machine.warnings(&config);
        assert!(warnings[0].starts_with("limits.connections_max: is 100000, but"));
        assert!(warnings[1].starts_with("listen.accept_backlog: is 4096, but"));
        let machine = Machine {
            open_files: Some(100_256),
            accept_backlog: Some(4096),
        };
        assert!(machine.warnings(&config).is_empty());
        assert!(Machine::default().warnings(&config).is_empty());
    }
}
