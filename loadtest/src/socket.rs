//! Making sockets: source addresses, options, and the limit of open files.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One source address has some 28,000 ephemeral ports; far from the end the kernel finds a free one at once.
pub const CONNECTIONS_PER_SOURCE_MAX: usize = 10_000;

/// Even few connections come from several addresses, as a limit per client address must not be what is measured.
const SOURCES_MIN: usize = 4;

/// Standard streams, epoll, `/proc` files and the JSON file.
const OTHER_FILES: usize = 16;

/// The source addresses that connections are spread over.
#[derive(Clone, Debug)]
pub struct Sources {
    first: Ipv4Addr,
    count: usize,
}

impl Sources {
    /// Enough addresses from `first` on for so many connections at once.
    #[must_use]
    pub fn new(first: Ipv4Addr, connections: usize) -> Self {
        Self {
            first,
            count: Self::count_for(connections),
        }
    }

    /// How many addresses so many connections take.
    #[must_use]
    pub fn count_for(connections: usize) -> usize {
        let needed = connections.div_ceil(CONNECTIONS_PER_SOURCE_MAX);
        needed.max(SOURCES_MIN)
    }

    /// The source of connection `index` to `target`; `None`, the system's choice, when it is not on loopback.
    #[must_use]
    pub fn pick(&self, index: usize, target: SocketAddr) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = target.ip() else {
            return None;
        };
        if !address.is_loopback() {
            return None;
        }
        let offset =
            u32::try_from(index % self.count).expect("the count comes from at most some millions");
        Some(Ipv4Addr::from_bits(
            self.first.to_bits().wrapping_add(offset),
        ))
    }
}

/// Starts connecting; the socket is non-blocking and resets the connection when dropped.
///
/// # Errors
/// What the system reports, save that the connection is still under way.
pub fn dial(from: Option<Ipv4Addr>, to: SocketAddr) -> Result<OwnedFd, Errno> {
    let fd = stream_socket(to)?;
    sockopt::set_tcp_nodelay(&fd, true)?;
    // A reset leaves no TIME_WAIT behind, which would use up the ports within a few runs.
    sockopt::set_socket_linger(&fd, Some(Duration::ZERO))?;
    if let Some(source) = from {
        // The port is chosen at connect, when the kernel knows both ends.
        nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::IpBindAddressNoPort, &true)
            .map_err(|error| Errno::from_raw_os_error(error as i32))?;
        net::bind(&fd, &SocketAddr::from((source, 0)))?;
    }
    match net::connect(&fd, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(error) => Err(error),
    }
}

/// A listening, non-blocking socket.
///
/// # Errors
/// What the system reports.
pub fn listen(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let fd = stream_socket(address)?;
    sockopt::set_socket_reuseaddr(&fd, true)?;
    net::bind(&fd, &address)?;
    net::listen(&fd, 4_096)?;
    Ok(fd)
}

fn stream_socket(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    net::socket_with(
        family,
        SocketType::STREAM,
        SocketFlags::NONBLOCK | SocketFlags::CLOEXEC,
        None,
    )
}

/// Raises the limit of open files as far as allowed and checks that `connections` fit.
///
/// # Errors
/// One line that names the limit.
pub fn reserve_files(connections: usize) -> Result<(), String> {
    let limit = getrlimit(Resource::Nofile);
    // Refused only without the right to; then the soft limit stays what it is and is checked below.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    );
    let allowed = getrlimit(Resource::Nofile)
        .current
        .map_or(usize::MAX, |files| {
            usize::try_from(files).unwrap_or(usize::MAX)
        });
    if connections.saturating_add(OTHER_FILES) <= allowed {
        return Ok(());
    }
    Err(format!(
        "{connections} connections at once need {} open files, this process may open {allowed}: \
         use at most -n {} or several processes",
        connections.saturating_add(OTHER_FILES),
        allowed.saturating_sub(OTHER_FILES + 1)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_source_has_more_than_its_share() {
        let target = "127.0.0.1:80".parse().unwrap();
        let sources = Sources::new(Ipv4Addr::new(127, 0, 1, 1), 45_000);
        let first = sources.pick(0, target);
        assert_eq!(first, Some(Ipv4Addr::new(127, 0, 1, 1)));
        let used = (0..45_000)
            .filter(|index| sources.pick(*index, target) == first)
            .count();
        assert!(used <= CONNECTIONS_PER_SOURCE_MAX);
    }

    #[test]
    fn only_loopback_targets_get_a_source() {
        let sources = Sources::new(Ipv4Addr::new(127, 0, 1, 1), 1);
        assert_eq!(sources.pick(0, "10.0.0.1:80".parse().unwrap()), None);
        assert_eq!(sources.pick(0, "[::1]:80".parse().unwrap()), None);
        assert_eq!(
            sources.pick(5, "127.0.0.1:80".parse().unwrap()),
            Some(Ipv4Addr::new(127, 0, 1, 2))
        );
    }

    #[test]
    fn too_many_connections_are_refused_in_words() {
        let line = reserve_files(usize::MAX / 2).unwrap_err();
        assert!(line.contains("open files"), "{line}");
        assert_eq!(reserve_files(10), Ok(()));
    }
}
