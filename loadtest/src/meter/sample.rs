//! What has come together within a second.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Latencies, Phase};
use crate::process::Reading;

/// Messages of one kind, in so much time.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Tally {
    /// Sent by clients.
    pub sent: u64,
    /// Received by clients.
    pub received: u64,
    /// From the time when each was due to its reception; of fewer than were received if not all have their time taken.
    pub latency: Latencies,
    /// Of these, the ones that were due while the run was measured, and came after its end.
    pub late: Latencies,
}

/// A second of a run, or less at the end of a phase; and sums of several.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Sample {
    /// What the scenario was doing.
    pub phase: Phase,
    /// Which sample of its phase this is, from 0 on.
    pub number: u32,
    /// Seconds from the beginning of the run to the end of this time.
    pub at: f64,
    /// How long it is.
    pub seconds: f64,
    /// Connections open at its end.
    pub open: u64,
    /// Connections that were opened in it.
    pub handshakes: Tally,
    /// Messages.
    pub kinds: BTreeMap<String, Tally>,
    /// What went wrong, by name.
    pub errors: BTreeMap<String, u64>,
    /// Connections lost, by reason.
    pub lost: BTreeMap<String, u64>,
    /// CPU seconds of each process of the load generator, by its number.
    pub generators: BTreeMap<usize, f64>,
    /// The processes that are watched.
    pub processes: Vec<Reading>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.latency.add(&other.latency);
        self.late.add(&other.late);
    }
}

impl Sample {
    /// All kinds of messages together.
    #[must_use]
    pub fn all(&self) -> Tally {
        let mut all = Tally::default();
        for tally in self.kinds.values() {
            all.add(tally);
        }
        all
    }

    /// Says which process of the load generator this one is.
    pub(crate) fn rename_generator(&mut self, number: usize) {
        let used = self.generators.values().sum();
        self.generators = BTreeMap::from([(number, used)]);
    }

    /// Takes in the sample of the same second from another process of the load generator.
    pub fn join(&mut self, other: &Self) {
        self.at = self.at.max(other.at);
        self.seconds = self.seconds.max(other.seconds);
        self.open += other.open;
        self.generators.extend(&other.generators);
        self.processes.extend(other.processes.iter().cloned());
        self.count(other);
    }

    /// Takes in the sample that follows.
    pub fn append(&mut self, next: &Self) {
        self.phase = next.phase;
        self.at = next.at;
        self.seconds += next.seconds;
        self.open = next.open;
        for (number, more) in &next.generators {
            *self.generators.entry(*number).or_default() += more;
        }
        for reading in &next.processes {
            match self.processes.iter_mut().find(|it| it.pid == reading.pid) {
                Some(sum) => sum.append(reading),
                None => self.processes.push(reading.clone()),
            }
        }
        self.count(next);
    }

    fn count(&mut self, other: &Self) {
        self.handshakes.add(&other.handshakes);
        for (name, tally) in &other.kinds {
            self.kinds.entry(name.clone()).or_default().add(tally);
        }
        for (sums, counts) in [
            (&mut self.errors, &other.errors),
            (&mut self.lost, &other.lost),
        ] {
            for (name, count) in counts {
                *sums.entry(name.clone()).or_default() += count;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::process::Role;

    fn sample(messages: &[u64]) -> Sample {
        let mut tally = Tally {
            received: messages.len() as u64,
            ..Tally::default()
        };
        for took in messages {
            tally.latency.record(Duration::from_nanos(*took));
        }
        Sample {
            seconds: 1.0,
            open: 10,
            kinds: BTreeMap::from([("message".to_owned(), tally)]),
            errors: BTreeMap::from([("odd".to_owned(), 1)]),
            generators: BTreeMap::from([(0, 0.5)]),
            ..Sample::default()
        }
    }

    #[test]
    fn processes_add_up_side_by_side_and_seconds_one_after_the_other() {
        let mut both = sample(&[1, 2]);
        let mut other = sample(&[3]);
        other.rename_generator(1);
        both.join(&other);
        assert_eq!((both.seconds, both.open, both.errors["odd"]), (1.0, 20, 2));
        assert_eq!(both.generators, BTreeMap::from([(0, 0.5), (1, 0.5)]));
        let mut sum = Sample::default();
        sum.append(&both);
        sum.append(&both);
        assert_eq!((sum.seconds, sum.open, sum.errors["odd"]), (2.0, 20, 4));
        assert_eq!(sum.generators, BTreeMap::from([(0, 1.0), (1, 1.0)]));
        assert_eq!(sum.all().received, 6);
    }

    #[test]
    fn a_process_that_ended_has_no_sum() {
        let reading = |cpu_seconds| Reading {
            pid: 1,
            name: "node".to_owned(),
            role: Role::Server,
            cpu_seconds,
            resident_bytes: Some(1),
        };
        let with = |cpu_seconds| Sample {
            processes: vec![reading(cpu_seconds)],
            ..Sample::default()
        };
        let mut sum = Sample::default();
        sum.append(&with(Some(0.5)));
        sum.append(&with(Some(0.25)));
        assert_eq!(sum.processes[0].cpu_seconds, Some(0.75));
        sum.append(&with(None));
        assert_eq!(sum.processes[0].cpu_seconds, None);
    }

    proptest! {
        #[test]
        fn samples_of_several_processes_are_what_one_would_have_measured(
            parts in prop::collection::vec(prop::collection::vec(0..10_000_000_000_u64, 0..20), 1..5),
        ) {
            let mut merged = Sample::default();
            for part in &parts {
                let text = serde_json::to_string(&sample(part)).unwrap();
                merged.join(&serde_json::from_str(&text).unwrap());
            }
            let whole = sample(&parts.concat());
            prop_assert_eq!(merged.all().received, whole.all().received);
            let (merged, whole) = (merged.all().latency, whole.all().latency);
            for quantile in [0.0, 0.5, 0.9, 0.99, 0.999, 1.0] {
                prop_assert!((merged.at_ms(quantile) - whole.at_ms(quantile)).abs() < 1e-9);
            }
        }
    }
}
