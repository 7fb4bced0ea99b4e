//! The event loop: one thread, one epoll, one shared read buffer, callbacks for what happens on connections.
//!
//! What it costs decides what can be measured, so the common way is bare: edge-triggered readiness, registered once
//! per connection; one read per event unless the read filled the buffer; headers scanned in place; nothing
//! allocated. Callbacks are compiled into the loop, as every scenario brings its own [`Handler`] type.

mod io;

use std::fmt;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::client::{Loss, Losses};
use crate::clock;
use crate::meter::{Meter, Phase, Recorder};
use crate::process::Watch;
use crate::scenario::RunError;
use crate::timeline::Timeline;

pub use io::Io;

/// Large batches: the more connections are ready at once, the fewer calls per connection.
const EVENTS_PER_WAKE_MAX: usize = 4_096;
const READ_BUFFER_BYTES: usize = 256 * 1024;

/// What a scenario does when something happens. `id` is the number given to [`Io::connect`].
pub trait Handler {
    /// The upgrade succeeded.
    fn opened(&mut self, io: &mut Io, id: usize) {
        let _ = (io, id);
    }

    /// A piece of a message's payload.
    #[inline]
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        let _ = (id, chunk);
    }

    /// A message of so many bytes is complete.
    #[inline]
    fn message(&mut self, id: usize, bytes: u64) {
        let _ = (id, bytes);
    }

    /// All that one read brought has been handed over. Unlike in [`Handler::message`], here it may send.
    #[inline]
    fn after_read(&mut self, io: &mut Io, id: usize) {
        let _ = (io, id);
    }

    /// The connection ended without our asking; it has been counted and is closed already.
    fn lost(&mut self, io: &mut Io, id: usize, loss: &Loss) {
        let _ = (io, id, loss);
    }
}

/// Ignores everything.
#[derive(Debug)]
pub struct Ignore;

impl Handler for Ignore {}

/// The loop itself.
pub struct Engine {
    /// The connections.
    pub io: Io,
    events: Vec<epoll::Event>,
    buffer: Box<[u8]>,
    /// How long to wait before asking for events again when fewer than so many were ready.
    collect: Option<(Duration, usize)>,
    batch: usize,
    recorder: Recorder,
    timeline: Timeline,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("io", &self.io)
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine without connections, which watches no processes.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new() -> Result<Self, Errno> {
        Self::watching(Watch::default())
    }

    /// An engine without connections, which looks at these processes once a second.
    ///
    /// # Errors
    /// What the system reports.
    pub fn watching(watch: Watch) -> Result<Self, Errno> {
        let meter = Meter::default();
        Ok(Self {
            io: Io::new(meter.clone())?,
            events: Vec::with_capacity(EVENTS_PER_WAKE_MAX),
            buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            collect: None,
            batch: 0,
            recorder: Recorder::new(meter, watch, clock::now()),
            timeline: Timeline::default(),
        })
    }

    /// Another phase of the scenario begins.
    ///
    /// # Errors
    /// It cannot.
    pub fn enter<H: Handler>(&mut self, phase: Phase, handler: &mut H) -> Result<(), RunError> {
        let _ = handler;
        let now = clock::now();
        self.sample(now);
        self.recorder.enter(phase, now);
        Ok(())
    }

    /// The scenario has come to its end: gives what was counted.
    #[must_use]
    pub fn finish(mut self) -> (Timeline, Losses) {
        self.sample(clock::now());
        (self.timeline, self.io.losses().clone())
    }

    fn sample(&mut self, now: Instant) {
        let sample = self
            .recorder
            .close(now, self.io.open_count(), self.io.losses());
        self.timeline.push(&sample);
    }

    /// After a wake that found fewer than `events_min` connections ready, sleeps for `pause` before it asks again.
    ///
    /// Without it a reader faster than the server is woken for every single write: a context switch here, and in
    /// the server's CPU time the waking of a sleeping core. The price is up to `pause` of added latency.
    pub fn collect(&mut self, pause: Duration, events_min: usize) {
        self.collect = (!pause.is_zero()).then_some((pause, events_min));
    }

    /// Waits for events, for at most `timeout`, and handles them. Gives the number of events.
    ///
    /// # Errors
    /// What epoll reports.
    pub fn poll<H: Handler>(&mut self, timeout: Duration, handler: &mut H) -> Result<usize, Errno> {
        if let Some((pause, events_min)) = self.collect
            && (1..events_min).contains(&self.batch)
        {
            std::thread::sleep(pause);
        }
        let timeout = Timespec::try_from(timeout).expect("time-outs are minutes at most");
        self.events.clear();
        match epoll::wait(
            self.io.epoll(),
            spare_capacity(&mut self.events),
            Some(&timeout),
        ) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        self.batch = self.events.len();
        for event in &self.events {
            let id =
                usize::try_from(event.data.u64()).expect("only connection numbers are registered");
            self.io.dispatch(id, &mut self.buffer, handler);
        }
        let now = clock::now();
        if self.recorder.is_due(now) {
            self.sample(now);
        }
        Ok(self.batch)
    }
}
