//! Running a scenario: what is done comes from it; what is counted, summed up and told is the same for all.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RunError, judge, loss_rows, prepare};
use crate::baseline::Baseline;
use crate::cli::{Common, Part};
use crate::client::Losses;
use crate::clock;
use crate::engine::{Engine, Ignore, Outlet};
use crate::interrupt::Interrupt;
use crate::meter::{Phase, Sample};
use crate::process::{self, Reading, Role, Watch};
use crate::processes::{self, Ended, Fleet, Line, Word};
use crate::publish::{self, Told};
use crate::report::{Cpu, Table};
use crate::show::Show;
use crate::timeline::{Point, Timeline};

/// How often it is looked which connections are to be closed.
const CLOSE_POLL: Duration = Duration::from_millis(10);

/// By how much a measurement may take longer than it was to: a loop looks at the clock between two reads.
const OVERRUN: f64 = 1.1;
const OVERRUN_SECONDS: f64 = 0.2;

/// A scenario with its options.
pub(crate) trait Scenario: Sized {
    /// Its name, as in the command line.
    const NAME: &'static str;
    /// What only it knows to count, beside what it tells the meter.
    type Measured: Merge + Serialize + DeserializeOwned;
    /// Its figures, beside those that all scenarios have.
    type Figures: Serialize;

    /// The options of every scenario.
    fn common(&self) -> &Common;

    /// What one of several processes does of it.
    ///
    /// # Errors
    /// One line, when it cannot be shared.
    fn share(&self, part: Part) -> Result<Self, String>;

    /// How long it measures; `None` if that depends on when everything is done.
    fn length(&self) -> Option<Duration> {
        Some(self.common().length())
    }

    /// How many connections are open at once, at most.
    fn connections_at_once(&self) -> usize {
        self.common().connections
    }

    /// Processes that are watched beside the server's.
    fn others(&self) -> Vec<u32> {
        self.common().other_pid.clone()
    }

    /// Does it, through all phases. Messages are measured in [`Phase::Hold`].
    ///
    /// # Errors
    /// It cannot go on.
    fn measure(&self, engine: &mut Engine) -> Result<Self::Measured, RunError>;

    /// What came of it.
    fn figures(&self, measured: Self::Measured, record: &Record) -> Self::Figures;

    /// The figures in words.
    fn rows(figures: &Self::Figures, table: &mut Table);

    /// Why the figures are not the server's, beside a load generator that was saturated.
    fn objection(figures: &Self::Figures) -> Option<String> {
        let _ = figures;
        None
    }

    /// Whether it ended well. Connections that were lost are no good end.
    ///
    /// # Errors
    /// It did not.
    fn verdict(&self, figures: &Self::Figures, record: &Record) -> Result<(), RunError> {
        let _ = figures;
        judge(&record.losses)
    }
}

/// What can be added up from several processes.
pub(crate) trait Merge {
    /// Takes in what another process measured at the same time.
    fn merge(&mut self, other: Self);
}

impl Merge for () {
    fn merge(&mut self, (): Self) {}
}

/// What was counted in a run, of all processes together.
#[derive(Debug)]
pub(crate) struct Record {
    /// From second to second.
    pub(crate) timeline: Timeline,
    /// Connections lost.
    pub(crate) losses: Losses,
    /// The processes that are watched, before the first connection.
    pub(crate) base: Vec<Reading>,
    /// The processes of the load generator that died, in words.
    pub(crate) died: Option<String>,
    /// Whether somebody ended it before its time.
    pub(crate) is_interrupted: bool,
}

impl Record {
    /// The sum of a phase.
    pub(crate) fn total(&self, phase: Phase) -> Sample {
        self.timeline.total(phase)
    }

    /// Why it is not whole.
    fn broken_off(&self) -> Option<String> {
        let seconds = self.total(Phase::Hold).seconds;
        let interrupted = format!("interrupted after measuring for {seconds:.1} s");
        let interrupted = self.is_interrupted.then_some(interrupted);
        self.died.clone().or(interrupted)
    }

    /// What was used of the CPU in a phase.
    pub(crate) fn cpu(&self, phase: Phase) -> Cpu {
        Cpu::from(&self.total(phase))
    }
}

