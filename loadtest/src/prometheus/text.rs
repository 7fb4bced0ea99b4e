//! What is scraped, as text.

use std::fmt::Write as _;
use std::time::Duration;

use super::names::{self, Family};
use crate::client::Losses;
use crate::meter::{Latencies, Phase, Sample};
use crate::process::Role;

/// Upper bounds of buckets, in microseconds: from a tenth of a millisecond to ten seconds.
const BUCKETS: [u64; 16] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// The metrics of a run; `sum` is of all samples so far.
pub(super) fn render(scenario: &str, sum: &Sample) -> String {
    let mut text = Text::default();
    text.family(&names::CONNECTIONS, [(String::new(), sum.open as f64)]);
    // Each reason from the beginning on, so that the first one is seen to be more than before.
    let lost = |reason: &str| sum.lost.get(reason).copied().unwrap_or_default() as f64;
    let reasons = Losses::default().by_name();
    let reasons = reasons.map(|(reason, _)| (labels(&[("reason", reason)]), lost(reason)));
    text.family(&names::CONNECTIONS_LOST, reasons);
    let errors = sum.errors.iter();
    let errors = errors.map(|(error, count)| (labels(&[("error", error)]), *count as f64));
    text.family(&names::ERRORS, errors);
    text.family(
        &names::GENERATOR_CPU,
        sum.generators
            .iter()
            .map(|(number, used)| (labels(&[("process", &number.to_string())]), *used)),
    );
    text.head(&names::HANDSHAKE);
    text.histogram(names::HANDSHAKE.name, "", &sum.handshakes.latency);
    text.head(&names::LATENCY);
    for (kind, tally) in &sum.kinds {
        let kind = label("kind", kind);
        text.histogram(names::LATENCY.name, &kind, &tally.latency);
    }
    let phases = [Phase::Connect, Phase::Warmup, Phase::Hold, Phase::RampDown];
    let is = |phase: Phase| f64::from(u8::from(phase == sum.phase));
    let phases = phases.map(|phase| (labels(&[("phase", phase.name())]), is(phase)));
    text.family(&names::PHASE, phases);
    let kinds = || sum.kinds.iter();
    let of_kind = |kind: &str| labels(&[("kind", kind)]);
    let received = kinds().map(|(kind, tally)| (of_kind(kind), tally.received as f64));
    text.family(&names::RECEIVED, received);
    text.family(&names::RUN, [(labels(&[("scenario", scenario)]), 1.0)]);
    let sent = kinds().map(|(kind, tally)| (of_kind(kind), tally.sent as f64));
    text.family(&names::SENT, sent);
    watched(&mut text, sum);
    text.0
}

fn watched(text: &mut Text, sum: &Sample) {
    let processes = || {
        sum.processes.iter().map(|reading| {
            let role = match reading.role {
                Role::Server => "server",
                Role::Other => "other",
            };
            let pid = reading.pid.to_string();
            let labels = labels(&[("name", &reading.name), ("pid", &pid), ("role", role)]);
            (labels, reading)
        })
    };
    let cpu = processes().filter_map(|(labels, it)| Some((labels, it.cpu_seconds?)));
    text.family(&names::WATCHED_CPU, cpu);
    let bytes = processes().filter_map(|(labels, it)| Some((labels, it.resident_bytes? as f64)));
    text.family(&names::WATCHED_RESIDENT, bytes);
}

/// Labels in braces.
fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| label(name, value))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

/// A label, whose value may be any text.
fn label(name: &str, value: &str) -> String {
    let value = value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n");
    format!(r#"{name}="{value}""#)
}

#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn head(&mut self, family: &Family) {
        let Family { name, kind, help } = family;
        // Writing to a string does not fail, here and below.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn family(&mut self, family: &Family, values: impl IntoIterator<Item = (String, f64)>) {
        self.head(family);
        for (labels, value) in values {
            let name = family.name;
            let _ = writeln!(self.0, "{name}{labels} {value}");
        }
    }

    /// Cumulative buckets; `label` may be empty.
    fn histogram(&mut self, name: &str, label: &str, latencies: &Latencies) {
        let comma = if label.is_empty() { "" } else { "," };
        for bucket in BUCKETS {
            let count = latencies.count_up_to(Duration::from_micros(bucket));
            let bound = bucket as f64 / 1e6;
            let _ = writeln!(
                self.0,
                r#"{name}_bucket{{{label}{comma}le="{bound}"}} {count}"#
            );
        }
        let (count, sum) = (latencies.len(), latencies.sum_seconds());
        let braced = if label.is_empty() {
            String::new()
        } else {
            format!("{{{label}}}")
        };
        let _ = writeln!(
            self.0,
            "{name}_bucket{{{label}{comma}le=\"+Inf\"}} {count}\n{name}_sum{braced} {sum}\n{name}_count{braced} {count}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Tally;
    use crate::process::Reading;

    fn sum() -> Sample {
        let mut tally = Tally {
            sent: 3,
            received: 2,
            ..Tally::default()
        };
        for micros in [90, 400, 20_000_000] {
            tally.latency.record(Duration::from_micros(micros));
        }
        Sample {
            phase: Phase::Hold,
            kinds: [("message".to_owned(), tally)].into(),
            errors: [("say \"no\"\\".to_owned(), 4)].into(),
            lost: [("reset".to_owned(), 5)].into(),
            generators: [(0, 0.25)].into(),
            processes: vec![Reading {
                pid: 7,
                name: "node".to_owned(),
                role: Role::Server,
                cpu_seconds: Some(1.5),
                resident_bytes: Some(1_024),
            }],
            ..Sample::default()
        }
    }

    #[test]
    fn everything_has_its_line() {
        let text = render("echo", &sum());
        for line in [
            r#"loadtest_sent_total{kind="message"} 3"#,
            r#"loadtest_received_total{kind="message"} 2"#,
            r#"loadtest_latency_seconds_bucket{kind="message",le="0.0001"} 1"#,
            r#"loadtest_latency_seconds_bucket{kind="message",le="0.0005"} 2"#,
            r#"loadtest_latency_seconds_bucket{kind="message",le="10"} 2"#,
            r#"loadtest_latency_seconds_bucket{kind="message",le="+Inf"} 3"#,
            r#"loadtest_latency_seconds_count{kind="message"} 3"#,
            r#"loadtest_handshake_seconds_bucket{le="+Inf"} 0"#,
            "loadtest_handshake_seconds_count 0",
            r#"loadtest_errors_total{error="say \"no\"\\"} 4"#,
            r#"loadtest_connections_lost_total{reason="reset"} 5"#,
            r#"loadtest_connections_lost_total{reason="refused"} 0"#,
            r#"loadtest_phase{phase="hold"} 1"#,
            r#"loadtest_phase{phase="connect"} 0"#,
            r#"loadtest_generator_cpu_seconds_total{process="0"} 0.25"#,
            r#"loadtest_watched_cpu_seconds_total{name="node",pid="7",role="server"} 1.5"#,
            r#"loadtest_watched_resident_bytes{name="node",pid="7",role="server"} 1024"#,
        ] {
            assert!(
                text.lines().any(|it| it == line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn every_family_is_there_once_and_in_order() {
        let text = render("echo", &sum());
        let found: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let known: Vec<&str> = names::ALL.iter().map(|family| family.name).collect();
        assert_eq!(found, known);
        assert!(known.is_sorted());
    }
}
