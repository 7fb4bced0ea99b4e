//! Who sends to whom, and whether the sender is known to reach the receiver.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::check::verdict::Client;

/// A sender and a receiver.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) sender: Client,
    pub(super) receiver: Client,
    /// A probe has come through since both connected.
    pub(super) proven: bool,
    /// When the second of them connected.
    pub(super) waiting_since: Option<Instant>,
    /// When the last probe left.
    pub(super) probed: Option<Instant>,
    /// The first probe since then; what older ones prove is of the past.
    pub(super) first_probe: Option<usize>,
}

/// All pairs.
#[derive(Debug)]
pub(super) struct Pairs {
    pub(super) all: Vec<Pair>,
    places: HashMap<(Client, Client), usize>,
    /// The places of the pairs that a client is part of.
    of: Vec<Vec<usize>>,
    /// Whose turn it is.
    turn: usize,
}

impl Pair {
    /// One of the two is not connected any more.
    pub(super) fn forget(&mut self) {
        self.proven = false;
        self.waiting_since = None;
        self.probed = None;
        self.first_probe = None;
    }

    /// Both are connected now.
    pub(super) fn begin(&mut self, now: Instant) {
        self.forget();
        self.waiting_since = Some(now);
    }

    /// A probe has come; says how long that took since both connected, if it proves anything new.
    pub(super) fn prove(&mut self, probe: usize, now: Instant) -> Option<Duration> {
        if self.proven || self.first_probe.is_none_or(|first| probe < first) {
            return None;
        }
        self.proven = true;
        let since = self.waiting_since?;
        Some(now.saturating_duration_since(since))
    }
}

impl Pairs {
    /// Everybody sends to the next ones in the ring that began at other nodes; with one node, to the next ones.
    pub(super) fn ring(clients: usize, nodes: usize, receivers: usize) -> Self {
        let elsewhere = |distance: &usize| nodes <= 1 || !distance.is_multiple_of(nodes);
        let distances: Vec<_> = (1..clients).filter(elsewhere).take(receivers).collect();
        let mut pairs = Self {
            all: Vec::new(),
            places: HashMap::new(),
            of: vec![Vec::new(); clients],
            turn: 0,
        };
        for distance in distances {
            for sender in 0..clients {
                pairs.add(sender, (sender + distance) % clients);
            }
        }
        pairs
    }

    fn add(&mut self, sender: usize, receiver: usize) {
        let place = self.all.len();
        for end in [sender, receiver] {
            self.of[end].push(place);
        }
        let (sender, receiver) = (super::client(sender), super::client(receiver));
        self.places.insert((sender, receiver), place);
        self.all.push(Pair {
            sender,
            receiver,
            proven: false,
            waiting_since: None,
            probed: None,
            first_probe: None,
        });
    }

    pub(super) fn get(&mut self, sender: Client, receiver: Client) -> Option<&mut Pair> {
        let place = *self.places.get(&(sender, receiver))?;
        self.all.get_mut(place)
    }

    /// Those that a client is part of.
    pub(super) fn of(&mut self, client: Client) -> impl Iterator<Item = &mut Pair> {
        let Self { all, of, .. } = self;
        let places = of[client as usize].as_slice();
        // Places rise, so one walk finds them all.
        let mut wanted = places.iter().peekable();
        all.iter_mut()
            .enumerate()
            .filter(move |(place, _)| wanted.next_if_eq(&place).is_some())
            .map(|(_, pair)| pair)
    }

    /// The next pair in turn that has reached each other.
    pub(super) fn next_proven(&mut self) -> Option<&Pair> {
        let count = self.all.len();
        let turn = self.turn;
        let mut places = (0..count).map(|step| (turn + step) % count);
        let place = places.find(|place| self.all[*place].proven)?;
        self.turn = place + 1;
        self.all.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(pairs: &Pairs) -> Vec<(Client, Client)> {
        let all = pairs.all.iter();
        all.map(|pair| (pair.sender, pair.receiver)).collect()
    }

    #[test]
    fn receivers_are_on_other_nodes() {
        for (clients, nodes) in [(6, 3), (6, 2), (8, 4)] {
            let pairs = ends(&Pairs::ring(clients, nodes, 2));
            assert_eq!(pairs.len(), 2 * clients);
            for (sender, receiver) in pairs {
                assert_ne!(sender as usize % nodes, receiver as usize % nodes);
            }
        }
        assert_eq!(ends(&Pairs::ring(2, 2, 2)), [(0, 1), (1, 0)]);
        assert_eq!(Pairs::ring(3, 1, 2).all.len(), 6);
    }

    #[test]
    fn a_client_has_its_pairs() {
        let mut pairs = Pairs::ring(6, 3, 2);
        let of: Vec<_> = pairs
            .of(0)
            .map(|pair| (pair.sender, pair.receiver))
            .collect();
        assert_eq!(of, [(0, 1), (5, 0), (0, 2), (4, 0)]);
    }

    #[test]
    fn only_a_probe_of_this_time_proves() {
        let now = crate::clock::now();
        let later = now + Duration::from_secs(1);
        let mut pairs = Pairs::ring(2, 2, 2);
        assert!(pairs.next_proven().is_none());
        let pair = pairs.get(0, 1).unwrap();
        pair.begin(now);
        pair.first_probe = Some(5);
        assert_eq!(pair.prove(4, later), None);
        assert_eq!(pair.prove(6, later), Some(Duration::from_secs(1)));
        assert_eq!(pair.prove(7, later), None);
        assert_eq!(pairs.next_proven().map(|pair| pair.receiver), Some(1));
        pairs.get(0, 1).unwrap().forget();
        assert!(pairs.next_proven().is_none());
        assert!(pairs.get(0, 0).is_none());
    }
}
