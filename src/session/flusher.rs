//! The flusher: one task per shard that moves messages from topics into outboxes and from outboxes
//! into sockets.
//!
//! It goes round robin: a few outboxes are filled, then everything that waits gets a turn of one
//! vectored, non-blocking write each. After a millisecond it lets the shard's readers go on. A session
//! whose socket is full stands in no line until the poller has heard that it is not.

use std::{
    collections::VecDeque,
    future,
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{
    task,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::router::{
    fanout::{Walked, Walker},
    shard::{Queue, Shard},
    subscriber::{Flushed, Subscriber},
    transport::End,
};

/// Longest time before readers get a turn.
const TURN_MAX: Duration = Duration::from_millis(1);
/// Outboxes filled before they are flushed: few enough that they are still in the cache then.
const OUTBOXES_MAX: usize = 256;
/// The clock is asked after this many writes.
const WRITES_PER_CLOCK: usize = 16;
/// Time that a session has to end after it was told to; once more, if it was told and only its answer is
/// missing.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The state of one shard's flusher.
#[derive(Debug)]
struct Flusher {
    shard: Arc<Shard>,
    walker: Walker,
    queue: Queue,
    /// Sessions that were told to end, and until when they have time; in that order.
    closing: VecDeque<(Instant, Weak<Subscriber>)>,
    /// When messages were published that the next flush brings to their last subscribers.
    completed: Vec<Instant>,
}

/// Flushes the sessions of `shard` until `stop` fires. Must run on the shard's own thread.
pub async fn run(shard: Arc<Shard>, stop: CancellationToken) {
    let mut flusher = Flusher {
        shard,
        walker: Walker::default(),
        queue: Queue::default(),
        closing: VecDeque::new(),
        completed: Vec::new(),
    };
    loop {
        tokio::select! {
            // Cancellation first, since the other two may be ready for ever.
            biased;
            () = stop.cancelled() => return,
            () = flusher.shard.work() => {}
            () = sleep_until(flusher.closing.front().map(|(until, _)| *until)) => {}
        }
        flusher.turns().await;
    }
}

impl Flusher {
    /// Works until nothing is left to be done.
    async fn turns(&mut self) {
        let mut started = Instant::now();
        loop {
            self.shard.take(&mut self.queue);
            self.watch_closing();
            let walked = self.walk();
            let is_walking = walked.frames != 0 || walked.completed.is_some();
            self.completed.extend(walked.completed);
            self.let_readers_go_on(&mut started).await;
            while !self.queue.dirty.is_empty() {
                self.flush_some();
                self.let_readers_go_on(&mut started).await;
            }
            for published in self.completed.drain(..) {
                self.shard.stats.delivery.record(published.elapsed());
            }
            let is_idle = self.queue.deliveries.is_empty() && self.queue.closing.is_empty();
            if is_idle && !is_walking && !self.walker.is_walking() {
                return;
            }
        }
    }

    /// Gives readers a turn, if the last one is long enough ago.
    async fn let_readers_go_on(&mut self, started: &mut Instant) {
        if TURN_MAX <= started.elapsed() {
            task::yield_now().await;
            *started = Instant::now();
            self.shard.take(&mut self.queue);
        }
    }

    fn walk(&mut self) -> Walked {
        let Queue {
            deliveries, dirty, ..
        } = &mut self.queue;
        self.walker
            .step(&self.shard, deliveries, dirty, OUTBOXES_MAX)
    }

    /// Gives a turn to the next sessions in line.
    fn flush_some(&mut self) {
        for _ in 0..WRITES_PER_CLOCK {
            let Some(subscriber) = self.queue.dirty.pop_front() else {
                return;
            };
            match subscriber.flush() {
                Flushed::Done => {}
                Flushed::More => self.queue.dirty.push_back(subscriber),
                Flushed::Finished(end) => subscriber.end(end),
                // The poller puts it back in line.
                Flushed::Blocked => {}
            }
        }
    }

    /// Sees to it that sessions that were told to end do so.
    fn watch_closing(&mut self) {
        let now = Instant::now();
        for subscriber in self.queue.closing.drain(..) {
            self.closing.push_back((now + CLOSE_TIMEOUT, subscriber));
        }
        while let Some((until, _)) = self.closing.front()
            && *until <= now
            && let Some((_, closing)) = self.closing.pop_front()
        {
            // Gone by itself, usually.
            let Some(subscriber) = closing.upgrade() else {
                continue;
            };
            if subscriber.stop_waiting() {
                self.closing.push_back((now + CLOSE_TIMEOUT, closing));
            } else {
                // A reset, since what the socket did not take in this time would hold it for minutes.
                subscriber.forget();
                subscriber.end(End::Reset);
            }
        }
    }
}

/// Writes what waits for a session that was marked and put into no queue: what it is answered while it is
/// being read. Must run on the shard's own thread.
pub(super) fn flush_now(context: &Context, subscriber: &Arc<Subscriber>) {
    match subscriber.flush() {
        Flushed::Blocked | Flushed::Done => {}
        Flushed::More => context.shard.mark_dirty(Arc::clone(subscriber)),
        Flushed::Finished(end) => subscriber.end(end),
    }
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => time::sleep_until(until).await,
        None => future::pending().await,
    }
}
