//! Scenario `storm`: all clients come back at once, to a server that takes only so many per second.
//!
//! Whoever is refused comes back when the server has asked for it, and a random time later: clients that were refused
//! together would otherwise come together again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Merge, Plan, Record, RunError, Scenario};
use crate::cli::{Common, Part, StormArgs};
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Ignore, Io};
use crate::meter::{Latencies, Phase};
use crate::report::{Latency, Table, thousands};

const POLL: Duration = Duration::from_millis(100);
/// So many connections are started between two looks at those that are under way.
const STARTS_PER_LOOK: usize = 64;
/// When a client comes back that was not told when.
const UNTOLD: Duration = Duration::from_secs(1);

/// Figures of a `storm` run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Clients that came.
    pub clients: u64,
    /// Clients that were back in the end.
    pub back: u64,
    /// From the first connection of all until the last client was back.
    pub total_seconds: f64,
    /// Attempts to connect, of all clients together.
    pub attempts: u64,
    /// Most attempts of one client.
    pub attempts_max: u32,
    /// Attempts that were answered with 503 and the time to come back.
    pub refused: u64,
    /// Attempts that failed otherwise, with or without an answer.
    pub failed: u64,
    /// Connections that were lost after they had been open.
    pub dropped: u64,
    /// From a client's first attempt until it was back.
    pub back_after: Latency,
}

/// What clients met with.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Measured {
    total_seconds: f64,
    attempts: u64,
    attempts_max: u32,
    refused: u64,
    failed: u64,
    dropped: u64,
    back_after: Latencies,
}

impl Merge for Measured {
    fn merge(&mut self, other: Self) {
        self.total_seconds = self.total_seconds.max(other.total_seconds);
        self.attempts += other.attempts;
        self.attempts_max = self.attempts_max.max(other.attempts_max);
        self.refused += other.refused;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.back_after.add(&other.back_after);
    }
}

impl Scenario for StormArgs {
    const NAME: &'static str = "storm";
    type Measured = Measured;
    type Figures = Figures;

    fn common(&self) -> &Common {
        &self.common
    }

    fn length(&self) -> Option<Duration> {
        None
    }

    fn share(&self, part: Part) -> Result<Self, String> {
        Ok(Self {
            common: self.common.share(part, 1)?,
            ..self.clone()
        })
    }

    fn measure(&self, engine: &mut Engine) -> Result<Measured, RunError> {
        let common = &self.common;
        let plan = Plan::new(common, &self.path, common.connections);
        engine.enter(Phase::Hold, &mut Ignore)?;
        let mut storm = Storm::new(&plan, common.connections, self.jitter);
        storm.run(engine, common.patience, common.secs)?;
        let attempts = storm.clients.iter().map(|it| it.attempts);
        Ok(Measured {
            total_seconds: (storm.progress - storm.began).as_secs_f64(),
            attempts: attempts.clone().map(u64::from).sum(),
            attempts_max: attempts.max().unwrap_or(0),
            refused: storm.refused,
            failed: storm.failed,
            dropped: storm.dropped,
            back_after: storm.durations,
        })
    }

    fn figures(&self, measured: Measured, record: &Record) -> Figures {
        Figures {
            clients: self.common.connections as u64,
            back: record.total(Phase::Hold).open,
            total_seconds: measured.total_seconds,
            attempts: measured.attempts,
            attempts_max: measured.attempts_max,
            refused: measured.refused,
            failed: measured.failed,
            dropped: measured.dropped,
            back_after: Latency::from(&measured.back_after),
        }
    }

    fn rows(figures: &Figures, table: &mut Table) {
        table.row("clients back", thousands(figures.back as f64));
        table.row("total", format!("{:.3} s", figures.total_seconds));
        table.row("back after", figures.back_after.line());
        table.row("attempts", thousands(figures.attempts as f64));
        table.row("most of one client", figures.attempts_max.to_string());
        table.row("refused", thousands(figures.refused as f64));
        table.row("failed otherwise", thousands(figures.failed as f64));
        table.row("dropped", thousands(figures.dropped as f64));
    }

    /// Connections that were lost are what a storm is made of, as long as all clients are back in the end.
    fn verdict(&self, figures: &Figures, record: &Record) -> Result<(), RunError> {
        if figures.back < figures.clients {
            let away = figures.clients - figures.back;
            let first = record.losses.first.as_deref().unwrap_or("none");
            return Err(RunError::Lost(format!(
                "{away} clients are not back, the first loss: {first}"
            )));
        }
        Ok(())
    }
}

/// All clients, and those of them that wait for their time.
#[derive(Debug)]
struct Storm<'a> {
    plan: &'a Plan<'a>,
    jitter: Duration,
    clients: Vec<Client>,
    waiting: BinaryHeap<Reverse<(Instant, usize)>>,
    random: u64,
    began: Instant,
    /// When a client last came back.
    progress: Instant,
    durations: Latencies,
    refused: u64,
    failed: u64,
    dropped: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Client {
    first: Option<Instant>,
    attempts: u32,
    is_back: bool,
}

