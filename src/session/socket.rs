//! The socket of a session: read in the session's turn, written there and by its shard's flusher.
//!
//! Nothing here waits while it holds a buffer, so that an idle connection holds none.

mod tls;

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    net::{Shutdown, TcpStream},
    os::fd::{AsFd, BorrowedFd},
    time::Duration,
};

use rustix::net::{SendFlags, send};
use socket2::SockRef;

pub use self::tls::Tls;
use crate::router::transport::{End, Transport};

/// Where little is to be taken ahead: with this many bytes in the kernel that are not yet on their
/// way to the client, it takes no more. By itself its buffer grows to megabytes. What is on its way
/// does not count, so that no distant client is slowed down. As much as a new connection sends in
/// one round trip, and a record of TLS: less would wake the flusher more often.
const UNSENT_BYTES_MAX: u32 = 16 * 1024;

/// A client that is gone is an error, and no signal.
const WITHOUT_WAIT: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// A connection after its upgrade, in the clear or encrypted.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    tls: Option<Box<Tls>>,
}

/// What a read gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Read {
    /// This many bytes; `drained` says that the socket has no more for now.
    Bytes {
        /// How many.
        count: usize,
        /// Whether waiting for readability is worth more than another read.
        drained: bool,
    },
    /// The client will send nothing more.
    End,
    /// Nothing for now.
    Nothing,
}

// === impl Socket ===

impl Socket {
    /// A connection in the clear. Sockets must not block.
    pub fn plain(stream: TcpStream) -> Self {
        Self { stream, tls: None }
    }

    /// A connection whose TLS handshake is through.
    pub fn encrypted(stream: TcpStream, connection: rustls::ServerConnection) -> Self {
        Self {
            stream,
            tls: Some(Box::new(Tls::new(connection))),
        }
    }

    /// Whether there may be something to read that the system says nothing of: what TLS has taken already.
    pub fn may_hold(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether a read would find something now, the end of the connection too. Takes nothing.
    pub fn has_unread(&self) -> bool {
        let peeked = self.stream.peek(&mut [0]);
        !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what is there into `buffer`.
    ///
    /// # Errors
    ///
    /// The connection has failed, or its TLS was broken.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<Read> {
        match &self.tls {
            Some(tls) => tls.try_read(&self.stream, buffer),
            None => read_plain(&self.stream, buffer),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Transport for Socket {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&self.tls, slices) {
            (Some(tls), _) => tls.try_write(&self.stream, slices),
            (None, [slice]) => Ok(send(&self.stream, slice, WITHOUT_WAIT)?),
            (None, _) => (&self.stream).write_vectored(slices),
        }
    }

    fn is_pending(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_pending())
    }

    fn take_little(&self) {
        // An error means that the connection is gone, which shows at the next write.
        let _ = SockRef::from(&self.stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    }

    fn end(&self, how: End) {
        if let Some(tls) = &self.tls
            && how != End::Reset
        {
            tls.notify_close(&self.stream);
        }
        let socket = SockRef::from(&self.stream);
        // An error means that the connection is gone already, which is what is wanted.
        let _ = match how {
            End::Write => socket.shutdown(Shutdown::Write),
            End::Both => socket.shutdown(Shutdown::Both),
            End::Reset => socket
                .set_linger(Some(Duration::ZERO))
                .and_then(|()| socket.shutdown(Shutdown::Both)),
        };
    }
}

/// Reads. A short read says that the kernel has no more, and asking it again would cost a call of the system
/// per turn: what arrives since then makes the socket ready anew.
fn read_plain(mut stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Read> {
    match stream.read(buffer) {
        Ok(0) => Ok(Read::End),
        Ok(count) => Ok(Read::Bytes {
            count,
            drained: count < buffer.len(),
        }),
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Ok(Read::Nothing),
            // Nobody says once more that there is something to read.
            io::ErrorKind::Interrupted => read_plain(stream, buffer),
            _ => Err(error),
        },
    }
}