/// All figures of a run.
#[derive(Serialize)]
struct Report<'a, F> {
    scenario: &'static str,
    #[serde(flatten)]
    figures: &'a F,
    cpu: &'a Cpu,
    generator_cpu_seconds_per_delivery: Option<f64>,
    processes: &'a [Reading],
    losses: &'a Losses,
    valid: bool,
    invalid_reason: Option<&'a str>,
    timeline: &'a [Point],
}

/// Runs a scenario and tells what came of it, in this process or in several.
///
/// # Errors
/// See [`RunError`].
pub(crate) fn run<S: Scenario>(scenario: &S) -> Result<(), RunError> {
    let common = scenario.common();
    if let Some(part) = common.part {
        return run_part(scenario, part);
    }
    publish::check_files(common).map_err(RunError::Usage)?;
    let read = |file: &PathBuf| Baseline::read(file, S::NAME).map_err(RunError::Usage);
    let baseline = common.baseline.as_ref().map(read).transpose()?;
    let watch = Watch::new(&common.server_pid, &scenario.others()).map_err(RunError::Usage)?;
    let (measured, record) = match common.processes {
        1 => run_alone(scenario, watch)?,
        count => run_fleet(scenario, count, watch)?,
    };
    let figures = scenario.figures(measured, &record);
    tell(scenario, &figures, &record, baseline.as_ref())?;
    match record.broken_off() {
        Some(why) => Err(RunError::Failed(why)),
        None => scenario.verdict(&figures, &record),
    }
}

fn run_alone<S: Scenario>(
    scenario: &S,
    mut watch: Watch,
) -> Result<(S::Measured, Record), RunError> {
    let base = watch.read();
    let show = Show::new(scenario.common(), S::NAME).map_err(RunError::Usage)?;
    let outlet = Outlet::Own(Box::new(show));
    let (measured, counted) = measure(scenario, watch, outlet)?;
    let record = Record {
        timeline: counted.timeline,
        losses: counted.losses,
        base,
        died: None,
        is_interrupted: counted.is_interrupted,
    };
    Ok((measured, record))
}

/// Has several processes do it, and puts together what they say.
fn run_fleet<S: Scenario>(
    scenario: &S,
    count: usize,
    mut watch: Watch,
) -> Result<(S::Measured, Record), RunError> {
    for number in 0..count {
        scenario
            .share(Part { number, count })
            .map_err(RunError::Usage)?;
    }
    process::pin(&scenario.common().cpu).map_err(RunError::Usage)?;
    let base = watch.read();
    let mut show = Show::new(scenario.common(), S::NAME).map_err(RunError::Usage)?;
    let interrupt = Interrupt::listen()?;
    let ended = Fleet::start(count)?.run(&interrupt, |mut sample| {
        sample.processes = watch.read();
        show.take(&sample);
    })?;
    let Ended {
        measured,
        losses,
        died,
    } = ended;
    let mut sum: Option<S::Measured> = None;
    for measured in measured {
        let measured: S::Measured = serde_json::from_value(measured)
            .map_err(|error| RunError::Failed(format!("a process says what is none: {error}")))?;
        match &mut sum {
            Some(sum) => sum.merge(measured),
            None => sum = Some(measured),
        }
    }
    let measured = sum.ok_or_else(|| RunError::Failed("no process has ended well".to_owned()))?;
    let record = Record {
        timeline: show.finish(),
        losses,
        base,
        died,
        is_interrupted: interrupt.is_asked(),
    };
    Ok((measured, record))
}

/// Does what one of several processes does.
fn run_part<S: Scenario>(scenario: &S, part: Part) -> Result<(), RunError> {
    let line = Line::new();
    let measured = scenario
        .share(part)
        .map_err(RunError::Usage)
        .and_then(|scenario| measure(&scenario, Watch::default(), Outlet::Parent(line)));
    let ended = measured.map(|(measured, counted)| (measured, counted.losses));
    let word = Word::of_end(ended).map_err(|error| RunError::Failed(error.to_string()))?;
    Ok(processes::say(&word)?)
}

/// What was counted in one process, whatever the scenario.
struct Counted {
    timeline: Timeline,
    losses: Losses,
    is_interrupted: bool,
}

