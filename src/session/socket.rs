//! The socket of a session: read by the session's task, written by its shard's flusher.
//!
//! Nothing here waits while it holds a buffer, so that an idle connection holds none.

mod tls;

use std::{
    io::{self, IoSlice, Read as _},
    net::Shutdown,
    task::{Context, Poll},
    time::Duration,
};

use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream};

pub use self::tls::Tls;
use crate::router::transport::{End, Transport};

/// Where little is to be taken ahead: with this many bytes in the kernel that are not yet on their
/// way to the client, it takes no more. By itself its buffer grows to megabytes. What is on its way
/// does not count, so that no distant client is slowed down. As much as a new connection sends in
/// one round trip, and a record of TLS: less would wake the flusher more often.
const UNSENT_BYTES_MAX: u32 = 16 * 1024;

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
    /// A connection in the clear.
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

    /// Waits until there may be something to read. Cancel safe.
    ///
    /// # Errors
    ///
    /// The connection has failed.
    pub async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
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

impl Transport for Socket {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match (&self.tls, slices) {
            (Some(tls), _) => tls.try_write(&self.stream, slices),
            (None, [slice]) => self.stream.try_write(slice),
            (None, _) => self.stream.try_write_vectored(slices),
        }
    }

    fn is_pending(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_pending())
    }

    fn take_little(&self) {
        // An error means that the connection is gone, which shows at the next write.
        let _ = SockRef::from(&self.stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
    }

    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(context)
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

/// Reads, and clears the readiness when the read was short: the kernel has no more, and asking it
/// again would cost a call of the system per wake-up.
fn read_plain(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Read> {
    let mut read = None;
    let result = stream.try_io(Interest::READABLE, || {
        let count = (&*SockRef::from(stream)).read(buffer)?;
        read = Some(count);
        // Inside the closure, where it concerns the readiness from before the read: what arrives
        // since then makes the stream ready anew.
        if 0 < count && count < buffer.len() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match (read, result) {
        (Some(0), _) => Ok(Read::End),
        (Some(count), result) => Ok(Read::Bytes {
            count,
            drained: result.is_err(),
        }),
        (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
        (None, Err(error)) if error.kind() == io::ErrorKind::Interrupted => Ok(Read::Nothing),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Ok(Read::Nothing),
    }
}
