//! The event loop: one thread, one epoll, one shared read buffer, callbacks for what happens on connections.
//!
//! What it costs decides what can be measured, so the common way is bare: edge-triggered readiness, registered once
//! per connection; one read per event unless the read filled the buffer; headers scanned in place; nothing
//! allocated. Callbacks are compiled into the loop, as every scenario brings its own [`Handler`] type.

mod habits;
mod io;
mod pulse;
mod visit;

use std::fmt;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

use crate::client::{Loss, Losses};
use crate::clock;
use crate::interrupt::Interrupt;
use crate::meter::{Meter, Phase, Recorder, Sample};
use crate::process::Watch;
use crate::processes::{self, Line, Word};
use crate::scenario::RunError;
use crate::show::Show;
use crate::timeline::Timeline;

pub use habits::{Habits, Heartbeat};
pub use io::Io;

/// Large batches: the more connections are ready at once, the fewer calls per connection.
const EVENTS_PER_WAKE_MAX: usize = 4_096;
const READ_BUFFER_BYTES: usize = 256 * 1024;
/// How often a process looks whether the others are ready.
const READY_POLL: Duration = Duration::from_millis(10);

/// The connection is no more, whatever is still to be read.
const ENDED: epoll::EventFlags = epoll::EventFlags::ERR.union(epoll::EventFlags::HUP);

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

/// Hears of connections from `base` on, by their numbers from there on.
struct Rebased<'a, H> {
    base: usize,
    handler: &'a mut H,
}

impl<H: Handler> Handler for Rebased<'_, H> {
    fn opened(&mut self, io: &mut Io, id: usize) {
        if let Some(id) = id.checked_sub(self.base) {
            self.handler.opened(io, id);
        }
    }

    fn payload(&mut self, id: usize, chunk: &[u8]) {
        if let Some(id) = id.checked_sub(self.base) {
            self.handler.payload(id, chunk);
        }
    }

    fn message(&mut self, id: usize, bytes: u64) {
        if let Some(id) = id.checked_sub(self.base) {
            self.handler.message(id, bytes);
        }
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        if let Some(id) = id.checked_sub(self.base) {
            self.handler.after_read(io, id);
        }
    }

    fn lost(&mut self, io: &mut Io, id: usize, loss: &Loss) {
        if let Some(id) = id.checked_sub(self.base) {
            self.handler.lost(io, id, loss);
        }
    }
}

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
    outlet: Outlet,
    interrupt: Interrupt,
    /// Whoever polls looks whether there was an interrupt.
    heeds_interrupt: bool,
}

/// Where samples go.
#[derive(Debug)]
pub enum Outlet {
    /// This process shows them.
    Own(Box<Show>),
    /// The process that has started this one puts them together with those of others.
    Parent(Line),
}

