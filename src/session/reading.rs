//! Reading: what a session does in its turn, and what it waits for between two turns.

use std::{cell::RefCell, io, sync::Arc, time::Duration};

use rustix::event::epoll::EventFlags;
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

use super::{Session, core::Pause, flusher, socket::Read, tick};
use crate::{close::CloseReason, router::Room};

/// Size of the buffer that all sessions of a thread read into, in bytes.
const SCRATCH_BYTES: usize = 64 * 1024;
/// A session that read this much at a time lets others go first.
const TURN_BYTES: usize = 16 * 1024;
/// Longest wait for room for what a client publishes.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

thread_local! {
    /// One buffer for all sessions of a thread: what they read is consumed before they wait.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Why it is a session's turn.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    /// There was more to read than it read in its last one.
    More,
    /// Its socket is ready for this.
    Ready(EventFlags),
    /// Its pause is over.
    Resumed,
}

/// What a turn of a session ends with.
pub(super) enum Turn {
    /// There may be more to read: another one, when others have had theirs.
    Again,
    /// The connection is over.
    End,
    /// Do not read before this.
    Pause(Pause),
    /// Wait for the socket.
    Wait,
}

// === impl Cause ===

impl Cause {
    /// Whether there may be something to read.
    fn is_to_read(self) -> bool {
        match self {
            Self::Ready(flags) => flags.intersects(!EventFlags::OUT),
            Self::More | Self::Resumed => true,
        }
    }

    /// Whether what comes behind a short read is told anew. The end of the connection was told already, if
    /// it is behind what is there; so was what came during a pause, or in an earlier turn.
    fn is_told_again(self) -> bool {
        let end = EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR;
        matches!(self, Self::Ready(flags) if !flags.intersects(end))
    }
}

// === impl Session ===

impl Session {
    /// Takes its turn.
    pub(super) fn turn(self: &Arc<Self>, cause: Cause) -> Turn {
        if matches!(cause, Cause::Ready(flags) if flags.contains(EventFlags::OUT)) {
            self.subscriber.unblock();
        }
        let turn = self.read(cause);
        turn.unwrap_or_else(|_| {
            self.subscriber.close(CloseReason::TransportError);
            Turn::End
        })
    }

    /// Reads once, consumes what was read, and writes what was answered.
    fn read(self: &Arc<Self>, cause: Cause) -> io::Result<Turn> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut core = self.core.lock();
            if core.is_paused() {
                // What was waited for has failed, and left it paused.
                let has_failed = matches!(cause, Cause::Resumed);
                return Ok(if has_failed { Turn::End } else { Turn::Wait });
            }
            if let Some(pause) = core.take_pause(self) {
                return Ok(Turn::Pause(pause));
            }
            let (pause, next) = if core.has_rest() {
                (core.consume_rest(self), Turn::Again)
            } else if !cause.is_to_read() {
                return Ok(Turn::Wait);
            } else {
                let (count, drained) = match self.socket.try_read(scratch)? {
                    Read::Bytes { count, drained } => (count, drained),
                    Read::Nothing => return Ok(Turn::Wait),
                    Read::End => return Ok(Turn::End),
                };
                self.stats().bytes_in.add(count as u64);
                let pause = core.consume(self, &mut scratch[..count]);
                // Unless it is drained there is more, or TLS holds it: read again without waiting.
                let next = match drained && cause.is_told_again() && count < TURN_BYTES {
                    true => Turn::Wait,
                    false => Turn::Again,
                };
                (pause, next)
            };
            self.schedule(&mut core);
            let has_answered = core.take_answered();
            drop(core);
            if has_answered {
                flusher::flush_now(&self.context, &self.subscriber);
            }
            Ok(pause.map_or(next, Turn::Pause))
        })
    }

    /// Waits until reading may go on. The idle clock stands still meanwhile.
    pub(super) async fn wait(self: &Arc<Self>, pause: Pause) {
        match pause {
            Pause::Answer(answer) => {
                let answer = answer.await;
                self.core.lock().answered(self, answer);
            }
            Pause::Call(returned) => self.wait_for_return(returned).await,
            Pause::Room(room) => self.wait_for_room(room).await,
            Pause::Until(until) => time::sleep_until(until).await,
        }
        let mut core = self.core.lock();
        core.resume();
        self.subscriber.see(tick(self.context.clock.uptime()));
        self.schedule(&mut core);
    }

    /// Waits until what the client published has found room, or ends the session.
    async fn wait_for_room(self: &Arc<Self>, mut room: Room) {
        let until = Instant::now() + ROOM_TIMEOUT;
        loop {
            if time::timeout_at(until, room.wait()).await.is_err() {
                self.subscriber.close(CloseReason::Overloaded);
                return;
            }
            let is_full = |pause: &Pause| matches!(pause, Pause::Room(_));
            match self.core.lock().try_again(self, is_full) {
                Some(Pause::Room(next)) => room = next,
                _ => return,
            }
        }
    }

    /// Waits until a call has returned and others may begin. Each has a time limit of its own.
    async fn wait_for_return(self: &Arc<Self>, returned: Arc<Notify>) {
        loop {
            returned.notified().await;
            let is_full = |pause: &Pause| matches!(pause, Pause::Call(_));
            if self.core.lock().try_again(self, is_full).is_none() {
                return;
            }
        }
    }
}
