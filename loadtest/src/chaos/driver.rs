//! The clients in a thread of their own, so that they go on while this process breaks and repairs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::check::fleet::{Fleet, Settings, Standing};
use crate::check::pusher::{Pusher, Pushes};
use crate::check::scrape::Scraper;
use crate::check::verdict::Event;
use crate::check::{self, Outcome, REACH_MAX};
use crate::interrupt::Interrupt;
use crate::scenario::RunError;

/// Far more than the end of a run takes.
const FINISH_MAX: Duration = Duration::from_secs(120);

/// The clients at work.
#[derive(Debug)]
pub(super) struct Driver {
    shared: Arc<Shared>,
    thread: JoinHandle<Result<Outcome, RunError>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    rebalance: AtomicBool,
    /// What others have seen and the clients have not taken note of.
    events: Mutex<Vec<Event>>,
    standing: Mutex<Standing>,
}

impl Driver {
    /// Lets them connect and, once all reach each other, send, and be pushed to.
    pub(super) fn start(
        settings: Settings,
        pushes: Pushes,
        scraper: Scraper,
        began: Instant,
    ) -> Self {
        let shared = Arc::<Shared>::default();
        let inner = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let mut fleet = Fleet::new(settings, began)?;
            check::assemble(&mut fleet)?;
            let pusher = Pusher::start(pushes, began);
            while !inner.stop.load(Ordering::Relaxed) {
                if inner.rebalance.swap(false, Ordering::Relaxed) {
                    fleet.rebalance();
                }
                fleet.step(true)?;
                inner.tell(fleet.standing());
            }
            fleet.note(std::mem::take(&mut *inner.events()));
            check::settle(&mut fleet, Some(pusher), began)?;
            Ok(Outcome::of(fleet, scraper))
        });
        Self { shared, thread }
    }

    /// Whether they have given up by themselves; [`Driver::finish`] tells why.
    pub(super) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    pub(super) fn standing(&self) -> Standing {
        *self.shared.standing()
    }

    /// Takes note of something that the verdict depends on.
    pub(super) fn note(&self, event: Event) {
        self.shared.events().push(event);
    }

    /// Sends clients back to their nodes and waits until all are connected and reach each other; says whether they
    /// do.
    pub(super) fn gather(&self, interrupt: &Interrupt) -> Result<bool, RunError> {
        self.shared.rebalance.store(true, Ordering::Relaxed);
        interrupt.wait(REACH_MAX, || {
            let Standing { proven, pairs, .. } = self.standing();
            let is_asked = self.shared.rebalance.load(Ordering::Relaxed);
            !is_asked && 0 < pairs && proven == pairs
        })
    }

    /// Sends no more, and gives the outcome when every message has had its time.
    pub(super) fn finish(self, interrupt: &Interrupt) -> Result<Outcome, RunError> {
        self.shared.stop.store(true, Ordering::Relaxed);
        if !interrupt.wait(FINISH_MAX, || self.thread.is_finished())? {
            let problem = "the clients do not come to an end".to_owned();
            return Err(RunError::Failed(problem));
        }
        let outcome = self.thread.join();
        outcome.map_err(|_| RunError::Failed("the clients have panicked".to_owned()))?
    }
}

impl Shared {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, standing: Standing) {
        *self.standing() = standing;
    }
}