impl Outlet {
    /// What this process has shown; nothing if another one does.
    fn finish(self) -> Timeline {
        match self {
            Self::Own(show) => show.finish(),
            Self::Parent(_) => Timeline::default(),
        }
    }
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
        Self::telling(Watch::default(), Outlet::Own(Box::default()))
    }

    /// An engine without connections, which looks at these processes once a second and says what it has counted.
    ///
    /// # Errors
    /// What the system reports.
    pub fn telling(watch: Watch, outlet: Outlet) -> Result<Self, Errno> {
        let meter = Meter::default();
        Ok(Self {
            io: Io::new(meter.clone())?,
            events: Vec::with_capacity(EVENTS_PER_WAKE_MAX),
            buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            collect: None,
            batch: 0,
            recorder: Recorder::new(meter, watch, clock::now()),
            outlet,
            interrupt: Interrupt::default(),
            heeds_interrupt: false,
        })
    }

    /// Fails to poll once there was an interrupt.
    pub(crate) fn hear(&mut self, interrupt: Interrupt) {
        self.interrupt = interrupt;
    }

    /// From now on an interrupt ends nothing here: the caller asks [`Self::is_interrupted`].
    pub(crate) fn heed_interrupt(&mut self) {
        self.heeds_interrupt = true;
    }

    /// Whether what was measured until now is all that will be.
    pub(crate) fn is_interrupted(&self) -> bool {
        self.interrupt.is_asked()
    }

    /// Another phase of the scenario begins. If several processes share the run, all begin it at the same time.
    ///
    /// # Errors
    /// What epoll reports, or the other processes are gone.
    pub fn enter<H: Handler>(&mut self, phase: Phase, handler: &mut H) -> Result<(), RunError> {
        self.meet(handler)?;
        self.go_on(phase)
    }

    /// If several processes share the run, goes on as before until all of them have come here.
    ///
    /// # Errors
    /// What epoll reports, or the other processes are gone.
    pub fn meet<H: Handler>(&mut self, handler: &mut H) -> Result<(), RunError> {
        self.arrive()?;
        let begin = loop {
            match self.departure()? {
                Some(begin) => break begin,
                None => self.poll(READY_POLL, handler)?,
            };
        };
        while let Some(wait) = begin.checked_duration_since(clock::now()) {
            self.poll(wait.min(READY_POLL), handler)?;
            if wait.is_zero() {
                break;
            }
        }
        Ok(())
    }

    /// Says that this process could go on, if several share the run.
    ///
    /// # Errors
    /// The other processes are gone.
    pub fn arrive(&mut self) -> Result<(), RunError> {
        match &self.outlet {
            Outlet::Own(_) => Ok(()),
            Outlet::Parent(_) => Ok(processes::say(&Word::Ready)?),
        }
    }

    /// When all processes go on, once it is known: all have arrived. It is told once.
    ///
    /// # Errors
    /// The other processes are gone.
    pub fn departure(&mut self) -> Result<Option<Instant>, RunError> {
        match &self.outlet {
            Outlet::Own(_) => Ok(Some(clock::now())),
            Outlet::Parent(line) => Ok(line.begin()?),
        }
    }

    /// What the scenario is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.recorder.phase()
    }

    /// Another phase of the scenario begins, after one that is as long in all processes.
    ///
    /// # Errors
    /// Nobody listens to what was counted.
    pub fn go_on(&mut self, phase: Phase) -> Result<(), RunError> {
        let now = clock::now();
        let sample = self.close(now);
        self.recorder.enter(phase, now);
        // The first phase has none before it.
        if phase != Phase::Connect {
            self.tell(sample)?;
        }
        Ok(())
    }

    /// The scenario has come to its end: gives what was counted, unless another process has it, and the connections lost.
    ///
    /// # Errors
    /// Nobody listens to what was counted.
    pub fn finish(mut self) -> Result<(Timeline, Losses), RunError> {
        let sample = self.close(clock::now());
        self.tell(sample)?;
        Ok((self.outlet.finish(), self.io.losses().clone()))
    }

    fn close(&mut self, now: Instant) -> Sample {
        let (open, losses) = (self.io.open_count(), self.io.losses());
        self.recorder.close(now, open, losses)
    }

    fn tell(&mut self, sample: Sample) -> Result<(), Errno> {
        match &mut self.outlet {
            Outlet::Own(show) => show.take(&sample),
            Outlet::Parent(_) => {
                let word = Word::Sample(Box::new(sample));
                processes::say(&word).map_err(|_| Errno::PIPE)?;
            }
        }
        Ok(())
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
    /// What epoll reports; `INTR` after an interrupt that nobody heeds.
    pub fn poll<H: Handler>(&mut self, timeout: Duration, handler: &mut H) -> Result<usize, Errno> {
        if self.is_interrupted() && !self.heeds_interrupt {
            return Err(Errno::INTR);
        }
        match self.io.base() {
            0 => self.look(timeout, handler),
            base => self.look(timeout, &mut Rebased { base, handler }),
        }
    }

    /// Reads from connections again from which nothing was read. Twice: what is behind the last byte, an end for
    /// example, has had its event, and there is no other one.
    fn read_resumed<H: Handler>(&mut self, handler: &mut H) {
        while let Some(id) = self.io.take_resumed() {
            for _ in 0..2 {
                self.io.dispatch(id, &mut self.buffer, handler);
            }
        }
    }

    fn look<H: Handler>(&mut self, timeout: Duration, handler: &mut H) -> Result<usize, Errno> {
        if let Some((pause, events_min)) = self.collect
            && (1..events_min).contains(&self.batch)
        {
            std::thread::sleep(pause);
        }
        self.read_resumed(handler);
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
            let flags = event.flags;
            if flags.intersects(ENDED) {
                self.io.end_stall(id);
            }
            self.io.dispatch(id, &mut self.buffer, handler);
        }
        self.read_resumed(handler);
        let now = clock::now();
        self.io.ping_silent(now);
        if self.recorder.is_due(now) {
            let sample = self.close(now);
            self.tell(sample)?;
        }
        Ok(self.batch)
    }
}
