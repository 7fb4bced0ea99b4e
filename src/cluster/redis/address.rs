//! The address of Redis: one server, Sentinels that know which one it is, or a Cluster.

use std::fmt;

/// Where Redis is, and how it is entered.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) kind: Kind,
    /// Servers, Sentinels, or some nodes of the Cluster.
    pub(super) hosts: Vec<Host>,
    pub(super) is_tls: bool,
    /// As in the address, percent-encoded, with its `@`.
    credentials: String,
    database: u32,
}

/// What stands at the hosts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Alone,
    Cluster,
    /// They watch the primary of this name.
    Sentinel(String),
}

/// A name or address, and a port.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
}

const EXPECTED: &str = "expected redis://, rediss://, redis+sentinel://host,host/name or \
    redis+cluster://host,host";

// === impl Address ===

impl Address {
    /// Reads an address. The mistakes name nothing of it.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or(EXPECTED)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
            None => (String::new(), authority),
        };
        let is_tls = scheme.starts_with("rediss");
        let default_port = if scheme.ends_with("sentinel") {
            26379
        } else {
            6379
        };
        let hosts = hosts.split(',').map(|host| Host::parse(host, default_port));
        let hosts: Vec<Host> = hosts.collect::<Result<_, _>>()?;
        let (kind, database) = match scheme {
            "redis" | "rediss" => (Kind::Alone, path),
            "redis+cluster" | "rediss+cluster" => (Kind::Cluster, path),
            "redis+sentinel" | "rediss+sentinel" => {
                let (name, database) = path.split_once('/').unwrap_or((path, ""));
                if name.is_empty() {
                    return Err("the name of the primary is missing behind the Sentinels".into());
                }
                (Kind::Sentinel(name.to_owned()), database)
            }
            _ => return Err(EXPECTED.into()),
        };
        let database = match database {
            "" => 0,
            number => number
                .parse()
                .map_err(|_| "the number of the database is none")?,
        };
        if kind == Kind::Cluster && database != 0 {
            return Err("a Cluster has no other database than 0".into());
        }
        if kind == Kind::Alone && hosts.len() != 1 {
            return Err("one server has one address".into());
        }
        Ok(Self {
            kind,
            hosts,
            is_tls,
            credentials,
            database,
        })
    }

    /// The address of one of its servers.
    pub(super) fn url(&self, host: &Host) -> String {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        let Self {
            credentials,
            database,
            ..
        } = self;
        format!("{scheme}://{credentials}{host}/{database}")
    }

    /// The address of a Sentinel, which has no password of its own here.
    pub(super) fn sentinel_url(&self, host: &Host) -> String {
        let scheme = if self.is_tls { "rediss" } else { "redis" };
        format!("{scheme}://{host}/0")
    }
}

/// Without credentials.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("kind", &self.kind)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

// === impl Host ===

impl Host {
    fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let is_address = text.starts_with('[');
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !is_address || name.ends_with(']') => {
                let port = port
                    .parse()
                    .map_err(|_| "a port is no number up to 65535")?;
                (name, port)
            }
            _ => (text, default_port),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        if name.is_empty() {
            return Err("a host is missing".into());
        }
        Ok(Self {
            name: name.to_owned(),
            port,
        })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Address {
        Address::parse(url).unwrap()
    }

    #[test]
    fn each_kind_of_address_is_read() {
        let alone = parse("redis://localhost");
        assert_eq!(alone.url(&alone.hosts[0]), "redis://localhost:6379/0");
        let alone = parse("rediss://u:p%40@[::1]:7000/3");
        assert_eq!(alone.url(&alone.hosts[0]), "rediss://u:p%40@[::1]:7000/3");
        let sentinel = parse("redis+sentinel://:p@a,b:7/main/2");
        assert_eq!(sentinel.kind, Kind::Sentinel("main".into()));
        assert_eq!(
            sentinel.sentinel_url(&sentinel.hosts[0]),
            "redis://a:26379/0"
        );
        assert_eq!(sentinel.url(&sentinel.hosts[1]), "redis://:p@b:7/2");
        let cluster = parse("redis+cluster://a:1,b:2,c:3");
        assert_eq!((cluster.kind, cluster.hosts.len()), (Kind::Cluster, 3));
    }

    #[test]
    fn what_is_none_is_a_mistake_that_tells_no_secret() {
        for url in [
            "secret",
            "http://secret@a",
            "redis://:secret@",
            "redis://:secret@a:b",
            "redis://:secret@a,b",
            "redis://:secret@a/b",
            "redis+sentinel://:secret@a",
            "redis+cluster://:secret@a/1",
        ] {
            let mistake = Address::parse(url).unwrap_err();
            assert!(!mistake.contains("secret"), "{mistake}");
        }
        let address = parse("redis://u:secret@a");
        assert!(!format!("{address:?}").contains("secret"));
    }
}