/// Goes through all phases.
fn measure<S: Scenario>(
    scenario: &S,
    watch: Watch,
    outlet: Outlet,
) -> Result<(S::Measured, Counted), RunError> {
    let common = scenario.common();
    let mut engine = prepare(common, scenario.connections_at_once(), watch, outlet)?;
    engine.enter(Phase::Connect, &mut Ignore)?;
    let measured = scenario.measure(&mut engine)?;
    let is_interrupted = engine.is_interrupted();
    if !is_interrupted {
        wind_down(&mut engine, common.ramp_down)?;
    }
    let (timeline, losses) = engine.finish()?;
    let counted = Counted {
        timeline,
        losses,
        is_interrupted,
    };
    Ok((measured, counted))
}

/// Closes the connections evenly over so long; not at all if that is no time.
fn wind_down(engine: &mut Engine, length: Duration) -> Result<(), RunError> {
    if length.is_zero() {
        return Ok(());
    }
    if engine.phase() != Phase::RampDown {
        engine.go_on(Phase::RampDown)?;
    }
    let began = clock::now();
    let all = engine.io.numbers();
    let mut closed = 0;
    while closed < all {
        let share = (clock::now() - began).as_secs_f64() / length.as_secs_f64();
        let due = (share * all as f64) as usize;
        for id in closed..due.min(all) {
            engine.io.close(id);
        }
        closed = due.min(all);
        engine.poll(CLOSE_POLL, &mut Ignore)?;
    }
    Ok(())
}

/// What is wrong with a measurement that took longer than it was to.
fn overrun(length: Option<Duration>, took: f64) -> Option<String> {
    let length = length?.as_secs_f64();
    (OVERRUN * length + OVERRUN_SECONDS < took).then(|| {
        format!("measured for {took:.1} s instead of {length:.1}: the load generator was asked for more than it can send")
    })
}

/// What is wrong with figures of processes of which one has ended.
fn ended(processes: &[Reading]) -> Option<String> {
    let ended = processes.iter().find(|it| it.cpu_seconds.is_none())?;
    Some(format!("process {} has ended", ended.pid))
}

fn tell<S: Scenario>(
    scenario: &S,
    figures: &S::Figures,
    record: &Record,
    baseline: Option<&Baseline>,
) -> Result<(), RunError> {
    let common = scenario.common();
    let total = record.total(Phase::Hold);
    let cpu = Cpu::from(&total);
    let deliveries = total.all().received;
    let per_delivery = (0 < deliveries).then(|| cpu.generator_seconds / deliveries as f64);
    let verdict = || scenario.verdict(figures, record).err();
    let objection = record
        .broken_off()
        .or_else(|| verdict().map(|error| error.to_string()))
        .or_else(|| cpu.objection())
        .or_else(|| overrun(scenario.length(), total.seconds))
        .or_else(|| ended(&total.processes))
        .or_else(|| S::objection(figures));

    let mut table = Table::default();
    S::rows(figures, &mut table);
    cpu.rows(&mut table);
    for reading in total.processes.iter().filter(|it| it.role == Role::Other) {
        let used = reading.cpu_seconds.map(|it| format!("{it:.3} s CPU"));
        table.row_if(&format!("{} {}", reading.name, reading.pid), used);
    }
    table.row_if(
        "generator CPU per delivery",
        per_delivery.map(|seconds| format!("{:.3} us", seconds * 1e6)),
    );
    let verdict = objection.as_ref().map(|reason| format!("NO: {reason}"));
    table.row("valid", verdict.unwrap_or_else(|| "yes".to_owned()));
    loss_rows(&mut table, &record.losses);

    let report = Report {
        scenario: S::NAME,
        figures,
        cpu: &cpu,
        generator_cpu_seconds_per_delivery: per_delivery,
        processes: &total.processes,
        losses: &record.losses,
        valid: objection.is_none(),
        invalid_reason: objection.as_deref(),
        timeline: record.timeline.points(),
    };
    let figures = serde_json::to_value(report);
    let figures = figures.map_err(|error| RunError::Failed(error.to_string()))?;
    let told = Told {
        table: &table,
        figures,
        objection: objection.as_deref(),
        points: record.timeline.points(),
    };
    told.publish(common, baseline)
}
