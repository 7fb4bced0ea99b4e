//! A crowd: several kinds of traffic at a time, each on connections of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::arrivals::Remainder;
use super::schedule::Schedule;
use super::traffic::Traffic;
use super::{Merge as _, RunError};
use crate::client::Loss;
use crate::engine::{Handler, Io};

/// All kinds together.
#[derive(Default)]
pub(super) struct Crowd<'a> {
    parts: Vec<Part<'a>>,
    connections: usize,
    /// How long rates rise in the beginning.
    rise: Duration,
}

/// One kind of traffic.
struct Part<'a> {
    kind: &'static str,
    /// Number of its first connection.
    base: usize,
    /// Messages per second; none if it has a time of its own.
    rate: Option<f64>,
    schedule: Option<Schedule>,
    traffic: Box<dyn Traffic + 'a>,
}

impl fmt::Debug for Crowd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = self.parts.iter().map(|part| part.kind);
        f.debug_list().entries(kinds).finish()
    }
}

impl<'a> Crowd<'a> {
    /// Nobody yet; rates rise for so long in the beginning.
    pub(super) fn new(rise: Duration) -> Self {
        Self {
            rise,
            ..Self::default()
        }
    }

    /// Takes in a kind of traffic, with the connections behind those of the others. It has been set up there, with
    /// [`Io::rebase`] to [`Crowd::connections`].
    pub(super) fn add(
        &mut self,
        kind: &'static str,
        connections: usize,
        rate: Option<f64>,
        traffic: Box<dyn Traffic + 'a>,
    ) {
        self.parts.push(Part {
            kind,
            base: self.connections,
            rate,
            schedule: None,
            traffic,
        });
        self.connections += connections;
    }

    /// Connections of all kinds so far.
    pub(super) fn connections(&self) -> usize {
        self.connections
    }

    /// What is left of each kind.
    pub(super) fn remainders(&self) -> BTreeMap<String, Remainder> {
        let remainder = |part: &Part<'_>| (part.kind.to_owned(), part.traffic.remainder());
        self.parts.iter().map(remainder).collect()
    }

    /// The part that a connection is of, and its number there.
    fn of(&mut self, id: usize) -> Option<(&mut Part<'a>, usize)> {
        let part = self.parts.iter_mut().rfind(|part| part.base <= id)?;
        let id = id - part.base;
        Some((part, id))
    }

    /// Calls each part, with the numbers of its connections beginning at 0.
    fn each<T>(
        &mut self,
        io: &mut Io,
        mut call: impl FnMut(&mut Part<'a>, &mut Io) -> T,
    ) -> Vec<T> {
        let parts = self.parts.iter_mut();
        parts.map(|part| within(part, io, &mut call)).collect()
    }
}

/// Calls a part, with the numbers of its connections beginning at 0.
fn within<'a, T>(
    part: &mut Part<'a>,
    io: &mut Io,
    call: impl FnOnce(&mut Part<'a>, &mut Io) -> T,
) -> T {
    io.rebase(part.base);
    let result = call(part, io);
    io.rebase(0);
    result
}

impl Traffic for Crowd<'_> {
    fn stalled(&self) -> &'static str {
        "messages are under way, and nothing comes of any kind"
    }

    fn begin(&mut self, io: &mut Io) -> Result<(), RunError> {
        let rise = self.rise;
        let begun = self.each(io, |part, io| {
            part.schedule = part.rate.map(|rate| Schedule::rising(rate, rise));
            part.traffic.begin(io)
        });
        begun.into_iter().collect()
    }

    fn record(&mut self) {
        for part in &mut self.parts {
            part.traffic.record();
        }
    }

    fn stop_recording(&mut self) {
        for part in &mut self.parts {
            part.traffic.stop_recording();
        }
    }

    fn end(&mut self) {
        for part in &mut self.parts {
            part.schedule = None;
            part.traffic.end();
        }
    }

    fn finish(&mut self) -> Result<(), RunError> {
        let mut parts = self.parts.iter_mut();
        parts.try_for_each(|part| part.traffic.finish())
    }

    /// Every part has a schedule of its own.
    fn send_next(&mut self, _: &mut Io, _: Instant) {}

    fn send_due(&mut self, io: &mut Io, _: Option<&mut Schedule>, now: Instant) -> Option<Instant> {
        let next = self.each(io, |part, io| {
            part.traffic.send_due(io, part.schedule.as_mut(), now)
        });
        next.into_iter().flatten().min()
    }

    fn check(&mut self, io: &mut Io, now: Instant) -> Result<(), RunError> {
        let checked = self.each(io, |part, io| part.traffic.check(io, now));
        checked.into_iter().collect()
    }

    fn progress(&self) -> u64 {
        self.parts.iter().map(|part| part.traffic.progress()).sum()
    }

    fn under_way(&self) -> usize {
        let under_way = |part: &Part<'_>| part.traffic.under_way();
        self.parts.iter().map(under_way).sum()
    }

    fn remainder(&self) -> Remainder {
        let mut all = Remainder::default();
        for part in &self.parts {
            all.merge(part.traffic.remainder());
        }
        all
    }

    fn is_complete(&self) -> bool {
        self.parts.iter().all(|part| part.traffic.is_complete())
    }
}

