//! The clients of a check: they connect, come back when their connection ends, find out when they reach one another,
//! and only then send what is counted.

mod member;
mod pair;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::message::{Kind, Message, Names};
use super::verdict::{Client, Event, Ledger, Letter, Tolerance};
use crate::client::Loss;
use crate::clock;
use crate::engine::{Engine, Handler, Io};
use crate::rng::Rng;
use crate::scenario::RunError;
use crate::socket::{self, Sources};
use member::{Link, Member};
use pair::{Pair, Pairs};

/// Short, so that messages leave evenly.
const POLL: Duration = Duration::from_millis(5);
/// A node that does not answer the upgrade in that time may be frozen; another one is tried.
const OPEN_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two probes of a pair.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// Who takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The public listeners of the nodes.
    pub targets: Vec<SocketAddr>,
    /// Clients.
    pub clients: usize,
    /// Clients that each client sends to.
    pub receivers: usize,
    /// Whether a client whose connection ends tries the next node, or the same again.
    pub roams: bool,
    /// Messages per second, of all clients together.
    pub rate: f64,
    /// Names of the clients.
    pub names: Names,
    /// How much time a message has.
    pub tolerance: Tolerance,
    /// What the pauses before reconnecting are drawn from.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            clients: 2,
            receivers: 2,
            roams: true,
            rate: 0.0,
            names: Names::new("client"),
            tolerance: Tolerance::default(),
            seed: 0,
        }
    }
}

/// The clients, and all that has happened to them.
#[derive(Debug)]
pub struct Fleet {
    engine: Engine,
    state: State,
    /// Messages that are due, with a fraction.
    due: f64,
    filled: Instant,
}

/// How it stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// Clients that are connected.
    pub open: usize,
    /// Pairs whose sender reaches its receiver.
    pub proven: usize,
    /// All pairs.
    pub pairs: usize,
}

#[derive(Debug)]
struct State {
    began: Instant,
    settings: Settings,
    members: Vec<Member>,
    pairs: Pairs,
    ledger: Ledger,
    rng: Rng,
    /// What has come of the current message of each client.
    partial: Vec<Vec<u8>>,
    probes: usize,
    worst_reach: Duration,
}

impl Fleet {
    /// Clients that are not connected yet. Times are those since `began`.
    ///
    /// # Errors
    /// When so many connections are not allowed.
    pub fn new(settings: Settings, began: Instant) -> Result<Self, RunError> {
        socket::reserve_files(settings.clients).map_err(RunError::Usage)?;
        let nodes = settings.targets.len();
        let members = (0..settings.clients).map(|index| Member::new(index % nodes, began));
        Ok(Self {
            engine: Engine::new()?,
            due: 0.0,
            filled: began,
            state: State {
                began,
                members: members.collect(),
                pairs: Pairs::ring(settings.clients, nodes, settings.receivers),
                ledger: Ledger::new(settings.tolerance),
                rng: Rng::new(settings.seed),
                partial: vec![Vec::new(); settings.clients],
                probes: 0,
                worst_reach: Duration::ZERO,
                settings,
            },
        })
    }

    /// Does what is due and waits a little for what comes. Counted messages leave only if `is_sending`.
    ///
    /// # Errors
    /// What the system reports.
    pub fn step(&mut self, is_sending: bool) -> Result<(), RunError> {
        let now = clock::now();
        self.state.connect_all(&mut self.engine.io, now);
        self.state.probe_all(&mut self.engine.io, now);
        self.due += (now - self.filled).as_secs_f64() * self.state.settings.rate;
        self.filled = now;
        while is_sending && 1.0 <= self.due {
            self.due -= 1.0;
            if !self.state.send_next(&mut self.engine.io) {
                break;
            }
        }
        // What could not leave is not made up for, and neither is what was due before sending began.
        if !is_sending || 1.0 <= self.due {
            self.due = 0.0;
        }
        self.engine.poll(POLL, &mut self.state)?;
        Ok(())
    }

    /// Sends clients that have moved back to the nodes that they began at, so that all nodes have work again.
    pub fn rebalance(&mut self) {
        let now = clock::now();
        for index in 0..self.state.members.len() {
            if self.state.members[index].is_away() {
                self.engine.io.close(index);
                self.state.end(index, now);
                self.state.members[index].go_home(now);
            }
        }
    }

    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            open: self.engine.io.open_count(),
            proven: self
                .state
                .pairs
                .all
                .iter()
                .filter(|pair| pair.proven)
                .count(),
            pairs: self.state.pairs.all.len(),
        }
    }

    /// Pairs that have been connected at both ends for so long without a probe having come through.
    #[must_use]
    pub fn unreachable(&self, patience: Duration) -> Vec<(Client, Client)> {
        let now = clock::now();
        let pairs = self.state.pairs.all.iter();
        let pairs = pairs.filter(|pair| pair.waiting(now).is_some_and(|time| patience <= time));
        pairs.map(|pair| (pair.sender, pair.receiver)).collect()
    }

    /// The longest time that a pair was connected at both ends before a probe came through.
    #[must_use]
    pub fn worst_reach(&self) -> Duration {
        self.state.worst_reach
    }

    /// What has happened so far.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.state.ledger
    }

    /// Takes note of what others have seen.
    pub fn note(&mut self, events: Vec<Event>) {
        for event in events {
            self.state.ledger.note(event);
        }
    }
}

