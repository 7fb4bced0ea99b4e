//! One connection: its socket, and what waits to be sent.

use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use crate::client::Client;
use crate::engine::habits::Ear;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) fd: OwnedFd,
    pub(super) client: Client,
    /// When it was started.
    pub(super) began: Instant,
    /// What has come of the current message.
    pub(super) ear: Ear,
    /// What the socket did not take yet.
    pub(super) unsent: Vec<u8>,
    /// The error of a send, which the system reports only once.
    pub(super) broken: Option<Errno>,
    /// Whether nothing is read from it.
    pub(super) is_stalled: bool,
    /// The turn of the pulse in which something was sent last.
    pub(super) spoke: u32,
}

impl Connection {
    /// Sends, and keeps what the socket does not take.
    pub(super) fn send(&mut self, frames: &[u8]) {
        if self.unsent.is_empty() {
            let sent = self.write(frames);
            self.unsent.extend_from_slice(&frames[sent..]);
        } else {
            self.unsent.extend_from_slice(frames);
        }
    }

    /// Sends what was kept, and gives its memory back: an idle connection needs none.
    pub(super) fn flush(&mut self) {
        let unsent = std::mem::take(&mut self.unsent);
        let sent = self.write(&unsent);
        self.unsent.extend_from_slice(&unsent[sent..]);
    }

    /// Writes what it can and gives the number of bytes. An error is kept for the read that comes after it.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut sent = 0;
        while sent < bytes.len() && self.broken.is_none() {
            match send(&self.fd, &bytes[sent..], SendFlags::NOSIGNAL) {
                Ok(length) => sent += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => self.broken = Some(error),
            }
        }
        sent
    }
}
