//! Results: an aligned table for the terminal and a JSON file for programs.

use serde::{Deserialize, Serialize};

use crate::meter::{Latencies, Sample};
use crate::process::Role;

/// From here on the load generator itself may be what limits a run.
const GENERATOR_PERCENT_MAX: f64 = 95.0;

/// Rows of name and value, printed in two columns.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(String, String)>,
}

impl Table {
    /// Adds a row.
    pub fn row(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.rows.push((name.into(), value.into()));
    }

    /// Adds a row when there is a value.
    pub fn row_if(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.row(name, value);
        }
    }

    /// Its rows: names and values.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rows
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The table as text.
    #[must_use]
    pub fn render(&self) -> String {
        let width = self
            .rows
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or_default();
        self.rows
            .iter()
            .map(|(name, value)| format!("{name:width$}  {value}\n"))
            .collect()
    }
}

/// CPU use of one stretch of time, as every scenario reports it.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu {
    /// Length of the stretch.
    pub seconds: f64,
    /// CPU seconds of the server; null without `--server-pid`.
    pub server_seconds: Option<f64>,
    /// The same in per cent of one core.
    pub server_percent: Option<f64>,
    /// CPU seconds of the load generator, of all its processes.
    pub generator_seconds: f64,
    /// The same in per cent of one core, of its busiest process.
    pub generator_percent: f64,
    /// Whether the load generator was what limited the rate; figures per CPU second of the server still hold.
    pub generator_saturated: bool,
    /// The busiest process of the load generator, and how many there are.
    #[serde(skip)]
    pub busiest: (usize, usize),
}

impl From<&Sample> for Cpu {
    fn from(sample: &Sample) -> Self {
        let seconds = sample.seconds.max(1e-9);
        let percent = |cpu: f64| 100.0 * cpu / seconds;
        let is_server = |role: Role| role == Role::Server;
        let servers = sample.processes.iter().filter(|it| is_server(it.role));
        let server_seconds = servers
            .clone()
            .next()
            .and_then(|_| servers.map(|it| it.cpu_seconds).sum::<Option<f64>>());
        let generators = sample.generators.iter();
        let busiest = generators.max_by(|(_, one), (_, other)| one.total_cmp(other));
        let (busiest, busiest_seconds) = busiest.map_or((0, 0.0), |(it, used)| (*it, *used));
        let generator_percent = percent(busiest_seconds);
        Self {
            seconds: sample.seconds,
            server_seconds,
            server_percent: server_seconds.map(percent),
            generator_seconds: sample.generators.values().sum(),
            busiest: (busiest, sample.generators.len()),
            generator_percent,
            generator_saturated: generator_percent >= GENERATOR_PERCENT_MAX,
        }
    }
}

impl Cpu {
    /// Adds the rows of it.
    pub fn rows(&self, table: &mut Table) {
        let figure =
            |seconds: f64, percent: f64| format!("{seconds:.3} s CPU ({percent:.1} % of one core)");
        table.row_if(
            "server",
            self.server_seconds
                .zip(self.server_percent)
                .map(|(s, p)| figure(s, p)),
        );
        table.row(
            "generator",
            figure(self.generator_seconds, self.generator_percent),
        );
    }

    /// What is wrong with rates of a load generator that was saturated.
    #[must_use]
    pub fn objection(&self) -> Option<String> {
        self.generator_saturated.then(|| {
            let percent = self.generator_percent;
            let who = match self.busiest {
                (_, 0 | 1) => "the load generator".to_owned(),
                (number, count) => {
                    format!("process {} of {count} of the load generator", number + 1)
                }
            };
            format!("{who} is saturated ({percent:.1} % of one core): rates are its own, not the server's")
        })
    }

    /// So many of something per CPU second of the server; `None` when it used no measurable time.
    #[must_use]
    pub fn per_server_second(&self, count: u64) -> Option<f64> {
        self.server_seconds
            .filter(|seconds| *seconds > 0.0)
            .map(|seconds| count as f64 / seconds)
    }
}

