//! TLS on a session's socket.
//!
//! The flusher hands over the coalesced batch of a session, which becomes few records; the
//! ciphertext is drained before more is taken, so that a slow client costs one batch and no more.

use std::{
    fmt,
    io::{self, IoSlice, Read as _, Write as _},
    net::TcpStream,
};

use parking_lot::Mutex;
use rustls::ServerConnection;

use crate::session::socket::Read;

/// The TLS state of one connection.
pub struct Tls(Mutex<ServerConnection>);

// === impl Tls ===

impl Tls {
    pub(super) fn new(mut connection: ServerConnection) -> Self {
        // The outbox is the bound; the connection takes one batch at a time.
        connection.set_buffer_limit(None);
        Self(Mutex::new(connection))
    }

    /// Reads and decrypts. Says that the socket is drained only when nothing is held back here.
    pub(super) fn try_read(&self, stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Read> {
        let mut connection = self.0.lock();
        loop {
            match connection.reader().read(buffer) {
                Ok(0) => return Ok(Read::End),
                Ok(count) => {
                    return Ok(Read::Bytes {
                        count,
                        drained: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The socket ended without a word of TLS.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Read::End);
                }
                Err(error) => return Err(error),
            }
            match connection.read_tls(&mut Nonblocking(stream)) {
                Ok(0) => return Ok(Read::End),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Read::Nothing);
                }
                Err(error) => return Err(error),
            }
            let processed = connection.process_new_packets();
            // Answers of the protocol itself, for example to a key update, or the alert.
            let _ = drain(&mut connection, stream);
            processed.map_err(io::Error::other)?;
        }
    }

    /// Encrypts a batch, once the one before has left.
    pub(super) fn try_write(
        &self,
        stream: &TcpStream,
        slices: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        let mut connection = self.0.lock();
        drain(&mut connection, stream)?;
        let accepted = match slices.is_empty() {
            true => 0,
            false => connection.writer().write_vectored(slices)?,
        };
        match drain(&mut connection, stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(accepted),
        }
    }

    pub(super) fn is_pending(&self) -> bool {
        self.0.lock().wants_write()
    }

    /// Says goodbye in the words of TLS, as far as the socket takes it.
    pub(super) fn notify_close(&self, stream: &TcpStream) {
        let mut connection = self.0.lock();
        connection.send_close_notify();
        let _ = drain(&mut connection, stream);
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

/// Writes ciphertext until none is left.
fn drain(connection: &mut ServerConnection, stream: &TcpStream) -> io::Result<()> {
    while connection.wants_write() {
        connection.write_tls(&mut Nonblocking(stream))?;
    }
    Ok(())
}

/// A socket as the traits that rustls takes.
struct Nonblocking<'a>(&'a TcpStream);

impl io::Read for Nonblocking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl io::Write for Nonblocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
