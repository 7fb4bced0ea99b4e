//! Scenario `slow`: rooms some of whose members stop reading, as phones in tunnels do.
//!
//! It is measured for a while with all members reading, and then as long without some of them. The others are to hear no
//! later than before, the memory of the server is to stay bounded, and who does not read is to be told so.

mod stalled;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::arrivals::Remainder;
use super::room::{self, Layout};
use super::schedule::Schedule;
use super::traffic::{POLL, Traffic as _, run_for};
use super::{Merge, Record, RunError, Scenario, judge};
use crate::cli::{Common, Part, SlowArgs};
use crate::clock;
use crate::engine::Engine;
use crate::meter::Phase;
use crate::process::Role;
use crate::report::{Latency, Table, thousands};
use stalled::{Fates, Stalled, chosen_before, is_chosen};

/// What messages are called that come while everybody reads, and while some do not.
const BEFORE: &str = "all reading";
const DURING: &str = "some stalled";
/// How long it is waited in the end for what the slow have missed, and for their closes.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Figures of a `slow` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Members of all rooms, those who publish included.
    pub connections: usize,
    /// Messages per second in each room.
    pub room_rate: f64,
    /// Size of a message.
    pub bytes: usize,
    /// Members who stopped reading, and how many of them went on after a while.
    pub slow: usize,
    /// Those of the slow who went on.
    pub resumed: usize,
    /// What became of those who went on.
    pub fates_resumed: Fates,
    /// What became of the others.
    pub fates_others: Fates,
    /// Messages received by the others while measuring.
    pub deliveries: u64,
    /// From the time when a message was due to a sample of members, while everybody read.
    pub latency_before: Latency,
    /// The same of those who went on reading, while others did not.
    pub latency_during: Latency,
    /// Resident memory of the server before anybody stopped reading; null without `--server-pid`.
    pub resident_before_bytes: Option<u64>,
    /// The most of it since then.
    pub resident_max_bytes: Option<u64>,
    /// What it had grown by at most, by slow member.
    pub bytes_per_slow: Option<f64>,
    /// Messages that did not reach everybody who was reading, and those that nobody has published.
    #[serde(flatten)]
    pub remainder: Remainder,
}

/// What only this scenario counts.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    remainder: Remainder,
    slow: usize,
    resumed: usize,
    fates: [Fates; 2],
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.remainder.merge(other.remainder);
        self.slow += other.slow;
        self.resumed += other.resumed;
        for (fates, more) in self.fates.iter_mut().zip(other.fates) {
            fates.merge(more);
        }
    }
}

