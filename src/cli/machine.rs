//! What the machine allows, beside what the configuration asks for.

use std::{fs, net::SocketAddr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Config;

/// Files a node has open beside its connections: listeners, Redis, the store, its log.
const OTHER_FILES: u64 = 256;

/// The limits of the machine that a node runs into first.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Files that the process may open; absent: any number.
    pub open_files: Option<u64>,
    /// Connections that the kernel completes ahead of us.
    pub accept_backlog: Option<u64>,
    /// The ports that the kernel gives to connections which ask for none, first and last.
    pub outgoing_ports: Option<(u16, u16)>,
    /// Those of them that it keeps for whoever asks by number: ranges, first and last.
    pub reserved_ports: Vec<(u16, u16)>,
}

// === impl Machine ===

impl Machine {
    /// Asks the kernel.
    pub fn read() -> Self {
        let kernel = |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).ok();
        Self {
            open_files: getrlimit(Resource::Nofile).maximum,
            accept_backlog: kernel("core/somaxconn").and_then(|text| text.trim().parse().ok()),
            outgoing_ports: kernel("ipv4/ip_local_port_range").and_then(|text| range(&text)),
            reserved_ports: kernel("ipv4/ip_local_reserved_ports")
                .map_or_else(Vec::new, |text| ranges(&text)),
        }
    }

    /// What `config` asks for and the machine does not give, one line each.
    pub fn warnings(&self, config: &Config) -> Vec<String> {
        let single = [
            self.open_files_warning(config),
            self.backlog_warning(config),
            self.proxy_warning(config),
        ];
        let mut warnings: Vec<_> = single.into_iter().flatten().collect();
        warnings.extend(self.port_warnings(config));
        warnings
    }

    fn open_files_warning(&self, config: &Config) -> Option<String> {
        let connections = config.limits.connections_max as u64;
        let open_files = self.open_files?;
        (open_files < connections.saturating_add(OTHER_FILES)).then(|| {
            format!(
                "limits.connections_max: is {connections}, but the process may open {open_files} \
                 files only (ulimit -Hn)"
            )
        })
    }

    fn backlog_warning(&self, config: &Config) -> Option<String> {
        let asked = u64::from(config.listen.accept_backlog);
        let given = self.accept_backlog?;
        (given < asked).then(|| {
            format!(
                "listen.accept_backlog: is {asked}, but the kernel allows {given} only \
                 (net.core.somaxconn)"
            )
        })
    }

    /// A proxy on this machine has one port of the kernel's for each connection to one address of
    /// ours. What one on another machine has cannot be seen from here.
    fn proxy_warning(&self, config: &Config) -> Option<String> {
        let (first, last) = self.outgoing_ports?;
        let listen = &config.listen;
        let local = |address: &&SocketAddr| address.ip().is_loopback();
        let reached = listen.public.iter().filter(local);
        let proxied = reached.filter(|address| {
            let mut proxies = listen.trusted_proxies.iter();
            listen.proxy_protocol || proxies.any(|proxy| proxy.contains(address.ip()))
        });
        let listeners = proxied.count() as u64;
        let each = u64::from(last.saturating_sub(first)) + 1;
        let given = each * listeners;
        let connections = config.limits.connections_max as u64;
        (0 < listeners && given < connections).then(|| {
            format!(
                "limits.connections_max: is {connections}, but a proxy on this machine has {each} \
                 ports for each address in listen.public (net.ipv4.ip_local_port_range)"
            )
        })
    }

    /// Somebody's outgoing connection may have such a port just when the node starts.
    fn port_warnings(&self, config: &Config) -> Vec<String> {
        let Some((first, last)) = self.outgoing_ports else {
            return Vec::new();
        };
        let listen = &config.listen;
        let public = listen
            .public
            .iter()
            .map(|address| ("listen.public", address));
        let all = public.chain([("listen.admin", &listen.admin)]);
        let within = |(first, last): (u16, u16), port| (first..=last).contains(&port);
        let taken = all.filter(|(_, address)| {
            let port = address.port();
            let mut reserved = self.reserved_ports.iter();
            within((first, last), port) && !reserved.any(|range| within(*range, port))
        });
        taken
            .map(|(key, address)| {
                format!(
                    "{key}: is {address}, a port that the kernel gives to outgoing connections, \
                     too (net.ipv4.ip_local_port_range, {first} to {last}; reserve it in \
                     net.ipv4.ip_local_reserved_ports)"
                )
            })
            .collect()
    }
}

/// Two numbers with blanks between.
fn range(text: &str) -> Option<(u16, u16)> {
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Numbers and ranges of them, such as `8080-8081,9000`.
fn ranges(text: &str) -> Vec<(u16, u16)> {
    let parts = text.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.parse().ok()?, last.parse().ok()?))
    });
    parts.collect()
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
            ..Machine::default()
        };
        let warnings = machine.warnings(&config);
        assert!(warnings[0].starts_with("limits.connections_max: is 100000, but"));
        assert!(warnings[1].starts_with("listen.accept_backlog: is 4096, but"));
        let machine = Machine {
            open_files: Some(100_256),
            accept_backlog: Some(4096),
            outgoing_ports: range("32768\t60999\n"),
            ..Machine::default()
        };
        assert!(machine.warnings(&config).is_empty());
        assert!(Machine::default().warnings(&config).is_empty());
    }

    #[test]
    fn a_proxy_beside_the_node_needs_a_port_for_each_connection() {
        let machine = Machine {
            outgoing_ports: Some((32_768, 60_999)),
            ..Machine::default()
        };
        let mut config = Config::default();
        config.listen.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
        let warnings = machine.warnings(&config);
        assert!(warnings[0].contains("28232 ports for each"), "{warnings:?}");
        // Each listener has as many of its own.
        config.limits.connections_max = 56_464;
        config.listen.public.push("127.0.0.2:8080".parse().unwrap());
        config.listen.proxy_protocol = true;
        assert!(machine.warnings(&config).is_empty());
        config.limits.connections_max += 1;
        assert_eq!(machine.warnings(&config).len(), 1);
        // Of one on another machine nothing is known.
        config.listen.public = vec!["10.0.0.1:8080".parse().unwrap()];
        assert!(machine.warnings(&config).is_empty());
    }

    #[test]
    fn a_listener_among_the_outgoing_ports_is_a_warning() {
        let mut machine = Machine {
            outgoing_ports: range("1024 65535"),
            ..Machine::default()
        };
        let mut config = Config::default();
        let warnings = machine.warnings(&config);
        assert!(warnings[0].starts_with("listen.public: is 127.0.0.1:8080, a port"));
        assert!(warnings[1].starts_with("listen.admin: is 127.0.0.1:8081, a port"));
        machine.reserved_ports = ranges("8000-8080,9000\n");
        assert_eq!(machine.warnings(&config).len(), 1);
        machine.reserved_ports = ranges("8080,8081\n");
        assert!(machine.warnings(&config).is_empty());
        machine.reserved_ports = ranges("\n");
        config.listen.public = vec!["127.0.0.1:443".parse().unwrap()];
        config.listen.admin.set_port(1023);
        assert!(machine.warnings(&config).is_empty());
    }

    #[test]
    fn what_the_kernel_says_is_read_or_nothing_is_known() {
        assert_eq!(range("32768\t60999\n"), Some((32_768, 60_999)));
        for text in ["", "32768", "a b", "1 65536"] {
            assert_eq!(range(text), None, "{text}");
        }
    }
}
