//! Listening sockets, and what they accept.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
};

use rustix::net::{SocketFlags, acceptfrom_with};
use socket2::{Domain, Protocol, Socket, Type};

/// Binds a listener whose queue holds `backlog` connections.
///
/// # Errors
///
/// The address is taken or not one of this machine's.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    listen(socket, backlog)
}

/// Goes on with a listener that listens already, whose queue holds `backlog` connections from now on.
///
/// # Errors
///
/// What the system reports.
pub fn adopt(listener: TcpListener, backlog: u32) -> io::Result<TcpListener> {
    listen(listener.into(), backlog)
}

fn listen(socket: Socket, backlog: u32) -> io::Result<TcpListener> {
    socket.set_nonblocking(true)?;
    // Passed on to all that it accepts, which saves a call of the system for each. What is written is coalesced
    // already; waiting for more would only delay it.
    socket.set_tcp_nodelay(true)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

/// The next connection, which does not block, and whose it is.
///
/// # Errors
///
/// None is there, it has ended already, or the process cannot have it.
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((socket.into(), peer))
}

/// Whether an error of accepting concerns the one connection that has ended already, and not the
/// listener or the process.
pub(super) fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_accepted_neither_blocks_nor_delays() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), 8).unwrap();
        // As after a restart.
        for listener in [bound.try_clone().unwrap(), adopt(bound, 8).unwrap()] {
            let none = accept(&listener).unwrap_err();
            assert_eq!(none.kind(), io::ErrorKind::WouldBlock);
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut accepted, peer) = accept(&listener).unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
            assert!(accepted.nodelay().unwrap());
            let nothing = accepted.read(&mut [0]).unwrap_err();
            assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        }
    }
}
