//! The figures of a run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::talk::{DELIVERY, KIND, Talk};
use crate::cli::ChatArgs;
use crate::meter::Phase;
use crate::report::{Cpu, Latency, Table, thousands};
use crate::scenario::traffic::Traffic as _;
use crate::scenario::{Merge, Record};

/// Figures of a `chat` run.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    connections: usize,
    senders: usize,
    rate: Option<f64>,
    outstanding: Option<usize>,
    bytes: usize,
    acknowledged: u64,
    acknowledged_per_second: f64,
    acknowledged_per_server_cpu_second: Option<f64>,
    deliveries: u64,
    errors: BTreeMap<String, u64>,
    latency: Latency,
    unanswered: usize,
    undelivered: Option<i64>,
    login_cpu: Cpu,
    logins_per_server_cpu_second: Option<f64>,
}

/// What came of the packets in the end.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Measured {
    unanswered: usize,
    undelivered: i64,
}

impl Measured {
    pub(super) fn new(talk: &Talk) -> Self {
        Self {
            unanswered: talk.under_way(),
            undelivered: talk.counts().undelivered(),
        }
    }
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.unanswered += other.unanswered;
        self.undelivered += other.undelivered;
    }
}

impl Figures {
    pub(super) fn new(arguments: &ChatArgs, measured: Measured, record: &Record) -> Self {
        let total = record.total(Phase::Hold);
        let received = |kind: &str| total.kinds.get(kind).map_or(0, |it| it.received);
        let (cpu, login_cpu) = (record.cpu(Phase::Hold), record.cpu(Phase::Connect));
        let connections = arguments.common.connections;
        let acknowledged = received(KIND);
        Self {
            connections,
            senders: connections / 2,
            rate: arguments.rate,
            outstanding: arguments.outstanding,
            bytes: arguments.bytes,
            acknowledged,
            acknowledged_per_second: acknowledged as f64 / total.seconds,
            acknowledged_per_server_cpu_second: cpu.per_server_second(acknowledged),
            deliveries: received(DELIVERY),
            latency: Latency::from(&record.timeline.latency(KIND)),
            unanswered: measured.unanswered,
            undelivered: arguments.packet.is_none().then_some(measured.undelivered),
            logins_per_server_cpu_second: login_cpu.per_server_second(connections as u64),
            login_cpu,
            errors: total.errors,
        }
    }

    pub(super) fn objection(&self) -> Option<String> {
        let undelivered = self.undelivered.unwrap_or_default();
        objection(self.acknowledged, self.unanswered, undelivered)
    }

    pub(super) fn rows(&self, table: &mut Table) {
        let load = match (self.rate, self.outstanding) {
            (Some(rate), _) => format!("{} per second", thousands(rate)),
            (None, outstanding) => format!("{} outstanding each", outstanding.unwrap_or_default()),
        };
        let senders = thousands(self.senders as f64);
        table.row(
            "load",
            format!("{senders} senders, {} bytes, {load}", self.bytes),
        );
        table.row("acknowledged", thousands(self.acknowledged as f64));
        table.row("per second", thousands(self.acknowledged_per_second));
        let per_cpu_second = self.acknowledged_per_server_cpu_second;
        table.row_if("per server CPU second", per_cpu_second.map(thousands));
        table.row("latency", self.latency.line());
        table.row("deliveries", thousands(self.deliveries as f64));
        for (text, count) in &self.errors {
            table.row(format!("error: {text}"), thousands(*count as f64));
        }
        if 0 < self.unanswered {
            table.row("never answered", thousands(self.unanswered as f64));
        }
        let undelivered = self.undelivered.filter(|count| *count != 0);
        table.row_if("never delivered", undelivered.map(|it| it.to_string()));
        let logins = self.logins_per_server_cpu_second;
        table.row_if("logins per server CPU second", logins.map(thousands));
    }
}

/// What is wrong with a run in which so many packets were acknowledged, and others came to nothing.
fn objection(acknowledged: u64, unanswered: usize, undelivered: i64) -> Option<String> {
    if 0 < unanswered || undelivered != 0 {
        return Some(format!(
            "{unanswered} packets were never answered, {undelivered} never delivered"
        ));
    }
    (acknowledged == 0).then(|| "nothing was acknowledged".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_to_nothing_makes_a_run_invalid() {
        assert_eq!(objection(7, 0, 0), None);
        let lost = |unanswered, undelivered| objection(7, unanswered, undelivered).unwrap();
        assert!(lost(1, 0).starts_with("1 packets were never answered"));
        assert!(lost(0, 2).ends_with("2 never delivered"));
        // One that came twice is no better.
        assert!(lost(0, -1).ends_with("-1 never delivered"));
        assert_eq!(objection(0, 0, 0).unwrap(), "nothing was acknowledged");
    }
}
