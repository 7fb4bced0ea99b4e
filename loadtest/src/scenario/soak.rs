//! Scenario `soak`: a city for a long time, in which some clients come and go. Does the memory of the server grow, or
//! the time that messages take?

mod churn;

use std::time::Duration;

use serde::Serialize;

use super::mixed::{self, Measured, city};
use super::{Plan, Record, RunError, Scenario};
use crate::cli::{Common, Part, SoakArgs};
use crate::engine::Engine;
use crate::fit::Slope;
use crate::meter::Phase;
use crate::process::Role;
use crate::report::Table;
use crate::template::Template;
use crate::timeline::Point;
use churn::Churn;

/// Where those who come and go connect to: each time as somebody else.
const PATH: &str = "/ws/?client_id=churn_{i}&token=churn_{i}";
/// More than ever come in one process.
const COMINGS_MAX: usize = 1_000_000_000;

/// Figures of a `soak` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Those of `mixed`.
    #[serde(flatten)]
    pub mixed: mixed::Figures,
    /// Connections opened while measuring, by clients that came in the place of others.
    pub comings: u64,
    /// Seconds of the measurement after which memory and latency had settled.
    pub settle_seconds: f64,
    /// Bytes by which the resident memory of the server grew per minute since then; null without `--server-pid`.
    pub memory_bytes_per_minute: Option<Slope>,
    /// Milliseconds by which half of the messages took longer per minute.
    pub p50_ms_per_minute: Option<Slope>,
    /// The same of 99 of 100.
    pub p99_ms_per_minute: Option<Slope>,
}

impl Scenario for SoakArgs {
    const NAME: &'static str = "soak";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.mixed.common
    }

    fn length(&self) -> Option<Duration> {
        Some(self.minutes.unwrap_or_else(|| self.common().length()))
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        let churners = part.share(self.churners);
        if churners == 0 {
            return Err(format!(
                "--churners is less than --processes {}",
                part.count
            ));
        }
        Ok(Self {
            mixed: city::share(&self.mixed, part, self.churners)?,
            churners,
            churn: self.churn * churners as f64 / self.churners as f64,
            ..self.clone()
        })
    }

    fn connections_at_once(&self) -> usize {
        self.common().connections + self.churners
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let mut mixed = self.mixed.clone();
        mixed.common.secs = self.minutes.or(mixed.common.secs);
        let path = Template::new(PATH);
        let process = self.mixed.whole.as_ref().map_or(0, |(part, _)| part.number);
        let plan = Plan {
            first: process * COMINGS_MAX,
            ..Plan::new(&self.mixed.common, &path, self.churners)
        };
        let mut crowd = city::settle(&mixed, engine)?;
        let churn = Churn::new(&plan, self.churners);
        crowd.add("churn", self.churners, Some(self.churn), Box::new(churn));
        mixed::live(&mixed, engine, &mut crowd)
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        let settle_seconds = self.settle.as_secs_f64();
        let points = record.timeline.points();
        let slope = |of: fn(&Point) -> Option<f64>| slope(points, settle_seconds, of);
        let connections = self.connections_at_once();
        Figures {
            mixed: mixed::Figures::new(connections, measured, record),
            comings: record.total(Phase::Hold).handshakes.received,
            settle_seconds,
            memory_bytes_per_minute: slope(resident_bytes),
            p50_ms_per_minute: slope(|point| Some(point.latency.as_ref()?.p50_ms)),
            p99_ms_per_minute: slope(|point| Some(point.latency.as_ref()?.p99_ms)),
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        figures.mixed.rows(table);
        table.row("came in others' place", figures.comings.to_string());
        let row = |slope: Slope, scale: f64, unit: &str| {
            let (slope, error) = (slope.slope / scale, slope.error / scale);
            format!("{slope:+.3} {unit} a minute, standard error {error:.3}")
        };
        let memory = figures.memory_bytes_per_minute;
        table.row_if("memory grew by", memory.map(|it| row(it, 1_024.0, "KiB")));
        let half = figures.p50_ms_per_minute;
        table.row_if("p50 grew by", half.map(|it| row(it, 1.0, "ms")));
        let most = figures.p99_ms_per_minute;
        table.row_if("p99 grew by", most.map(|it| row(it, 1.0, "ms")));
    }

    fn objection(figures: &Figures) -> Option<String> {
        figures.mixed.objection()
    }
}

/// How much something grew per minute of the measurement, after it had settled.
fn slope(points: &[Point], settle: f64, of: fn(&Point) -> Option<f64>) -> Option<Slope> {
    let held = points.iter().filter(|point| point.phase == Phase::Hold);
    let begin = held.clone().next().map(|point| point.at - point.seconds)?;
    let settled = held.filter(|point| begin + settle < point.at);
    let values = settled.filter_map(|point| Some((point.at / 60.0, of(point)?)));
    Slope::through(&values.collect::<Vec<_>>())
}

/// Of all processes of the server; `None` if there are none, or one has ended.
fn resident_bytes(point: &Point) -> Option<f64> {
    let servers = point.processes.iter().filter(|it| it.role == Role::Server);
    let resident = servers.map(|it| it.resident_bytes).sum::<Option<u64>>()?;
    (0 < resident).then_some(resident as f64)
}
