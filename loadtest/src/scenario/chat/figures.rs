//! The figures of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::talk::{Counts, Talk};
use crate::cli::ChatArgs;
use crate::client::Losses;
use crate::process::{self, Share, Usage};
use crate::report::{Cpu, Latency, Table, thousands};
use crate::scenario::traffic::Traffic;

/// Figures of a `chat` run.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    /// Always `chat`.
    scenario: &'static str,
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
    login_cpu: Option<Cpu>,
    logins_per_server_cpu_second: Option<f64>,
    processes: Vec<Share>,
    cpu: Cpu,
    pub(super) losses: Losses,
}

/// What was measured, between two looks at the clock.
pub(super) struct Measured {
    pub(super) counts: Counts,
    pub(super) usage: Usage,
    pub(super) processes: Vec<Share>,
    /// While all clients logged in.
    pub(super) logins: Option<Usage>,
}

impl Figures {
    pub(super) fn new(
        arguments: &ChatArgs,
        talk: &Talk,
        measured: Measured,
        losses: Losses,
    ) -> Self {
        let Measured {
            counts,
            usage,
            processes,
            logins,
        } = measured;
        let (cpu, login_cpu) = (Cpu::from(usage), logins.map(Cpu::from));
        let connections = arguments.common.connections;
        let Counts {
            acknowledged,
            deliveries,
            errors,
        } = counts;
        let all = talk.counts();
        let undelivered = all.acknowledged.cast_signed() - all.deliveries.cast_signed();
        Self {
            scenario: "chat",
            connections,
            senders: connections / 2,
            rate: arguments.rate,
            outstanding: arguments.outstanding,
            bytes: arguments.bytes,
            acknowledged,
            acknowledged_per_second: acknowledged as f64 / usage.seconds,
            acknowledged_per_server_cpu_second: cpu.per_server_second(acknowledged),
            deliveries,
            errors,
            latency: talk.latency(),
            unanswered: talk.under_way(),
            undelivered: talk.has_messages().then_some(undelivered),
            logins_per_server_cpu_second: login_cpu
                .as_ref()
                .and_then(|cpu| cpu.per_server_second(connections as u64)),
            login_cpu,
            processes,
            cpu,
            losses,
        }
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::default();
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
        process::rows(&self.processes, &mut table);
        self.cpu.rows(&mut table);
        super::super::loss_rows(&mut table, &self.losses);
        table
    }
}
