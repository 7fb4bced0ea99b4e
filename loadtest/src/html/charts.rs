//! Which charts there are, and what is drawn in each.

use std::collections::BTreeSet;

use super::chart::{Band, Chart, Series};
use super::scale::Unit;
use crate::meter::Phase;
use crate::process::Role;
use crate::report::Latency;
use crate::timeline::Point;

/// A chart has no more values of a series: of several seconds that share one it shows the worst, or the mean.
const VALUES_MAX: usize = 300;
/// A percentile: its name, which one it is, and its colour.
type Percentile = (&'static str, fn(&Latency) -> f64, usize);
const PERCENTILES: [Percentile; 5] = [
    ("p50", |it| it.p50_ms, 0),
    ("p90", |it| it.p90_ms, 2),
    ("p99", |it| it.p99_ms, 1),
    ("p99.9", |it| it.p99_9_ms, 3),
    ("max", |it| it.max_ms, 7),
];

/// All charts that show something. Of an earlier run what matters most is drawn behind, from the same beginning of the
/// measurement on.
pub(super) fn all(points: &[Point], earlier: &[Point]) -> Vec<Chart> {
    let run = Run {
        points,
        earlier,
        shift: hold_begin(points) - hold_begin(earlier),
    };
    let charts = [
        run.latency(),
        run.throughput(),
        run.kinds_latency(),
        run.kinds_throughput(),
        run.cpu(),
        run.memory(),
        run.connections(),
        run.errors(),
    ];
    let is_drawn = |chart: &Chart| {
        let values = chart.series.iter().flat_map(|series| &series.values);
        values.clone().any(|(_, value)| value.is_some())
    };
    charts.into_iter().flatten().filter(is_drawn).collect()
}

struct Run<'a> {
    points: &'a [Point],
    earlier: &'a [Point],
    /// What the times of the earlier run have to be moved by.
    shift: f64,
}

/// What becomes of several values that share a place.
#[derive(Clone, Copy)]
enum Fold {
    Max,
    Mean,
}

