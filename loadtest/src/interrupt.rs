//! Ctrl-C and termination, noticed in every wait, so that what was started is stopped on the way out, and what was
//! measured is told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::clock;
use crate::scenario::RunError;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// Whether this process was asked to end; by default nobody can ask.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn listen() -> Result<Self, RunError> {
        Self::register()
            .map_err(|error| RunError::Failed(format!("signals cannot be heard: {error}")))
    }

    fn register() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Whether it was.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Fails if this process was asked to end.
    pub(crate) fn check(&self) -> Result<(), RunError> {
        if self.is_asked() {
            return Err(RunError::Failed("interrupted".to_owned()));
        }
        Ok(())
    }

    pub(crate) fn sleep(&self, time: Duration) -> Result<(), RunError> {
        self.wait(time, || false).map(|_| ())
    }

    /// Waits until something holds, and says whether it does; for at most `limit`.
    pub(crate) fn wait(
        &self,
        limit: Duration,
        mut holds: impl FnMut() -> bool,
    ) -> Result<bool, RunError> {
        let end = clock::now() + limit;
        loop {
            self.check()?;
            if holds() {
                return Ok(true);
            }
            let now = clock::now();
            if end <= now {
                return Ok(false);
            }
            std::thread::sleep(INTERVAL.min(end - now));
        }
    }
}
