//! What a session's outbox is written to, as the router sees it.

#[cfg(test)]
pub(crate) mod testing;

use std::io::{self, IoSlice};

/// The writing half of a connection. Implemented over sockets by the session.
pub trait Transport: Send + Sync + 'static {
    /// Writes as much as the socket takes now. With TLS, `Ok` means encrypted, and
    /// [`Self::is_pending`] says whether some of it still waits; empty `slices` push that on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when the socket takes nothing: whoever watches it says so when it does
    /// ([`Subscriber::unblock`](super::subscriber::Subscriber::unblock)). Anything else is the end.
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// Whether bytes that were accepted have not reached the socket.
    fn is_pending(&self) -> bool {
        false
    }

    /// From now on little is taken ahead of what is on its way to the client: what waits can be
    /// replaced by something newer only as long as it waits here.
    fn take_little(&self) {}

    /// Ends the connection in this way; reading ends too, at the latest with the peer's answer.
    fn end(&self, how: End);
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Nothing more is written; what the client still says is read.
    Write,
    /// Both directions, with what was written still on its way.
    Both,
    /// At once; what was not taken is lost.
    Reset,
}
