//! Making samples, once a second.

use std::time::{Duration, Instant};

use super::{Meter, Phase, Sample};
use crate::client::Losses;
use crate::process::{Watch, own_cpu_seconds};

/// How long a sample is.
const INTERVAL: Duration = Duration::from_secs(1);

/// Makes samples of what a meter counts and what processes use.
#[derive(Debug)]
pub struct Recorder {
    meter: Meter,
    watch: Watch,
    began: Instant,
    phase: Phase,
    number: u32,
    /// When the sample began that is being made, and when it is to end.
    interval: (Instant, Instant),
    own_cpu_seconds: f64,
    losses: Losses,
}

impl Recorder {
    /// Begins now, in the first phase.
    #[must_use]
    pub fn new(meter: Meter, watch: Watch, now: Instant) -> Self {
        Self {
            meter,
            watch,
            began: now,
            phase: Phase::default(),
            number: 0,
            interval: (now, now + INTERVAL),
            own_cpu_seconds: own_cpu_seconds(),
            losses: Losses::default(),
        }
    }

    /// Whether a sample is complete.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.interval.1 <= now
    }

    /// What the scenario is doing.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The sample that ends now. `open` connections there are, and so many were lost so far.
    pub fn close(&mut self, now: Instant, open: usize, losses: &Losses) -> Sample {
        let (handshakes, kinds, errors) = self.meter.drain();
        let lost = losses.by_name().into_iter().zip(self.losses.by_name());
        let lost = lost.filter(|((_, now), (_, before))| before < now);
        let lost = lost.map(|((name, now), (_, before))| (name.to_owned(), now - before));
        let lost = lost.collect();
        self.losses = losses.clone();
        let own = own_cpu_seconds();
        let sample = Sample {
            phase: self.phase,
            number: self.number,
            at: (now - self.began).as_secs_f64(),
            seconds: (now - self.interval.0).as_secs_f64(),
            open: open as u64,
            handshakes,
            kinds,
            errors,
            lost,
            generators: [(0, own - self.own_cpu_seconds)].into(),
            processes: self.watch.read(),
        };
        self.own_cpu_seconds = own;
        self.number += 1;
        // Samples end at whole seconds of their phase, unless there was no time for one.
        let next = self.interval.1 + INTERVAL;
        self.interval = (now, if next <= now { now + INTERVAL } else { next });
        sample
    }

    /// Another phase begins now: the sample that is being made is closed before. With the first one, the run begins.
    pub fn enter(&mut self, phase: Phase, now: Instant) {
        if phase == Phase::Connect {
            self.began = now;
        }
        self.phase = phase;
        self.number = 0;
        self.interval = (now, now + INTERVAL);
        self.meter.enter(phase, now);
    }
}
