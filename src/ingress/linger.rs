//! The end of a connection whose request was refused.
//!
//! To close on what a client still sends resets the connection, and takes the answer back that the
//! client has not read yet (RFC 9112, section 9.6). So it is listened to for a moment.

use std::time::Duration;

use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::Semaphore,
    time,
};

/// How long a refused client is listened to.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Most bytes that are read of it.
const BYTES_MAX: u64 = 1024 * 1024;
/// Most clients that are listened to at a time; the answers to others may get lost.
const CLIENTS_MAX: usize = 1024;

/// Both directions of a connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Refused clients that are listened to.
#[derive(Debug)]
pub(super) struct Lingering(Semaphore);

impl Lingering {
    /// Says that nothing more will come, and reads on until the client has ended too.
    pub(super) async fn end(&self, mut stream: Box<dyn Stream>) {
        let Ok(_place) = self.0.try_acquire() else {
            return;
        };
        let rest = async {
            stream.shutdown().await?;
            io::copy(&mut stream.take(BYTES_MAX), &mut io::sink()).await
        };
        // Whatever comes of it, the connection is over.
        let _ = time::timeout(TIMEOUT, rest).await;
    }
}

impl Default for Lingering {
    fn default() -> Self {
        Self(Semaphore::new(CLIENTS_MAX))
    }
}
