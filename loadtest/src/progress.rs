//! A line a second about a run that goes on.

use std::io::{IsTerminal as _, Write as _};

use crate::process::Role;
use crate::report::thousands;
use crate::timeline::Point;

/// Clears the line, and does not break it where the terminal ends.
const BEGIN: &str = "\r\x1b[K\x1b[?7l";
const END: &str = "\x1b[?7h";

/// Tells on standard error how a run goes on.
#[derive(Debug)]
pub struct Progress {
    /// Whether the next line can take the place of the last one.
    is_terminal: bool,
}

impl Progress {
    /// If a person is watching, or it is asked for.
    #[must_use]
    pub fn new(is_asked_for: bool) -> Option<Self> {
        let is_terminal = std::io::stderr().is_terminal();
        (is_terminal || is_asked_for).then_some(Self { is_terminal })
    }

    /// Tells of a second.
    pub fn show(&self, point: &Point) {
        let line = line(point);
        let mut out = std::io::stderr().lock();
        // Nobody needs to see it: a run does not end by a terminal that is gone.
        let _ = if self.is_terminal {
            write!(out, "{BEGIN}{line}{END}")
        } else {
            writeln!(out, "{line}")
        };
    }

    /// Makes room for what comes behind it.
    pub fn finish(&self) {
        if self.is_terminal {
            // As above.
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A second in a line.
fn line(point: &Point) -> String {
    let mut parts = vec![
        format!("{:9} {:7.1} s", point.phase.name(), point.at),
        format!("{} open", thousands(point.open as f64)),
    ];
    if 0.0 < point.connects_per_second {
        parts.push(format!("+{}/s", thousands(point.connects_per_second)));
    }
    if 0.0 < point.sent_per_second + point.received_per_second {
        let (sent, received) = (point.sent_per_second, point.received_per_second);
        let (sent, received) = (thousands(sent), thousands(received));
        parts.push(format!("{sent}/s sent, {received}/s received"));
    }
    if let Some(latency) = &point.latency {
        let (p50, p99, p99_9) = (latency.p50_ms, latency.p99_ms, latency.p99_9_ms);
        parts.push(format!("p50 {p50:.2} p99 {p99:.2} p99.9 {p99_9:.2} ms"));
    }
    let servers = point.processes.iter().filter(|it| it.role == Role::Server);
    if let Some(cpu) = servers
        .clone()
        .map(|it| it.cpu_percent)
        .sum::<Option<f64>>()
        && servers.clone().next().is_some()
    {
        let bytes: u64 = servers.filter_map(|it| it.resident_bytes).sum();
        let mib = bytes as f64 / 1_048_576.0;
        parts.push(format!("server {cpu:.0} % {mib:.0} MiB"));
    }
    let busiest = point.generator_percent.iter().copied().fold(0.0, f64::max);
    parts.push(format!("generator {busiest:.0} %"));
    let errors = point
        .errors
        .values()
        .chain(point.lost.values())
        .sum::<u64>();
    if 0 < errors {
        parts.push(format!("{} errors", thousands(errors as f64)));
    }
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::{Phase, Sample, Tally};

    #[test]
    fn a_line_holds_what_there_is() {
        let mut sample = Sample {
            phase: Phase::Hold,
            at: 12.0,
            seconds: 2.0,
            open: 1_000,
            generators: [(0, 0.5), (1, 1.5)].into(),
            ..Sample::default()
        };
        assert_eq!(
            line(&Point::from(&sample)),
            "hold         12.0 s  1,000 open  generator 75 %"
        );
        let mut tally = Tally {
            sent: 2_000,
            received: 4_000,
            ..Tally::default()
        };
        tally.latency.record(std::time::Duration::from_millis(1));
        sample.kinds.insert("message".to_owned(), tally);
        sample.errors.insert("odd".to_owned(), 3);
        let line = line(&Point::from(&sample));
        for part in ["1,000/s sent, 2,000/s received", "p99 1.00", "3 errors"] {
            assert!(line.contains(part), "{line}");
        }
    }
}
