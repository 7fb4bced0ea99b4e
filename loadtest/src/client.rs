//! One client connection without its socket: from the upgrade request to the end, and why it ended.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::frame::{FrameError, Scanner, Sink};
use crate::handshake;
use crate::http::answers::{AnswerError, Answers};

/// Why a connection was lost or never came to be.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum Loss {
    /// Nobody listens there.
    #[error("connection refused")]
    Refused,
    /// The server reset the connection.
    #[error("connection reset by the server")]
    Reset,
    /// The upgrade was answered with another status than 101, and perhaps with the seconds to wait; or what was
    /// posted was answered with a status that is no success.
    #[error("rejected with status {0}")]
    Rejected(u16, Option<u16>),
    /// The answer to the upgrade was not HTTP or not an answer to our key.
    #[error("no valid answer to the upgrade request")]
    Handshake,
    /// The server closed, with its close code if it sent one.
    #[error("closed by the server{}", .0.map(|code| format!(" with code {code}")).unwrap_or_default())]
    Closed(Option<u16>),
    /// The server broke the protocol.
    #[error("protocol broken by the server: {0}")]
    Protocol(#[from] FrameError),
    /// The answer to something that was posted was none.
    #[error("what was posted was answered with {0}")]
    Answer(#[from] AnswerError),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// Anything else the system reported.
    #[error("{0}")]
    System(rustix::io::Errno),
}

impl From<rustix::io::Errno> for Loss {
    fn from(error: rustix::io::Errno) -> Self {
        use rustix::io::Errno;
        match error {
            Errno::CONNREFUSED => Self::Refused,
            Errno::CONNRESET | Errno::PIPE => Self::Reset,
            Errno::TIMEDOUT => Self::TimedOut,
            other => Self::System(other),
        }
    }
}

/// How many connections were lost, by reason; all fields are counts of connections.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Losses {
    /// Nobody listened.
    pub refused: u64,
    /// Reset by the server.
    pub reset: u64,
    /// Upgrade answered with another status than 101, or a post with no success.
    pub rejected: u64,
    /// No valid answer to the upgrade or to a post.
    pub handshake: u64,
    /// Closed by the server.
    pub closed: u64,
    /// Protocol broken by the server.
    pub protocol: u64,
    /// No answer in time.
    pub timed_out: u64,
    /// Other errors of the system.
    pub system: u64,
    /// The first loss in words.
    pub first: Option<String>,
}

impl Losses {
    /// Counts one loss.
    pub fn add(&mut self, loss: &Loss) {
        let counter = match loss {
            Loss::Refused => &mut self.refused,
            Loss::Reset => &mut self.reset,
            Loss::Rejected(..) => &mut self.rejected,
            Loss::Handshake | Loss::Answer(_) => &mut self.handshake,
            Loss::Closed(_) => &mut self.closed,
            Loss::Protocol(_) => &mut self.protocol,
            Loss::TimedOut => &mut self.timed_out,
            Loss::System(_) => &mut self.system,
        };
        *counter += 1;
        if self.first.is_none() {
            self.first = Some(loss.to_string());
        }
    }

    /// Takes in what another process has lost.
    pub fn merge(&mut self, other: Self) {
        self.refused += other.refused;
        self.reset += other.reset;
        self.rejected += other.rejected;
        self.handshake += other.handshake;
        self.closed += other.closed;
        self.protocol += other.protocol;
        self.timed_out += other.timed_out;
        self.system += other.system;
        self.first = self.first.take().or(other.first);
    }

    /// All losses.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_name().iter().map(|(_, count)| count).sum()
    }

    /// The counts with their names.
    #[must_use]
    pub fn by_name(&self) -> [(&'static str, u64); 8] {
        [
            ("refused", self.refused),
            ("reset", self.reset),
            ("rejected", self.rejected),
            ("handshake", self.handshake),
            ("closed", self.closed),
            ("protocol", self.protocol),
            ("timed_out", self.timed_out),
            ("system", self.system),
        ]
    }
}

