//! A run from second to second, and what each phase of it came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::meter::{Latencies, Phase, Sample, Tally};
use crate::process::Role;
use crate::report::Latency;

/// A rest of a second that is shorter belongs to the second before it: its rates would say nothing.
const REST_SECONDS: f64 = 0.2;

/// The samples of a run as figures, and the sums of them.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    points: Vec<Point>,
    /// What the last point was made of.
    last: Sample,
    totals: BTreeMap<Phase, Sample>,
}

/// One sample in figures.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Point {
    /// Seconds from the beginning of the run to the end of this time.
    pub at: f64,
    /// How long it is: a second, or less at the end of a phase.
    pub seconds: f64,
    /// What the scenario was doing.
    pub phase: Phase,
    /// Connections open at its end.
    pub open: u64,
    /// Connections opened per second.
    pub connects_per_second: f64,
    /// Messages sent per second.
    pub sent_per_second: f64,
    /// Messages received per second.
    pub received_per_second: f64,
    /// From the time when a message was due to its reception; null when none was timed.
    pub latency: Option<Latency>,
    /// The same by kind of message, when there are several.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kinds: BTreeMap<String, KindPoint>,
    /// What went wrong, and how often.
    pub errors: BTreeMap<String, u64>,
    /// Connections lost, by reason.
    pub lost: BTreeMap<String, u64>,
    /// CPU of each process of the load generator, in per cent of one core.
    pub generator_percent: Vec<f64>,
    /// The processes that were watched.
    pub processes: Vec<ProcessPoint>,
}

/// One kind of message within a sample.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct KindPoint {
    /// Messages sent per second.
    pub sent_per_second: f64,
    /// Messages received per second.
    pub received_per_second: f64,
    /// From the time when a message was due to its reception; null when none was timed.
    pub latency: Option<Latency>,
}

/// One process within a sample.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ProcessPoint {
    /// The process.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
    /// Whether it is of the server or beside it.
    pub role: Role,
    /// CPU in per cent of one core; null when it has ended.
    pub cpu_percent: Option<f64>,
    /// Resident memory; null when it has ended.
    pub resident_bytes: Option<u64>,
}

impl Timeline {
    /// Takes the next sample.
    pub fn push(&mut self, sample: &Sample) {
        if 0 < sample.number && sample.seconds < REST_SECONDS {
            self.points.pop();
            self.last.append(sample);
        } else {
            self.last = sample.clone();
        }
        self.points.push(Point::from(&self.last));
        self.totals
            .entry(sample.phase)
            .or_insert_with(|| Sample {
                phase: sample.phase,
                ..Sample::default()
            })
            .append(sample);
    }

    /// All samples so far, oldest first.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The sum of all samples of a phase; empty when there was no such phase.
    #[must_use]
    pub fn total(&self, phase: Phase) -> Sample {
        self.totals.get(&phase).cloned().unwrap_or_default()
    }

    /// How long messages took that were due while the run was measured, those that came after its end included.
    #[must_use]
    pub fn latency(&self, kind: &str) -> Latencies {
        let of = |phase: Phase| self.totals.get(&phase)?.kinds.get(kind);
        let mut latency = of(Phase::Hold)
            .map(|tally| tally.latency.clone())
            .unwrap_or_default();
        if let Some(tally) = of(Phase::RampDown) {
            latency.add(&tally.late);
        }
        latency
    }
}

impl From<&Sample> for Point {
    fn from(sample: &Sample) -> Self {
        let seconds = sample.seconds.max(1e-9);
        let per_second = |count: u64| count as f64 / seconds;
        let percent = |cpu: f64| 100.0 * cpu / seconds;
        let figures = |tally: &Tally| KindPoint {
            sent_per_second: per_second(tally.sent),
            received_per_second: per_second(tally.received),
            latency: (!tally.latency.is_empty()).then(|| Latency::from(&tally.latency)),
        };
        let all = figures(&sample.all());
        let kinds = sample.kinds.iter().filter(|_| 1 < sample.kinds.len());
        let processes = sample.processes.iter().map(|reading| ProcessPoint {
            pid: reading.pid,
            name: reading.name.clone(),
            role: reading.role,
            cpu_percent: reading.cpu_seconds.map(percent),
            resident_bytes: reading.resident_bytes,
        });
        Self {
            at: sample.at,
            seconds: sample.seconds,
            phase: sample.phase,
            open: sample.open,
            connects_per_second: per_second(sample.handshakes.received),
            sent_per_second: all.sent_per_second,
            received_per_second: all.received_per_second,
            latency: all.latency,
            kinds: kinds
                .map(|(name, tally)| (name.clone(), figures(tally)))
                .collect(),
            errors: sample.errors.clone(),
            lost: sample.lost.clone(),
            generator_percent: sample
                .generators
                .values()
                .map(|cpu| percent(*cpu))
                .collect(),
            processes: processes.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sample(number: u32, seconds: f64, received: u64) -> Sample {
        let tally = Tally {
            received,
            ..Tally::default()
        };
        Sample {
            phase: Phase::Hold,
            number,
            at: f64::from(number) + seconds,
            seconds,
            kinds: BTreeMap::from([("message".to_owned(), tally)]),
            ..Sample::default()
        }
    }

    #[test]
    fn a_rest_belongs_to_the_second_before_it() {
        let mut timeline = Timeline::default();
        for (number, seconds, received) in [(0, 1.0, 10), (1, 1.0, 10), (2, 0.1, 12)] {
            timeline.push(&sample(number, seconds, received));
        }
        let rates: Vec<f64> = timeline
            .points()
            .iter()
            .map(|it| it.received_per_second)
            .collect();
        assert_eq!(rates.len(), 2);
        assert!(
            (rates[0] - 10.0).abs() < 1e-9 && (rates[1] - 20.0).abs() < 1e-9,
            "{rates:?}"
        );
        let total = timeline.total(Phase::Hold);
        assert_eq!((total.all().received, total.number), (32, 0));
        assert!((total.seconds - 2.1).abs() < 1e-9);
    }

    #[test]
    fn what_came_after_the_end_is_part_of_the_measurement() {
        let with = |phase: Phase, late: bool| {
            let mut sample = sample(0, 1.0, 1);
            sample.phase = phase;
            let tally = sample.kinds.get_mut("message").unwrap();
            tally.latency.record(Duration::from_millis(1));
            if late {
                tally.late.record(Duration::from_millis(1));
            }
            sample
        };
        let mut timeline = Timeline::default();
        timeline.push(&with(Phase::Warmup, false));
        timeline.push(&with(Phase::Hold, false));
        timeline.push(&with(Phase::RampDown, true));
        timeline.push(&with(Phase::RampDown, false));
        assert_eq!(timeline.latency("message").len(), 2);
        assert!(timeline.latency("other").is_empty());
    }
}