impl State {
    fn since_start(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }

    /// Opens what is due, and gives up what does not open.
    fn connect_all(&mut self, io: &mut Io, now: Instant) {
        for index in 0..self.members.len() {
            match self.members[index].link {
                Link::Open => {}
                Link::Opening { since } if since + OPEN_TIMEOUT <= now => {
                    io.close(index);
                    self.end(index, now);
                }
                Link::Opening { .. } => {}
                Link::Down { retry } if now < retry => {}
                Link::Down { .. } => self.connect(io, index, now),
            }
        }
    }

    fn connect(&mut self, io: &mut Io, index: usize, now: Instant) {
        let target = self.settings.targets[self.members[index].node];
        let sources = Sources::new(std::net::Ipv4Addr::new(127, 0, 1, 1), self.members.len());
        let path = self.settings.names.path(client(index));
        let mut request = Vec::new();
        crate::handshake::request(&mut request, &path, &target.to_string(), &[]);
        self.members[index].link = Link::Opening { since: now };
        if io
            .connect(index, sources.pick(index, target), target, &request)
            .is_err()
        {
            self.end(index, now);
        }
    }

    /// A connection has ended, or did not come to be.
    fn end(&mut self, index: usize, now: Instant) {
        let client = client(index);
        if matches!(self.members[index].link, Link::Open) {
            let at = self.since_start(now);
            self.ledger.note(Event::Ended { client, at });
        }
        self.partial[index].clear();
        let nodes = self.settings.targets.len();
        let step = usize::from(self.settings.roams);
        self.members[index].end(now, step, nodes, &mut self.rng);
        for pair in self.pairs.of(client) {
            pair.forget();
        }
    }

    /// Probes between those that are connected and have not reached each other yet.
    fn probe_all(&mut self, io: &mut Io, now: Instant) {
        for pair in &mut self.pairs.all {
            if pair.proven || pair.waiting_since.is_none() {
                continue;
            }
            if pair.probed.is_some_and(|at| now < at + PROBE_INTERVAL) {
                continue;
            }
            pair.probed = Some(now);
            pair.first_probe.get_or_insert(self.probes);
            let message = Message {
                kind: Kind::Probe,
                sender: pair.sender,
                receiver: pair.receiver,
                n: self.probes,
            };
            self.probes += 1;
            let text = self.settings.names.text(message);
            io.send_text(pair.sender as usize, text.as_bytes());
        }
    }

    /// Sends one counted message, if there is a pair that may.
    fn send_next(&mut self, io: &mut Io) -> bool {
        let Some(pair) = self.pairs.next_proven() else {
            return false;
        };
        let (sender, receiver) = (pair.sender, pair.receiver);
        let message = Message {
            kind: Kind::Counted,
            sender,
            receiver,
            n: self.ledger.next_number(sender, receiver),
        };
        let at = self.since_start(clock::now());
        self.ledger.note(Event::Sent {
            sender,
            receiver,
            at,
        });
        let text = self.settings.names.text(message);
        io.send_text(sender as usize, text.as_bytes());
        true
    }

    fn receive(&mut self, message: Message, now: Instant) {
        let Message {
            kind,
            sender,
            receiver,
            n,
        } = message;
        let at = self.since_start(now);
        match kind {
            Kind::Probe => self.prove(message, now),
            Kind::Counted => self.ledger.note(Event::Received {
                sender,
                receiver,
                number: n,
                at,
            }),
            Kind::Kept => {
                let letter = Letter {
                    pusher: sender,
                    receiver,
                    number: n,
                };
                self.ledger.note(Event::Came { letter, at });
            }
        }
    }

    fn prove(&mut self, probe: Message, now: Instant) {
        let Some(pair) = self.pairs.get(probe.sender, probe.receiver) else {
            return;
        };
        if let Some(took) = pair.prove(probe.n, now) {
            self.worst_reach = self.worst_reach.max(took);
        }
    }
}

impl Handler for State {
    fn opened(&mut self, _io: &mut Io, id: usize) {
        let now = clock::now();
        self.members[id].open();
        let at = self.since_start(now);
        self.ledger.note(Event::Opened {
            client: client(id),
            at,
        });
        let members = &self.members;
        let is_open = |client: Client| members[client as usize].is_open();
        for pair in self.pairs.of(client(id)) {
            if is_open(pair.sender) && is_open(pair.receiver) {
                pair.begin(now);
            }
        }
    }

    fn payload(&mut self, id: usize, chunk: &[u8]) {
        self.partial[id].extend_from_slice(chunk);
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let text = std::mem::take(&mut self.partial[id]);
        if let Some(message) = self.settings.names.parse(&text, client(id)) {
            self.receive(message, clock::now());
        }
    }

    fn lost(&mut self, _io: &mut Io, id: usize, _loss: &Loss) {
        self.end(id, clock::now());
    }
}

/// The number of a client or of a node, from its place.
pub(crate) fn client(index: usize) -> Client {
    Client::try_from(index).expect("there are not so many ports")
}

impl Pair {
    /// How long both have been connected without having reached each other.
    fn waiting(&self, now: Instant) -> Option<Duration> {
        let since = self.waiting_since.filter(|_| !self.proven)?;
        Some(now.saturating_duration_since(since))
    }
}
