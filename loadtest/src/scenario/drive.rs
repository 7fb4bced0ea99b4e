//! Running a scenario: what is done comes from it; what is counted, summed up and told is the same for all.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RunError, judge, loss_rows, prepare};
use crate::cli::Common;
use crate::client::Losses;
use crate::engine::Engine;
use crate::meter::{Phase, Sample};
use crate::process::{Reading, Role, Watch};
use crate::report::{self, Cpu, Table};
use crate::timeline::{Point, Timeline};

/// A scenario with its options.
pub(crate) trait Scenario {
    /// Its name, as in the command line.
    const NAME: &'static str;
    /// What only it knows to count, beside what it tells the meter.
    type Measured: Merge + Serialize + DeserializeOwned;
    /// Its figures, beside those that all scenarios have.
    type Figures: Serialize;

    /// The options of every scenario.
    fn common(&self) -> &Common;

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
    #[expect(dead_code, reason = "a run is one process so far")]
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
}

impl Record {
    /// The sum of a phase.
    pub(crate) fn total(&self, phase: Phase) -> Sample {
        self.timeline.total(phase)
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

/// Runs a scenario and tells what came of it.
///
/// # Errors
/// See [`RunError`].
pub(crate) fn run<S: Scenario>(scenario: &S) -> Result<(), RunError> {
    let common = scenario.common();
    let mut watch = Watch::new(&common.server_pid, &scenario.others()).map_err(RunError::Usage)?;
    let base = watch.read();
    let mut engine = prepare(common, scenario.connections_at_once(), watch)?;
    let measured = scenario.measure(&mut engine)?;
    let (timeline, losses) = engine.finish();
    let record = Record {
        timeline,
        losses,
        base,
    };
    let figures = scenario.figures(measured, &record);
    tell(scenario, &figures, &record)?;
    scenario.verdict(&figures, &record)
}

fn tell<S: Scenario>(scenario: &S, figures: &S::Figures, record: &Record) -> Result<(), RunError> {
    let common = scenario.common();
    let total = record.total(Phase::Hold);
    let cpu = Cpu::from(&total);
    let deliveries = total.all().received;
    let per_delivery = (0 < deliveries).then(|| cpu.generator_seconds / deliveries as f64);
    let objection = cpu.objection().or_else(|| S::objection(figures));

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

    let all = Report {
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
    report::publish(&table, common.json.as_deref(), &all)
}
