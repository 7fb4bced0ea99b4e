//! A connection that was just accepted, which the runtime watches only once it has to wait.
//!
//! By the time of its turn a client's request has mostly come, or comes while others have theirs, and what
//! answers it becomes a session, which another one watches (`docs/decisions/0025-poller.md`). So the runtime would be
//! told of a socket and told to forget it: two calls of the system, and a wake in many cases.

use std::{
    io::{self, IoSlice, Read as _, Write as _},
    mem,
    net::Shutdown,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A connection. Must be used on the runtime that is to watch it.
#[derive(Debug)]
pub(super) enum Fresh {
    /// Nobody waits for it. The socket does not block.
    Unwatched {
        /// The socket.
        stream: std::net::TcpStream,
        /// Others had a turn since there was nothing to read.
        has_yielded: bool,
    },
    /// It had to be waited for.
    Watched(TcpStream),
    /// The runtime could not watch it.
    Lost,
}

impl Fresh {
    /// Must not block.
    pub(super) fn new(stream: std::net::TcpStream) -> Self {
        Self::Unwatched {
            stream,
            has_yielded: false,
        }
    }

    /// Gives it back, watched by nobody.
    ///
    /// # Errors
    ///
    /// It is lost, or the runtime cannot forget it.
    pub(super) fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self {
            Self::Unwatched { stream, .. } => Ok(stream),
            Self::Watched(stream) => stream.into_std(),
            Self::Lost => Err(lost()),
        }
    }

    /// Has the runtime watch it from now on.
    ///
    /// # Errors
    ///
    /// The runtime cannot; the connection is lost then.
    pub(super) fn watched(&mut self) -> io::Result<&mut TcpStream> {
        if let Self::Unwatched { .. } = self
            && let Self::Unwatched { stream, .. } = mem::replace(self, Self::Lost)
        {
            *self = Self::Watched(TcpStream::from_std(stream)?);
        }
        match self {
            Self::Watched(stream) => Ok(stream),
            _ => Err(lost()),
        }
    }

    /// Does something at once if nobody watches the connection and it does not block, else not.
    fn at_once<T>(
        &mut self,
        mut what: impl FnMut(&mut &std::net::TcpStream) -> io::Result<T>,
    ) -> Option<io::Result<T>> {
        let Self::Unwatched { stream, .. } = self else {
            return None;
        };
        loop {
            return match what(&mut &*stream) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
                done => Some(done),
            };
        }
    }
}

fn lost() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl AsyncRead for Fresh {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = |stream: &mut &std::net::TcpStream| stream.read(buffer.initialize_unfilled());
        if let Some(read) = self.at_once(read) {
            return Poll::Ready(read.map(|count| buffer.advance(count)));
        }
        if let Self::Unwatched { has_yielded, .. } = &mut *self
            && !mem::replace(has_yielded, true)
        {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(self.watched()?).poll_read(context, buffer)
    }
}

impl AsyncWrite for Fresh {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = self.at_once(|stream| stream.write(bytes)) {
            return Poll::Ready(written);
        }
        Pin::new(self.watched()?).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(written) = self.at_once(|stream| stream.write_vectored(slices)) {
            return Poll::Ready(written);
        }
        Pin::new(self.watched()?).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Unwatched { stream, .. } = &*self {
            return Poll::Ready(stream.shutdown(Shutdown::Write));
        }
        Pin::new(self.watched()?).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Both ends of a connection.
    fn connection() -> (std::net::TcpStream, Fresh) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        (client, Fresh::new(server))
    }

    #[tokio::test]
    async fn what_is_there_is_read_without_the_runtime() {
        let (mut client, mut fresh) = connection();
        client.write_all(b"hello").unwrap();
        let mut buffer = [0; 5];
        fresh.read_exact(&mut buffer).await.unwrap();
        fresh.write_all(b"there").await.unwrap();
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"there");
        assert!(matches!(fresh, Fresh::Unwatched { .. }), "{fresh:?}");
    }

    #[tokio::test]
    async fn what_is_not_there_is_waited_for() {
        let (mut client, mut fresh) = connection();
        let mut buffer = [0; 5];
        {
            let mut reading = Box::pin(fresh.read_exact(&mut buffer));
            for _ in 0..2 {
                assert!(futures_util::poll!(&mut reading).is_pending());
            }
            client.write_all(b"hello").unwrap();
            reading.await.unwrap();
        }
        assert_eq!(&buffer, b"hello");
        assert!(matches!(fresh, Fresh::Watched(_)), "{fresh:?}");
        fresh.into_std().unwrap().write_all(b"there").unwrap();
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"there");
    }

    #[tokio::test]
    async fn what_comes_in_others_turn_is_read_without_the_runtime() {
        let (mut client, mut fresh) = connection();
        let mut buffer = [0; 5];
        {
            let mut reading = Box::pin(fresh.read_exact(&mut buffer));
            assert!(futures_util::poll!(&mut reading).is_pending());
            client.write_all(b"hello").unwrap();
            reading.await.unwrap();
        }
        assert_eq!(&buffer, b"hello");
        assert!(matches!(fresh, Fresh::Unwatched { .. }), "{fresh:?}");
    }

    #[tokio::test]
    async fn the_end_is_an_end_and_can_be_said() {
        let (client, mut fresh) = connection();
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(fresh.read(&mut [0; 8]).await.unwrap(), 0);
        fresh.shutdown().await.unwrap();
        assert_eq!((&client).read(&mut [0; 8]).unwrap(), 0);
    }
}
