//! Ctrl-C and termination, noticed in every wait, so that what was started is stopped on the way out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use crate::clock;
use crate::scenario::RunError;

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(20);

/// Whether this process was asked to end.
#[derive(Clone, Debug)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> io::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag))?;
        }
        Ok(Self(flag))
    }

    /// Fails if this process was asked to end.
    pub(super) fn check(&self) -> Result<(), RunError> {
        if self.0.load(Ordering::Relaxed) {
            return Err(RunError::Failed("interrupted".to_owned()));
        }
        Ok(())
    }

    pub(super) fn sleep(&self, time: Duration) -> Result<(), RunError> {
        self.wait(time, || false).map(|_| ())
    }

    /// Waits until something holds, and says whether it does; for at most `limit`.
    pub(super) fn wait(
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