/// The state of one connection.
#[derive(Debug, Default)]
pub struct Client {
    /// What has come of the answer to the upgrade; empty and without memory once open.
    head: Vec<u8>,
    open: bool,
    scanner: Scanner,
    /// Instead of frames, when requests are posted on it.
    answers: Option<Box<Answers>>,
}

impl Client {
    /// One that requests are posted on, without an upgrade.
    #[must_use]
    pub fn of_posts() -> Self {
        Self {
            open: true,
            answers: Some(Box::default()),
            ..Self::default()
        }
    }

    /// Whether the upgrade is done.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// Whether frames can be sent.
    #[must_use]
    pub fn is_upgraded(&self) -> bool {
        self.open && self.answers.is_none()
    }

    /// Takes bytes of the answer to the upgrade. Gives the number of bytes left over behind it once it is
    /// complete: they are the end of `bytes` and belong to [`Client::receive`].
    ///
    /// # Errors
    /// The reason why the connection is of no use.
    pub fn upgrade(&mut self, bytes: &[u8]) -> Result<Option<usize>, Loss> {
        self.head.extend_from_slice(bytes);
        let Some(length) = handshake::head_len(&self.head) else {
            return if self.head.len() > handshake::HEAD_BYTES_MAX {
                Err(Loss::Handshake)
            } else {
                Ok(None)
            };
        };
        let head = std::mem::take(&mut self.head);
        handshake::check_response(&head[..length])?;
        self.open = true;
        Ok(Some(head.len() - length))
    }

    /// Takes bytes of an open connection.
    ///
    /// # Errors
    /// When the server breaks the protocol, or does not accept what was posted.
    #[inline]
    pub fn receive<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), Loss> {
        match &mut self.answers {
            None => Ok(self.scanner.scan(bytes, sink)?),
            Some(answers) => receive_answers(answers, bytes),
        }
    }
}

/// Successes are of no interest.
#[cold]
fn receive_answers(answers: &mut Answers, bytes: &[u8]) -> Result<(), Loss> {
    let mut refused = None;
    answers.scan(bytes, |status| {
        if !(200..300).contains(&status) {
            refused.get_or_insert(status);
        }
    })?;
    refused.map_or(Ok(()), |status| Err(Loss::Rejected(status, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] =
        b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    #[test]
    fn an_answer_in_pieces_opens_and_leaves_the_rest() {
        let mut client = Client::default();
        let (head, tail) = ANSWER.split_at(20);
        assert_eq!(client.upgrade(head), Ok(None));
        assert!(!client.is_open());
        assert_eq!(client.upgrade(&[tail, &[0x81, 0]].concat()), Ok(Some(2)));
        assert!(client.is_open());
    }

    #[test]
    fn an_endless_answer_is_given_up() {
        let mut client = Client::default();
        assert_eq!(
            client.upgrade(&vec![b'x'; handshake::HEAD_BYTES_MAX + 1]),
            Err(Loss::Handshake)
        );
    }

    #[test]
    fn a_post_that_is_refused_ends_the_connection() {
        struct Nobody;
        impl Sink for Nobody {
            fn message(&mut self, _bytes: u64) {}
            fn control(&mut self, _opcode: u8, _payload: &[u8]) {}
        }
        let mut client = Client::of_posts();
        assert!(client.is_open());
        let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(client.receive(accepted, &mut Nobody), Ok(()));
        let refused = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        let loss = Loss::Rejected(403, None);
        assert_eq!(client.receive(refused, &mut Nobody), Err(loss));
    }

    #[test]
    fn losses_add_up() {
        let mut losses = Losses::default();
        losses.add(&Loss::Refused);
        losses.add(&Loss::Closed(Some(1013)));
        assert_eq!((losses.total(), losses.refused, losses.closed), (2, 1, 1));
        assert_eq!(losses.first.as_deref(), Some("connection refused"));
        assert_eq!(
            Loss::Closed(Some(1013)).to_string(),
            "closed by the server with code 1013"
        );
    }
}