impl Run<'_> {
    fn latency(&self) -> Option<Chart> {
        let mut series = Vec::new();
        for (name, value, colour) in PERCENTILES {
            let of = |point: &Point| point.latency.as_ref().map(value);
            series.push(self.own(name.to_owned(), colour, Fold::Max, of));
            if name == "p50" || name == "p99" {
                series.extend(self.before(name, colour, Fold::Max, of));
            }
        }
        self.chart("Latency", Unit::Milliseconds, series)
    }

    fn throughput(&self) -> Option<Chart> {
        let received = |point: &Point| Some(point.received_per_second);
        let sent = |point: &Point| Some(point.sent_per_second);
        let mut series = vec![
            self.own("received".to_owned(), 0, Fold::Mean, received),
            self.own("sent".to_owned(), 1, Fold::Mean, sent),
        ];
        series.extend(self.before("received", 0, Fold::Mean, received));
        let has_messages = |point: &Point| 0.0 < point.received_per_second + point.sent_per_second;
        self.points
            .iter()
            .any(has_messages)
            .then(|| self.chart("Messages", Unit::PerSecond, series))?
    }

    fn kinds_latency(&self) -> Option<Chart> {
        let kinds = self.kinds().into_iter().enumerate();
        let series = kinds.map(|(colour, kind)| {
            let name = format!("{kind}, p99");
            self.own(name, colour, Fold::Max, |point: &Point| {
                Some(point.kinds.get(&kind)?.latency.as_ref()?.p99_ms)
            })
        });
        self.chart("Latency by kind", Unit::Milliseconds, series.collect())
    }

    fn kinds_throughput(&self) -> Option<Chart> {
        let kinds = self.kinds().into_iter().enumerate();
        let series = kinds.map(|(colour, kind)| {
            self.own(kind.clone(), colour, Fold::Mean, |point: &Point| {
                Some(point.kinds.get(&kind)?.received_per_second)
            })
        });
        self.chart("Received by kind", Unit::PerSecond, series.collect())
    }

    fn kinds(&self) -> BTreeSet<String> {
        let kinds = self.points.iter().flat_map(|point| point.kinds.keys());
        kinds.cloned().collect()
    }

    fn cpu(&self) -> Option<Chart> {
        let mut series = self.processes(|point, pid| {
            let process = point.processes.iter().find(|it| it.pid == pid)?;
            process.cpu_percent
        });
        let generators = self.points.iter().map(|it| it.generator_percent.len());
        let generators = generators.max().unwrap_or_default();
        for number in 0..generators {
            let name = match generators {
                1 => "load generator".to_owned(),
                _ => format!("load generator {}", number + 1),
            };
            let colour = series.len();
            series.push(self.own(name, colour, Fold::Mean, |point: &Point| {
                point.generator_percent.get(number).copied()
            }));
        }
        series.extend(self.before("server", 0, Fold::Mean, |point| {
            of_server(point, |it| it.cpu_percent)
        }));
        self.chart("CPU", Unit::Percent, series)
    }

    fn memory(&self) -> Option<Chart> {
        let mut series = self.processes(|point, pid| {
            let process = point.processes.iter().find(|it| it.pid == pid)?;
            process.resident_bytes.map(|bytes| bytes as f64)
        });
        series.extend(self.before("server", 0, Fold::Mean, |point| {
            of_server(point, |it| it.resident_bytes.map(|bytes| bytes as f64))
        }));
        self.chart("Memory", Unit::Bytes, series)
    }

    /// A series for each process that is watched.
    fn processes(&self, value: impl Fn(&Point, u32) -> Option<f64>) -> Vec<Series> {
        let mut names: Vec<(u32, String)> = Vec::new();
        for process in self.points.iter().flat_map(|point| &point.processes) {
            if !names.iter().any(|(pid, _)| *pid == process.pid) {
                names.push((process.pid, format!("{} {}", process.name, process.pid)));
            }
        }
        let processes = names.into_iter().enumerate();
        let series = processes.map(|(colour, (pid, name))| {
            self.own(name, colour, Fold::Mean, |point: &Point| value(point, pid))
        });
        series.collect()
    }

    fn connections(&self) -> Option<Chart> {
        let open = |point: &Point| Some(point.open as f64);
        let opened = |point: &Point| Some(point.connects_per_second);
        let mut series = vec![
            self.own("open".to_owned(), 0, Fold::Mean, open),
            self.own("opened per second".to_owned(), 2, Fold::Mean, opened),
        ];
        series.extend(self.before("open", 0, Fold::Mean, open));
        self.chart("Connections", Unit::Count, series)
    }

    fn errors(&self) -> Option<Chart> {
        let of = |point: &Point| {
            let errors = point.errors.keys().cloned();
            let lost = point
                .lost
                .keys()
                .map(|reason| format!("connection {reason}"));
            errors.chain(lost).collect::<Vec<_>>()
        };
        let names: BTreeSet<String> = self.points.iter().flat_map(of).collect();
        let names = names.into_iter().enumerate();
        let series = names.map(|(colour, name)| {
            let lost = name.strip_prefix("connection ");
            self.own(name.clone(), colour + 1, Fold::Mean, |point: &Point| {
                let lost = lost.and_then(|reason| point.lost.get(reason));
                let count = lost.or_else(|| point.errors.get(&name)).copied();
                Some(count.unwrap_or_default() as f64 / point.seconds.max(1e-9))
            })
        });
        self.chart("Errors", Unit::PerSecond, series.collect())
    }

    fn chart(&self, title: &'static str, unit: Unit, series: Vec<Series>) -> Option<Chart> {
        (!series.is_empty()).then(|| Chart {
            title,
            unit,
            series,
            bands: bands(self.points),
        })
    }

    fn own(
        &self,
        name: String,
        colour: usize,
        fold: Fold,
        value: impl Fn(&Point) -> Option<f64>,
    ) -> Series {
        Series {
            name,
            colour,
            is_earlier: false,
            values: thinned(self.points, 0.0, fold, value),
        }
    }

    /// The same of the earlier run, if there is one.
    fn before(
        &self,
        name: &str,
        colour: usize,
        fold: Fold,
        value: impl Fn(&Point) -> Option<f64>,
    ) -> Option<Series> {
        (!self.earlier.is_empty()).then(|| Series {
            name: format!("{name}, earlier"),
            colour,
            is_earlier: true,
            values: thinned(self.earlier, self.shift, fold, value),
        })
    }
}

/// Of all processes of the server together.
fn of_server(
    point: &Point,
    value: impl Fn(&crate::timeline::ProcessPoint) -> Option<f64>,
) -> Option<f64> {
    let servers = point.processes.iter().filter(|it| it.role == Role::Server);
    servers.clone().next()?;
    servers.map(value).sum()
}

/// The values of a series, as many as can be drawn.
fn thinned(
    points: &[Point],
    shift: f64,
    fold: Fold,
    value: impl Fn(&Point) -> Option<f64>,
) -> Vec<(f64, Option<f64>)> {
    let together = points.len().div_ceil(VALUES_MAX).max(1);
    let one = |points: &[Point]| {
        let at = points.last().map_or(0.0, |point| point.at) + shift;
        let values: Vec<f64> = points.iter().filter_map(&value).collect();
        let folded = match fold {
            _ if values.is_empty() => None,
            Fold::Max => Some(values.iter().copied().fold(0.0, f64::max)),
            Fold::Mean => Some(values.iter().sum::<f64>() / values.len() as f64),
        };
        (at, folded)
    };
    points.chunks(together).map(one).collect()
}

/// When the measurement began.
fn hold_begin(points: &[Point]) -> f64 {
    let hold = points.iter().find(|point| point.phase == Phase::Hold);
    hold.map_or(0.0, |point| point.at - point.seconds)
}

/// The phases, one after the other.
fn bands(points: &[Point]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for point in points {
        match bands.last_mut().filter(|band| band.phase == point.phase) {
            Some(band) => band.to = point.at,
            None => bands.push(Band {
                phase: point.phase,
                from: point.at - point.seconds,
                to: point.at,
            }),
        }
    }
    bands
}
