//! Samples of several processes, put together second by second.

use std::collections::VecDeque;

use crate::meter::Sample;

/// What has come from each process and waits for that of the others.
#[derive(Debug)]
pub(super) struct Merge {
    queues: Vec<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    samples: VecDeque<Sample>,
    /// Nothing more comes of it.
    has_ended: bool,
}

impl Merge {
    /// Of so many processes.
    pub(super) fn new(processes: usize) -> Self {
        Self {
            queues: (0..processes).map(|_| Queue::default()).collect(),
        }
    }

    /// A process has counted this; samples of one come in their order.
    pub(super) fn push(&mut self, process: usize, sample: Sample) {
        self.queues[process].samples.push_back(sample);
    }

    /// Nothing more comes of a process.
    pub(super) fn end(&mut self, process: usize) {
        self.queues[process].has_ended = true;
    }

    /// The next second of all, as soon as each process has told of it, or of a later one: a phase may be a sample
    /// longer in one process than in another.
    pub(super) fn next(&mut self) -> Option<Sample> {
        let is_ready = |queue: &Queue| !queue.samples.is_empty() || queue.has_ended;
        if !self.queues.iter().all(is_ready) {
            return None;
        }
        let key = |sample: &Sample| (sample.phase, sample.number);
        let heads = self.queues.iter().filter_map(|queue| queue.samples.front());
        let first = heads.map(key).min()?;
        let mut merged: Option<Sample> = None;
        for queue in &mut self.queues {
            let Some(sample) = queue.samples.pop_front_if(|it| key(it) == first) else {
                continue;
            };
            match &mut merged {
                Some(merged) => merged.join(&sample),
                None => merged = Some(sample),
            }
        }
        merged
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::meter::{Phase, Tally};

    fn sample(phase: Phase, number: u32, received: u64) -> Sample {
        let tally = Tally {
            received,
            ..Tally::default()
        };
        Sample {
            phase,
            number,
            kinds: [("message".to_owned(), tally)].into(),
            ..Sample::default()
        }
    }

    #[test]
    fn a_second_is_whole_when_all_have_told_of_it() {
        let mut merge = Merge::new(2);
        merge.push(0, sample(Phase::Warmup, 0, 1));
        assert!(merge.next().is_none());
        merge.push(0, sample(Phase::Warmup, 1, 2));
        merge.push(1, sample(Phase::Warmup, 0, 4));
        assert_eq!(merge.next().unwrap().all().received, 5);
        // The other one had no second of that number.
        merge.push(1, sample(Phase::Hold, 0, 8));
        assert_eq!(merge.next().unwrap().all().received, 2);
        assert!(merge.next().is_none());
        merge.end(0);
        assert_eq!(merge.next().unwrap().all().received, 8);
        merge.end(1);
        assert!(merge.next().is_none());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_phases_keep_their_order(
            lengths in prop::collection::vec((0..4_u32, 0..4_u32), 1..4),
        ) {
            let mut merge = Merge::new(lengths.len());
            for (process, (warmup, hold)) in lengths.iter().enumerate() {
                for (phase, seconds) in [(Phase::Warmup, *warmup), (Phase::Hold, *hold)] {
                    for number in 0..seconds {
                        merge.push(process, sample(phase, number, 1));
                    }
                }
                merge.end(process);
            }
            let merged: Vec<Sample> = std::iter::from_fn(|| merge.next()).collect();
            let received: u64 = merged.iter().map(|it| it.all().received).sum();
            let sent: u32 = lengths.iter().map(|(warmup, hold)| warmup + hold).sum();
            prop_assert_eq!(received, u64::from(sent));
            prop_assert!(merged.is_sorted_by_key(|it| (it.phase, it.number)));
        }
    }
}