impl Scenario for SlowArgs {
    const NAME: &'static str = "slow";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    /// With and without those who stop reading.
    fn length(&self) -> Option<Duration> {
        Some(2 * self.common.length())
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        let (sizes, common, _) = Layout::split(&self.sizes, &self.common, part)?;
        Ok(Self {
            common,
            sizes,
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let layout = Layout::of(&self.sizes, common.connections)?;
        let slow = self.slow(&layout);
        let ids: Vec<usize> = slow.iter().map(|(id, _)| *id).collect();
        let rooms = room::fill(engine, common, &self.frames, &layout, (None, &ids))?;
        let mut traffic = Stalled::new(rooms, &slow);
        run(engine, &mut traffic, self, layout.count())?;
        let (slow, resumed) = traffic.counts();
        Ok(Measured {
            remainder: traffic.remainder(),
            slow,
            resumed,
            fates: traffic.fates(),
        })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let Measured {
            remainder,
            slow,
            resumed,
            fates: [fates_resumed, fates_others],
        } = measured;
        let latency = |kind| Latency::from(&record.timeline.latency(kind));
        let (before, most) = memory(record, self.common.length()).unzip();
        let growth = |(before, most): (u64, u64)| most.saturating_sub(before) as f64;
        Figures {
            connections: self.common.connections,
            room_rate: self.room_rate,
            bytes: self.frames.bytes,
            slow,
            resumed,
            fates_resumed,
            fates_others,
            deliveries: record.total(Phase::Hold).all().received,
            latency_before: latency(BEFORE),
            latency_during: latency(DURING),
            resident_before_bytes: before,
            resident_max_bytes: most,
            bytes_per_slow: before
                .zip(most)
                .map(|pair| growth(pair) / slow.max(1) as f64),
            remainder,
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        rows(figures, table);
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.remainder.objection(figures.deliveries)
    }

    /// Those who did not read may be lost.
    fn verdict(&self, figures: &Figures, record: &Record) -> Result<(), RunError> {
        let ended = [figures.fates_resumed, figures.fates_others].map(|fates| fates.ended());
        match record.losses.total() == ended.iter().sum::<u64>() {
            true => Ok(()),
            false => judge(&record.losses),
        }
    }
}

impl SlowArgs {
    /// Those who stop reading, in order, and whether each goes on after a while. They are spread evenly over the members
    /// of all processes, so that it does not depend on the number of processes who they are.
    fn slow(&self, layout: &Layout) -> Vec<(usize, bool)> {
        let is_publisher = |id: &usize| layout.publisher(layout.room_of(*id)) == *id;
        let members = (0..layout.connections()).filter(|id| !is_publisher(id));
        // Each room of the processes before this one has one publisher.
        let before = layout.index(0) - layout.number(0);
        let slow = (before..).zip(members);
        let slow = slow.filter(|(place, _)| is_chosen(*place, self.slow));
        let slow = (chosen_before(before, self.slow)..).zip(slow);
        slow.map(|(place, (_, id))| (id, is_chosen(place, self.resume)))
            .collect()
    }
}

/// Runs through all phases.
fn run(
    engine: &mut Engine,
    traffic: &mut Stalled,
    arguments: &SlowArgs,
    rooms: usize,
) -> Result<(), RunError> {
    let (patience, length) = (arguments.common.patience, arguments.common.length());
    let meter = engine.io.meter().clone();
    engine.enter(Phase::Warmup, traffic)?;
    let mut schedule = Some(Schedule::new(arguments.room_rate * rooms as f64));
    run_for(engine, traffic, &mut schedule, arguments.warmup, patience)?;
    engine.go_on(Phase::Hold)?;
    engine.heed_interrupt();
    traffic.rooms.count_as(meter.kind(BEFORE));
    traffic.record();
    run_for(engine, traffic, &mut schedule, length, patience)?;
    traffic.rooms.count_as(meter.kind(DURING));
    traffic.stall(&mut engine.io, arguments.stall, arguments.receive_buffer);
    run_for(engine, traffic, &mut schedule, length, patience)?;
    traffic.stop_recording();
    engine.go_on(Phase::RampDown)?;
    traffic.end();
    traffic.resume_all(&mut engine.io);
    let end = clock::now() + LAST_WAIT;
    while clock::now() < end {
        engine.poll(POLL, traffic)?;
    }
    Ok(())
}

/// Resident memory of the server after so long of the measurement, and the most of it from then on.
fn memory(record: &Record, length: Duration) -> Option<(u64, u64)> {
    let held = record.timeline.points().iter();
    let mut held = held.filter(|point| point.phase == Phase::Hold).peekable();
    let first = held.peek()?;
    // Samples end at whole seconds, give or take a little.
    let stalled_at = first.at - first.seconds + length.as_secs_f64() + 0.5;
    let mut memory: Option<(u64, u64)> = None;
    for point in held {
        let servers = point.processes.iter().filter(|it| it.role == Role::Server);
        let resident = servers.map(|it| it.resident_bytes).sum::<Option<u64>>();
        let resident = resident.filter(|bytes| 0 < *bytes)?;
        memory = match memory {
            Some((before, most)) if stalled_at < point.at => Some((before, most.max(resident))),
            _ => Some((resident, resident)),
        };
    }
    memory
}

fn rows(figures: &Figures, table: &mut Table) {
    let members = thousands(figures.connections as f64);
    let (bytes, rate) = (figures.bytes, figures.room_rate);
    table.row(
        "load",
        format!("{members} members, {bytes} bytes, {rate} messages per second and room"),
    );
    let (slow, resumed) = (figures.slow, figures.resumed);
    table.row(
        "stopped reading",
        format!("{slow}, of whom {resumed} went on"),
    );
    for (name, fates) in [
        ("who went on", figures.fates_resumed),
        ("the others", figures.fates_others),
    ] {
        let Fates {
            closed_1013,
            closed_otherwise,
            reset,
            still_open,
        } = fates;
        table.row(
            name,
            format!(
                "{closed_1013} closed with 1013, {closed_otherwise} closed otherwise, {reset} reset, {still_open} open"
            ),
        );
    }
    table.row("deliveries", thousands(figures.deliveries as f64));
    table.row("latency before", figures.latency_before.line());
    table.row("latency during", figures.latency_during.line());
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
    table.row_if("memory before", figures.resident_before_bytes.map(mib));
    table.row_if("most memory during", figures.resident_max_bytes.map(mib));
    let per_slow = figures.bytes_per_slow;
    let kib = |bytes: f64| format!("{:.1} KiB", bytes / 1_024.0);
    table.row_if("growth by slow member", per_slow.map(kib));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn the_slow_are_the_same_ones_in_any_number_of_processes() {
        let line = "loadtest slow --to 127.0.0.1:1 -n 60 --rooms 5x4,4x10 --slow 30 --resume 60";
        let Ok(cli::Command::Slow(arguments)) = cli::parse(line.split(' ').map(Into::into)) else {
            panic!("{line}");
        };
        let slow = |arguments: &SlowArgs| {
            let layout = Layout::of(&arguments.sizes, arguments.common.connections).unwrap();
            let slow = arguments.slow(&layout).into_iter();
            slow.map(|(id, goes_on)| (layout.index(id), goes_on))
                .collect::<Vec<_>>()
        };
        let all = slow(&arguments);
        // Of the 51 who do not publish.
        assert_eq!((all.len(), all.iter().filter(|it| it.1).count()), (15, 9));
        for count in 2..5 {
            let share = |number| arguments.share(Part { number, count }).unwrap();
            let shared: Vec<_> = (0..count).flat_map(|number| slow(&share(number))).collect();
            assert_eq!(shared, all);
        }
    }
}
