//! What ends or pings a session as time passes, and when.

use std::{sync::Arc, time::Duration};

use super::Core;
use crate::{
    close::CloseReason,
    dialect::Actions,
    frame::Frame,
    session::{Session, Settings, tick, tick_after, timers::TICK_MS},
};

impl Core {
    /// Does what is due.
    pub(in crate::session) fn fire(&mut self, session: &Arc<Session>) {
        self.entered = u32::MAX;
        if self.ended || session.subscriber.closed().is_some() {
            return;
        }
        let now = session.context.clock.now();
        let settings = session.context.settings.load();
        let tick = tick(now.uptime);
        if !self.paused && self.idle_at(session, &settings) <= tick {
            // After a stall of the shard its client may have spoken in time, unread: that is read first.
            if !session.socket.has_unread() {
                self.end(session, CloseReason::Idle);
            }
            return;
        }
        // A message is late also if it is because its client is over its rate.
        let is_paused = self.paused && !self.rate.is_over();
        if !is_paused && self.partial_until(&settings) <= tick {
            self.end(session, CloseReason::MessageTimeout);
            return;
        }
        if self.ping_at(session, &settings) <= tick {
            self.pinged = tick;
            session.subscriber.send_control(Frame::ping(&[]));
        }
        let is_due = |deadline: Duration| deadline <= now.uptime;
        if self.waiting.is_none() && self.conversation.deadline().is_some_and(is_due) {
            let mut actions = Actions::default();
            self.conversation.tick(now, &mut actions);
            // What finds no room stays in `waiting`; the next fire or read tries again.
            let _ = self.execute(session, actions, now);
        }
    }

    /// Tick of the earliest deadline.
    pub(in crate::session) fn due(&self, session: &Session) -> u32 {
        if self.ended {
            return u32::MAX;
        }
        let settings = session.context.settings.load();
        let dialect = self.conversation.deadline().map_or(u32::MAX, tick_after);
        self.idle_at(session, &settings)
            .min(self.partial_until(&settings))
            .min(self.ping_at(session, &settings))
            .min(dialect)
    }

    fn idle_at(&self, session: &Session, settings: &Settings) -> u32 {
        session
            .subscriber
            .seen()
            .saturating_add(ticks(settings.idle))
    }

    fn partial_until(&self, settings: &Settings) -> u32 {
        self.partial_since.map_or(u32::MAX, |since| {
            since.saturating_add(ticks(settings.message_timeout))
        })
    }

    fn ping_at(&self, session: &Session, settings: &Settings) -> u32 {
        let interval = settings.pings[session.subscriber.dialect_id().index()];
        interval.map_or(u32::MAX, |interval| {
            let silent_since = session.subscriber.seen().max(self.pinged);
            silent_since.saturating_add(ticks(interval))
        })
    }
}

/// Ticks after which `duration` has certainly passed, since the one it began in had begun before.
fn ticks(duration: Duration) -> u32 {
    let ticks = duration.as_millis().div_ceil(u128::from(TICK_MS)) + 1;
    u32::try_from(ticks).unwrap_or(u32::MAX)
}
