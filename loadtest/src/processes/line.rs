//! The end of a process that was started by another one.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use super::{Word, moment_of};
use crate::clock;

/// Where this process says what it counts, and hears when phases begin.
#[derive(Debug)]
pub struct Line {
    begins: Receiver<u64>,
}

impl Line {
    /// Takes over the standard streams.
    #[must_use]
    pub fn new() -> Self {
        let (sender, begins) = channel();
        std::thread::spawn(move || {
            for line in io::stdin().lines().map_while(Result::ok) {
                let Ok(begin) = line.parse() else { return };
                if sender.send(begin).is_err() {
                    return;
                }
            }
        });
        Self { begins }
    }

    /// When the next phase begins, if that is known by now.
    ///
    /// # Errors
    /// Nobody will say so any more.
    pub fn begin(&self) -> io::Result<Option<Instant>> {
        match self.begins.try_recv() {
            Ok(begin) => Ok(Some(moment_of(begin).unwrap_or_else(clock::now))),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Says something to the process that has started this one.
///
/// # Errors
/// Nobody listens any more.
pub fn say(word: &Word) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, word)?;
    out.write_all(b"\n")?;
    out.flush()
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}