impl<'a> Storm<'a> {
    fn new(plan: &'a Plan<'a>, clients: usize, jitter: Duration) -> Self {
        let now = clock::now();
        Self {
            plan,
            jitter,
            clients: vec![Client::default(); clients],
            waiting: (0..clients).map(|id| Reverse((now, id))).collect(),
            random: 0,
            began: now,
            progress: now,
            durations: Latencies::default(),
            refused: 0,
            failed: 0,
            dropped: 0,
        }
    }

    /// Runs until all are back, or until `length` is over, or until none has come back for `patience`.
    fn run(
        &mut self,
        engine: &mut Engine,
        patience: Duration,
        length: Option<Duration>,
    ) -> Result<(), RunError> {
        while engine.io.open_count() < self.clients.len() {
            let now = clock::now();
            let is_over = length.is_some_and(|length| length <= now - self.began);
            if is_over || patience < now - self.progress {
                return Ok(());
            }
            self.start_due(&mut engine.io, now);
            let next = self.waiting.peek();
            let pause = next.map_or(POLL, |Reverse((due, _))| due.saturating_duration_since(now));
            engine.poll(pause.min(POLL), self)?;
        }
        Ok(())
    }

    /// Starts some of those whose time has come.
    fn start_due(&mut self, io: &mut Io, now: Instant) {
        for _ in 0..STARTS_PER_LOOK {
            match self.waiting.peek() {
                Some(Reverse((due, _))) if *due <= now => {}
                _ => return,
            }
            let Some(Reverse((_, id))) = self.waiting.pop() else {
                return;
            };
            let client = &mut self.clients[id];
            client.first.get_or_insert(now);
            client.attempts += 1;
            if let Err(loss) = self.plan.open(io, id, id) {
                io.count_loss(&loss);
                self.again(id, &loss);
            }
        }
    }

    /// Has a client come back after a refusal or a failure.
    fn again(&mut self, id: usize, loss: &Loss) {
        let wait = match loss {
            Loss::Rejected(503, Some(seconds)) => {
                self.refused += 1;
                Duration::from_secs(u64::from(*seconds))
            }
            _ => {
                self.failed += 1;
                UNTOLD
            }
        };
        let due = clock::now() + wait + self.jitter.mul_f64(self.draw());
        self.waiting.push(Reverse((due, id)));
    }

    /// A number from 0 to 1 (SplitMix64): the same in every run, so that runs can be compared.
    fn draw(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) as f64 / u64::MAX as f64
    }
}

impl Handler for Storm<'_> {
    fn opened(&mut self, _io: &mut Io, id: usize) {
        self.progress = clock::now();
        let client = &mut self.clients[id];
        // Only its first return counts: one that was dropped later is counted as such.
        if client.is_back {
            return;
        }
        client.is_back = true;
        let took = self.progress - client.first.unwrap_or(self.began);
        self.durations.record(took);
    }

    fn lost(&mut self, _io: &mut Io, id: usize, loss: &Loss) {
        if matches!(loss, Loss::Closed(Some(_))) {
            self.dropped += 1;
        }
        self.again(id, loss);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::{cli, handshake, scenario};

    /// A server that refuses the first `refusals` connections.
    fn serve(refusals: usize, clients: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let mut taken = Vec::new();
            for number in 0..refusals + clients {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                while handshake::head_len(&head).is_none() {
                    let mut bytes = [0; 512];
                    let length = stream.read(&mut bytes).unwrap();
                    head.extend_from_slice(&bytes[..length]);
                }
                if number < refusals {
                    let refusal = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\n\r\n";
                    stream.write_all(refusal).unwrap();
                } else {
                    let (_, answer) = handshake::respond(&head).unwrap();
                    stream.write_all(answer.as_bytes()).unwrap();
                    taken.push(stream);
                }
            }
            thread::park();
        });
        address
    }

    fn storm(line: &str) -> Result<(), RunError> {
        let words = ["loadtest", "storm"].into_iter();
        let words = words.chain(line.split(' ')).map(Into::into);
        let Ok(cli::Command::Storm(arguments)) = cli::parse(words) else {
            panic!("{line}");
        };
        scenario::run(&arguments)
    }

    #[test]
    fn refused_clients_come_back() {
        let address = serve(15, 10);
        let result = storm(&format!("--to {address} -n 10 --jitter 0.01"));
        assert!(result.is_ok(), "{result:?}");
    }

    #[test]
    fn clients_that_never_come_back_are_told_of() {
        let address = serve(1_000, 0);
        let line = format!("--to {address} -n 3 --jitter 0.1 --patience 0.5");
        assert!(matches!(storm(&line), Err(RunError::Lost(_))));
    }

    #[test]
    fn draws_are_spread() {
        let template = "/".parse().unwrap();
        let plan = Plan {
            targets: &[],
            sources: crate::socket::Sources::new([127, 0, 1, 1].into(), 1),
            path: crate::scenario::Path::Text(&template),
            headers: &[],
            first: 0,
            over: Duration::ZERO,
        };
        let mut storm = Storm::new(&plan, 0, Duration::ZERO);
        let draws: Vec<_> = (0..1_000).map(|_| storm.draw()).collect();
        let mean = draws.iter().sum::<f64>() / 1_000.0;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