/// Percentiles of a latency in milliseconds.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Latency {
    /// Values recorded.
    pub count: u64,
    /// Half are below.
    pub p50_ms: f64,
    /// 9 of 10 are below.
    pub p90_ms: f64,
    /// 99 of 100 are below.
    pub p99_ms: f64,
    /// 999 of 1,000 are below.
    pub p99_9_ms: f64,
    /// The highest.
    pub max_ms: f64,
}

impl From<&Latencies> for Latency {
    fn from(latencies: &Latencies) -> Self {
        Self {
            count: latencies.len(),
            p50_ms: latencies.at_ms(0.5),
            p90_ms: latencies.at_ms(0.9),
            p99_ms: latencies.at_ms(0.99),
            p99_9_ms: latencies.at_ms(0.999),
            max_ms: latencies.max_ms(),
        }
    }
}

impl Latency {
    /// In one line.
    #[must_use]
    pub fn line(&self) -> String {
        format!(
            "p50 {:.3} ms, p99 {:.3} ms, max {:.3} ms ({} values)",
            self.p50_ms, self.p99_ms, self.max_ms, self.count
        )
    }
}

/// A number as short as it can be read: four digits that count.
#[must_use]
pub fn rounded(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if 1_000.0 <= size || value.fract() == 0.0 {
        return thousands(value);
    }
    if size < 1e-3 {
        return format!("{value:.3e}");
    }
    // At most 3 before the point, at most 6 behind it.
    let decimals = (3.0 - size.log10().floor()) as usize;
    let text = format!("{value:.decimals$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with separators between the thousands, without decimals.
#[must_use]
pub fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) && !out.ends_with('-') {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::default();
        table.row("a", "1");
        table.row("longer", "2");
        table.row_if("absent", None);
        assert_eq!(table.render(), "a       1\nlonger  2\n");
    }

    #[test]
    fn thousands_are_separated() {
        for (value, text) in [
            (0.0, "0"),
            (999.4, "999"),
            (1_000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-100.0, "-100"),
        ] {
            assert_eq!(thousands(value), text);
        }
    }

    #[test]
    fn a_process_of_the_load_generator_that_is_saturated_is_named() {
        let of = |generators: &[f64]| {
            let generators = generators.iter().copied().enumerate().collect();
            let sample = Sample {
                seconds: 2.0,
                generators,
                ..Sample::default()
            };
            Cpu::from(&sample)
        };
        let one = of(&[1.9]);
        assert!(one.generator_saturated && (one.generator_percent - 95.0).abs() < 1e-9);
        let objection = one.objection().unwrap();
        assert!(
            objection.starts_with("the load generator is saturated (95.0 %"),
            "{objection}"
        );
        // Each has a core: what counts is the busiest one.
        let several = of(&[1.0, 1.98, 1.5]);
        let objection = several.objection().unwrap();
        assert!(objection.starts_with("process 2 of 3 "), "{objection}");
        assert!((several.generator_seconds - 4.48).abs() < 1e-9);
        assert_eq!(of(&[1.8, 1.8]).objection(), None);
    }

    #[test]
    fn numbers_are_rounded_to_what_counts() {
        for (value, text) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (12.345_678, "12.35"),
            (999.96, "1000"),
            (0.001_234_5, "0.001234"),
            (0.000_001_052, "1.052e-6"),
            (12_345.6, "12,346"),
            (-3.0, "-3"),
        ] {
            assert_eq!(rounded(value), text);
        }
    }

    #[test]
    fn percentiles_are_in_milliseconds() {
        let mut values = Latencies::default();
        for millisecond in 1..=100 {
            values.record(std::time::Duration::from_millis(millisecond));
        }
        let latency = Latency::from(&values);
        assert_eq!(latency.count, 100);
        assert!((latency.p50_ms - 50.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_ms - 99.0).abs() < 1.5, "{latency:?}");
    }
}
