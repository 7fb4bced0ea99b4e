//! Positions: the first of each pair is a driver, who sends where it is, and the other one a passenger.
//!
//! Of positions that wait for a slow passenger servers keep the newest only. So each has a number, and one that comes
//! stands for those before it that have not.

use std::collections::VecDeque;
use std::time::Instant;

use super::Probed;
use crate::cli::Common;
use crate::engine::{Handler, Io};
use crate::meter::Kind;
use crate::scenario::arrivals::Remainder;
use crate::scenario::traffic::Traffic;
use crate::template::partner;

/// What they are called.
pub(super) const KIND: &str = "position";
/// How a position begins, up to its number. Relays leave frames as they are.
const BEGINNING: &[u8] = br#"{"flag":"latlng","n":""#;
/// Number of the position that is sent before any is measured.
const PROBE: u64 = 0;
const DIGITS: usize = 10;
const NUMBERED_BYTES: usize = BEGINNING.len() + DIGITS;

/// All pairs.
#[derive(Debug)]
pub(super) struct Positions {
    /// Number of the first client, in the names of all.
    first: usize,
    clients: Vec<Client>,
    /// Which driver sends next.
    turn: usize,
    /// Positions sent, each of which has its number.
    sent: u64,
    under_way: usize,
    received: u64,
    conflated: u64,
    unexpected: u64,
    kind: Kind,
}

#[derive(Clone, Debug, Default)]
struct Client {
    is_reached: bool,
    /// Positions under way to it: their numbers, and when they were due.
    due: VecDeque<(u64, Instant)>,
    /// What has come of the message that is being read, as far as its number goes.
    beginning: Vec<u8>,
}

impl Positions {
    /// All clients, which have not connected yet; what they send is counted there.
    pub(super) fn new(common: &Common, kind: Kind) -> Self {
        let mut clients = vec![Client::default(); common.connections];
        for driver in clients.iter_mut().step_by(2) {
            driver.is_reached = true;
        }
        Self {
            first: common.first,
            clients,
            turn: 0,
            sent: PROBE,
            under_way: 0,
            received: 0,
            conflated: 0,
            unexpected: 0,
            kind,
        }
    }

    pub(super) fn drivers(&self) -> usize {
        self.clients.len() / 2
    }

    /// Positions that a later one has taken the place of.
    pub(super) fn conflated(&self) -> u64 {
        self.conflated
    }

    fn send(&self, io: &mut Io, driver: usize, number: u64) {
        io.send_text(driver, text(self.first + driver, number).as_bytes());
    }

    /// A passenger has received the position of this number.
    fn came(&mut self, id: usize, number: u64) {
        let due = &mut self.clients[id].due;
        while let Some((next, at)) = due.front().copied() {
            if number < next {
                break;
            }
            due.pop_front();
            self.under_way -= 1;
            if next == number {
                self.received += 1;
                self.kind.received(1);
                self.kind.took_since(at);
                return;
            }
            self.conflated += 1;
        }
        self.unexpected += 1;
    }
}

impl Probed for Positions {
    fn unreached(&self) -> usize {
        self.clients.iter().filter(|it| !it.is_reached).count()
    }

    fn probe(&mut self, io: &mut Io) {
        for id in 0..self.clients.len() {
            if !self.clients[id].is_reached {
                self.send(io, partner(id), PROBE);
            }
        }
    }
}

impl Traffic for Positions {
    fn stalled(&self) -> &'static str {
        "positions are under way, and none arrives"
    }

    fn send_next(&mut self, io: &mut Io, due: Instant) {
        let driver = self.turn;
        self.turn = (driver + 2) % self.clients.len();
        self.sent += 1;
        self.clients[partner(driver)]
            .due
            .push_back((self.sent, due));
        self.under_way += 1;
        self.kind.sent(1);
        self.send(io, driver, self.sent);
    }

    fn progress(&self) -> u64 {
        self.received
    }

    fn under_way(&self) -> usize {
        self.under_way
    }

    fn remainder(&self) -> Remainder {
        Remainder {
            missing: self.under_way as u64,
            unexpected: self.unexpected,
        }
    }
}

impl Handler for Positions {
    fn payload(&mut self, id: usize, chunk: &[u8]) {
        let beginning = &mut self.clients[id].beginning;
        let missing = NUMBERED_BYTES - beginning.len();
        beginning.extend_from_slice(&chunk[..chunk.len().min(missing)]);
    }

    fn message(&mut self, id: usize, _bytes: u64) {
        let client = &mut self.clients[id];
        let number = number(&client.beginning);
        client.beginning.clear();
        match number {
            Some(PROBE) => client.is_reached = true,
            Some(number) => self.came(id, number),
            None => self.unexpected += 1,
        }
    }
}

/// The position of this number, of the driver of this name to its passenger.
fn text(driver: usize, number: u64) -> String {
    let passenger = partner(driver);
    let beginning = String::from_utf8_lossy(BEGINNING);
    let (lat, lng) = (number % 1_000, driver % 1_000);
    format!(
        r#"{beginning}{number:0DIGITS$}","target_token":"pair_{passenger}","token":"pair_{driver}","lat":"23.1{lat:03}","lng":"113.1{lng:03}"}}"#
    )
}

/// The number of a position that begins so.
fn number(beginning: &[u8]) -> Option<u64> {
    let digits = beginning.strip_prefix(BEGINNING)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Engine;
    use crate::{cli, clock};

    fn positions(clients: usize) -> Positions {
        let line = format!("loadtest unicast --to 127.0.0.1:1 -n {clients} --positions 1");
        let Ok(cli::Command::Unicast(arguments)) = cli::parse(line.split(' ').map(Into::into))
        else {
            panic!("{line}");
        };
        Positions::new(&arguments.common, Kind::default())
    }

    fn come(positions: &mut Positions, id: usize, number: u64) {
        let text = text(id - 1, number);
        let (one, other) = text.split_at(7);
        positions.payload(id, one.as_bytes());
        positions.payload(id, other.as_bytes());
        positions.message(id, text.len() as u64);
    }

    #[test]
    fn a_position_stands_for_those_before_it() {
        let mut engine = Engine::new().unwrap();
        let mut positions = positions(4);
        for _ in 0..6 {
            positions.send_next(&mut engine.io, clock::now());
        }
        // Drivers take turns: 1, 3 and 5 are for the first passenger.
        come(&mut positions, 1, 3);
        come(&mut positions, 3, 2);
        assert_eq!((positions.received, positions.conflated), (2, 1));
        assert_eq!(positions.under_way(), 3);
        come(&mut positions, 1, 5);
        come(&mut positions, 1, 1);
        assert_eq!((positions.received, positions.unexpected), (3, 1));
        assert_eq!(positions.remainder().missing, 2);
    }

    #[test]
    fn probes_reach_passengers_and_other_messages_are_told_of() {
        let mut positions = positions(4);
        assert_eq!((positions.unreached(), positions.drivers()), (2, 2));
        come(&mut positions, 1, PROBE);
        assert_eq!(positions.unreached(), 1);
        positions.payload(3, b"pong");
        positions.message(3, 4);
        assert_eq!((positions.unreached(), positions.unexpected), (1, 1));
    }

    #[test]
    fn every_position_is_as_long_as_another() {
        assert_eq!(text(2, 1).len(), text(2, 9_999_999_999).len());
        let value: serde_json::Value = serde_json::from_str(&text(2, 7)).unwrap();
        assert_eq!(value["target_token"], "pair_3");
        assert_eq!(
            number(text(2, 7).get(..NUMBERED_BYTES).unwrap().as_bytes()),
            Some(7)
        );
    }
}