impl Handler for Crowd<'_> {
    fn opened(&mut self, io: &mut Io, id: usize) {
        if let Some((part, id)) = self.of(id) {
            within(part, io, |part, io| part.traffic.opened(io, id));
        }
    }

    fn payload(&mut self, id: usize, chunk: &[u8]) {
        if let Some((part, id)) = self.of(id) {
            part.traffic.payload(id, chunk);
        }
    }

    fn message(&mut self, id: usize, bytes: u64) {
        if let Some((part, id)) = self.of(id) {
            part.traffic.message(id, bytes);
        }
    }

    fn after_read(&mut self, io: &mut Io, id: usize) {
        if let Some((part, id)) = self.of(id) {
            within(part, io, |part, io| part.traffic.after_read(io, id));
        }
    }

    fn lost(&mut self, io: &mut Io, id: usize, loss: &Loss) {
        if let Some((part, id)) = self.of(id) {
            within(part, io, |part, io| part.traffic.lost(io, id, loss));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::engine::Engine;

    /// Takes note of the connections that it hears of.
    #[derive(Debug, Default)]
    struct Listener {
        heard: Vec<usize>,
        sent: usize,
    }

    impl Handler for Listener {
        fn message(&mut self, id: usize, _: u64) {
            self.heard.push(id);
        }
    }

    impl Traffic for &mut Listener {
        fn stalled(&self) -> &'static str {
            ""
        }

        fn send_next(&mut self, _: &mut Io, _: Instant) {
            self.sent += 1;
        }

        fn progress(&self) -> u64 {
            self.heard.len() as u64
        }

        fn under_way(&self) -> usize {
            self.sent
        }

        fn remainder(&self) -> Remainder {
            Remainder {
                missing: self.sent as u64,
                unexpected: 0,
            }
        }
    }

    impl Handler for &mut Listener {
        fn message(&mut self, id: usize, bytes: u64) {
            (**self).message(id, bytes);
        }
    }

    #[test]
    fn every_kind_has_connections_and_a_time_of_its_own() {
        let (mut one, mut other) = (Listener::default(), Listener::default());
        let mut crowd = Crowd::new(Duration::ZERO);
        crowd.add("one", 2, Some(1_000.0), Box::new(&mut one));
        assert_eq!(crowd.connections(), 2);
        crowd.add("other", 3, Some(10.0), Box::new(&mut other));
        for id in [0, 4, 1, 2] {
            crowd.message(id, 1);
        }
        let mut engine = Engine::new().unwrap();
        crowd.begin(&mut engine.io).unwrap();
        let later = clock::now() + Duration::from_millis(50);
        let next = crowd.send_due(&mut engine.io, None, later);
        assert!(next.is_some_and(|next| later < next));
        assert_eq!(crowd.progress(), 4);
        assert_eq!(crowd.remainders()["other"].missing, 1);
        crowd.end();
        assert_eq!(crowd.send_due(&mut engine.io, None, later), None);
        drop(crowd);
        assert_eq!((one.heard, other.heard), (vec![0, 1], vec![2, 0]));
        assert!(40 < one.sent, "{}", one.sent);
    }
}
