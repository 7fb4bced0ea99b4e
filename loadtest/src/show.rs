//! What becomes of samples: they are put together into the timeline, and shown while the run goes on.

use crate::meter::Sample;
use crate::timeline::Timeline;

/// Where the samples of a run go.
#[derive(Debug, Default)]
pub struct Show {
    timeline: Timeline,
}

impl Show {
    /// Takes the next sample.
    pub fn take(&mut self, sample: &Sample) {
        self.timeline.push(sample);
    }

    /// The run is over.
    #[must_use]
    pub fn finish(self) -> Timeline {
        self.timeline
    }
}
