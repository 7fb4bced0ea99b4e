//! How fast a client is read: its messages as the configuration says, and what comes beside them so
//! that it cannot keep a core busy with frames that say nothing.

use tokio::time::Instant;

use super::Pause;
use crate::{
    dialect::Now,
    session::{Session, Settings, bucket::Bucket},
};

/// A fragment of fewer bytes costs more than it carries. Libraries that send in pieces take pieces of
/// a kilobyte or more.
pub(super) const SMALL_BYTES: usize = 64;
/// Most control frames and small fragments per second, whatever the configuration says. Clients ping
/// once in some seconds; a hundred of these frames cost a core some microseconds.
const SMALL_PER_SECOND: u32 = 100;
/// Most of them at once after a pause: a message in many small pieces, or what a network held back.
const SMALL_BURST: u32 = 100;

/// What a client may send now.
#[derive(Debug)]
pub(super) struct Rate {
    messages: Bucket,
    small: Bucket,
    is_over: bool,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            messages: Bucket::new(),
            small: Bucket::new(),
            is_over: false,
        }
    }
}

impl Rate {
    /// A message was read. The pause before the next frame, if there is to be one.
    pub(super) fn message(
        &mut self,
        session: &Session,
        settings: &Settings,
        now: Now,
    ) -> Option<Pause> {
        let (rate, burst) = (settings.messages_per_second, settings.messages_burst);
        if rate == 0 {
            return None;
        }
        let wait = self.messages.take(now.uptime, rate, burst)?;
        Some(self.pause(session, Instant::now() + wait))
    }

    /// A control frame or a small fragment was read. They have a bucket of their own, so that no Ping
    /// delays a message of a client that keeps to its rate.
    pub(super) fn small_frame(
        &mut self,
        session: &Session,
        settings: &Settings,
        now: Now,
    ) -> Option<Pause> {
        let rate = match settings.messages_per_second {
            0 => SMALL_PER_SECOND,
            rate => rate.min(SMALL_PER_SECOND),
        };
        let wait = self.small.take(now.uptime, rate, SMALL_BURST)?;
        Some(self.pause(session, Instant::now() + wait))
    }

    /// Whether the client is waiting for nobody but itself.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Reading goes on; whether it paused because of the rate.
    pub(super) fn resume(&mut self) -> bool {
        std::mem::take(&mut self.is_over)
    }

    fn pause(&mut self, session: &Session, until: Instant) -> Pause {
        self.is_over = true;
        session.stats().throttled.add(1);
        Pause::Until(until)
    }
}
