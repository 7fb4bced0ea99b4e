//! What becomes of samples: they are put together into the timeline, and shown while the run goes on.

use crate::cli::Common;
use crate::meter::Sample;
use crate::progress::Progress;
use crate::prometheus::Exporter;
use crate::timeline::Timeline;

/// Where the samples of a run go.
#[derive(Debug, Default)]
pub struct Show {
    timeline: Timeline,
    progress: Option<Progress>,
    exporter: Option<Exporter>,
}

impl Show {
    /// For a run of this scenario.
    ///
    /// # Errors
    /// One line, when Prometheus cannot be listened to.
    pub fn new(common: &Common, scenario: &'static str) -> Result<Self, String> {
        let start = |address| {
            Exporter::start(address, scenario)
                .map_err(|error| format!("--prometheus {address}: {error}"))
        };
        Ok(Self {
            timeline: Timeline::default(),
            progress: Progress::new(common.progress),
            exporter: common.prometheus.map(start).transpose()?,
        })
    }

    /// Takes the next sample.
    pub fn take(&mut self, sample: &Sample) {
        self.timeline.push(sample);
        if let Some(exporter) = &self.exporter {
            exporter.take(sample);
        }
        if let (Some(progress), Some(point)) = (&self.progress, self.timeline.points().last()) {
            progress.show(point);
        }
    }

    /// The run is over.
    #[must_use]
    pub fn finish(self) -> Timeline {
        if let Some(progress) = &self.progress {
            progress.finish();
        }
        self.timeline
    }
}
