//! The uplink: envelopes on their way to the inboxes of other members.
//!
//! Bounded in bytes, for all members together and for each. While one call to the server is under
//! way, everything for the next one collects, per member: at light load an envelope leaves at once
//! and alone, under load hundreds leave as one entry.
//!
//! **Invariant:** envelopes to one member are numbered in the order in which they were queued, and an
//! entry whose fate is unknown is repeated under its numbers before any later one is sent.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::streams::Entry;
use crate::{
    bus::{Full, Gate},
    envelope::{Body, Encoded},
    id::Member,
    message::{ConflationKey, DeliveryClass},
};

/// Charged for each envelope beside its bytes.
const OVERHEAD_BYTES: usize = 96;
/// Most bytes of one entry, unless a single envelope is longer.
const ENTRY_BYTES_MAX: usize = 256 * 1024;
/// Most envelopes of one entry.
const ENTRY_ENVELOPES_MAX: u64 = 1024;
/// Room that is kept for what members ask one another, beyond the bound.
const RESERVE_BYTES: usize = 1024 * 1024;
/// Entries that wait in a member's inbox before nothing ephemeral is sent to it any more.
const INBOX_ENTRIES_MAX: u64 = 100_000;

/// What waits for the server.
#[derive(Debug)]
pub(super) struct Uplink {
    state: Mutex<State>,
    work: Notify,
    gate: Gate,
    bytes_max: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    lanes: HashMap<Member, Lane>,
    /// Lanes that there have been.
    lanes_made: u64,
    /// Taken, and not known to have arrived.
    under_way: Vec<Parcel>,
    /// Of all lanes, and of what is under way.
    bytes: usize,
}

/// What waits for one member.
#[derive(Debug, Default)]
struct Lane {
    /// Which of all lanes it is, from 1. A member that was forgotten gets another one, and knows by it
    /// that the numbers begin anew.
    number: u64,
    waiting: VecDeque<Waiting>,
    /// How many envelopes have been taken off the front since the beginning: what is at this index
    /// plus a position in `waiting` never changes while it waits.
    taken: u64,
    /// Where the envelope of each key waits.
    latest: HashMap<ConflationKey, u64>,
    bytes: usize,
    /// The number of the last envelope that was put into an entry.
    sequence: u64,
    /// The member's inbox has reached its bound.
    is_full: bool,
}

/// An envelope that waits.
#[derive(Clone, Debug)]
struct Waiting {
    envelope: Encoded,
    key: Option<ConflationKey>,
}

/// An entry that is ready to be sent.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    pub(super) to: Member,
    pub(super) entry: Entry,
    /// Envelopes in it.
    pub(super) count: u64,
    /// More waited for the member than fits into one.
    pub(super) is_full: bool,
    charged: usize,
}

/// What was done with an envelope.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Queued {
    /// Members it is on its way to.
    pub(super) members: usize,
    /// It took the place of an older one so many times.
    pub(super) conflated: u64,
    /// It was not queued for so many members, whose inboxes have reached their bound.
    pub(super) lost: u64,
}

impl Uplink {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Notify::new(),
            gate: Gate::default(),
            bytes_max: AtomicUsize::new(bytes_max),
        }
    }

    /// Changes the bound; what waits stays.
    pub(super) fn set_bytes_max(&self, bytes_max: usize) {
        self.bytes_max.store(bytes_max, Relaxed);
    }

    fn bytes_max(&self) -> usize {
        self.bytes_max.load(Relaxed)
    }

    /// Queues an envelope for members, for each in the form that it reads.
    ///
    /// # Errors
    ///
    /// [`Full`] if it has no room for all of them; then it was queued for none.
    pub(super) fn send(
        &self,
        to: &[(Member, Encoded)],
        class: DeliveryClass,
        key: Option<ConflationKey>,
    ) -> Result<Queued, Full> {
        let mut state = self.state.lock();
        // A member that takes nothing must not keep the others from getting theirs.
        let lane_max = self.bytes_max() / 2;
        let is_crowded = |(member, envelope): &(Member, Encoded)| {
            let lane = state.lanes.get(member);
            lane.is_some_and(|lane| 0 < lane.bytes && lane_max < lane.bytes + cost(envelope))
        };
        let all: usize = to.iter().map(|(_, envelope)| cost(envelope)).sum();
        let is_full = 0 < state.bytes && self.bytes_max() < state.bytes + all;
        if is_full || to.iter().any(is_crowded) {
            self.gate.close();
            return Err(Full {
                gate: self.gate.clone(),
            });
        }
        let mut queued = Queued::default();
        for (member, envelope) in to {
            state.queue(member, envelope, class, key, &mut queued);
        }
        drop(state);
        self.work.notify_one();
        Ok(queued)
    }

    /// Queues what members say to one another about themselves. Says whether it had room.
    pub(super) fn send_control(&self, to: &Member, envelope: &Encoded) -> bool {
        let mut state = self.state.lock();
        if self.bytes_max() + RESERVE_BYTES < state.bytes + envelope.bytes.len() {
            return false;
        }
        let mut queued = Queued::default();
        // Not ephemeral: whoever has reached its bound is asked all the same.
        let class = DeliveryClass::Durable;
        state.queue(to, envelope, class, None, &mut queued);
        drop(state);
        self.work.notify_one();
        true
    }

    /// Waits until there is something to send. Cancel safe.
    pub(super) async fn work(&self) {
        loop {
            let work = self.work.notified();
            if self.waiting() != 0 {
                return;
            }
            work.await;
        }
    }

    /// What is under way; if that is nothing, an entry for each member that something waits for. It
    /// stays under way until [`Self::done`], whatever becomes of the caller.
    pub(super) fn take(&self, from: &Member) -> Vec<Parcel> {
        let mut state = self.state.lock();
        if state.under_way.is_empty() {
            let lanes = state.lanes.iter_mut();
            let filled = lanes.filter(|(_, lane)| !lane.waiting.is_empty());
            state.under_way = filled.map(|(to, lane)| lane.take(from, to)).collect();
        }
        state.under_way.clone()
    }

    /// Takes note that everything under way is where it should be, or will never be.
    pub(super) fn done(&self) {
        let mut state = self.state.lock();
        for parcel in std::mem::take(&mut state.under_way) {
            state.bytes -= parcel.charged;
            // A member that was forgotten meanwhile may have another lane by now.
            let lane = state.lanes.get_mut(&parcel.to);
            if let Some(lane) = lane.filter(|lane| lane.number == parcel.entry.lane) {
                lane.bytes -= parcel.charged;
            }
        }
        // Half of the room, so that those who wait do not come for nothing.
        if state.bytes <= self.bytes_max() / 2 {
            self.gate.open();
        }
    }

    /// Takes note of how many entries wait in a member's inbox.
    pub(super) fn note_inbox(&self, member: &Member, waiting: u64) {
        let mut state = self.state.lock();
        if let Some(lane) = state.lanes.get_mut(member) {
            lane.is_full = INBOX_ENTRIES_MAX <= waiting;
        }
    }

    /// Gives back what waits for a member that is gone, and forgets it.
    pub(super) fn forget(&self, member: &Member) -> Vec<Encoded> {
        let mut state = self.state.lock();
        let Some(lane) = state.lanes.remove(member) else {
            return Vec::new();
        };
        let costs = lane.waiting.iter().map(|waiting| cost(&waiting.envelope));
        state.bytes -= costs.sum::<usize>();
        if state.bytes <= self.bytes_max() / 2 {
            self.gate.open();
        }
        lane.waiting
            .into_iter()
            .map(|waiting| waiting.envelope)
            .collect()
    }

    /// Forgets everything, the numbers included: the member begins a new life. Gives back the
    /// envelopes that are lost by it.
    pub(super) fn reset(&self) -> Vec<Encoded> {
        let mut state = self.state.lock();
        let State {
            lanes, under_way, ..
        } = std::mem::take(&mut *state);
        self.gate.open();
        let under_way = under_way.into_iter();
        let under_way = under_way.flat_map(|parcel| Body::split(parcel.entry.body));
        let waiting = lanes.into_values().flat_map(|lane| lane.waiting);
        let waiting = waiting.map(|waiting| waiting.envelope);
        under_way.flatten().chain(waiting).collect()
    }

    /// Bytes that wait, or are under way.
    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    fn waiting(&self) -> usize {
        let state = self.state.lock();
        let waiting = state.lanes.values().map(|lane| lane.waiting.len());
        waiting.sum::<usize>() + state.under_way.len()
    }
}

// === impl State ===

impl State {
    fn queue(
        &mut self,
        to: &Member,
        envelope: &Encoded,
        class: DeliveryClass,
        key: Option<ConflationKey>,
        queued: &mut Queued,
    ) {
        let made = &mut self.lanes_made;
        let lane = self.lanes.entry(to.clone()).or_insert_with(|| {
            *made += 1;
            Lane {
                number: *made,
                ..Lane::default()
            }
        });
        if lane.is_full && class != DeliveryClass::Durable {
            queued.lost += 1;
            return;
        }
        queued.members += 1;
        let waiting = Waiting {
            envelope: envelope.clone(),
            key,
        };
        let cost = cost(envelope);
        if let Some(before) = lane.replace(&waiting) {
            self.bytes -= before;
            lane.bytes -= before;
            queued.conflated += 1;
        } else {
            lane.push(waiting);
        }
        self.bytes += cost;
        lane.bytes += cost;
    }
}

// === impl Lane ===

impl Lane {
    fn push(&mut self, waiting: Waiting) {
        if let Some(key) = waiting.key {
            self.latest
                .insert(key, self.taken + self.waiting.len() as u64);
        }
        self.waiting.push_back(waiting);
    }

    /// Puts a newer one in the place of the one with its key, if that still waits. Gives the cost of
    /// the older one.
    fn replace(&mut self, newer: &Waiting) -> Option<usize> {
        let place = *self.latest.get(&newer.key?)?;
        let index = usize::try_from(place.checked_sub(self.taken)?).ok()?;
        let older = self.waiting.get_mut(index)?;
        let cost = cost(&older.envelope);
        *older = newer.clone();
        Some(cost)
    }

    fn take(&mut self, from: &Member, to: &Member) -> Parcel {
        // A body is of one version; a member that turns out to read another one gets another entry.
        let version = self.waiting.front();
        let version = version.map_or(0, |first| first.envelope.version);
        let mut body = Body::new(version);
        let mut charged = 0;
        while let Some(Waiting { envelope: next, .. }) = self.waiting.front()
            && next.version == version
            && body.count() < ENTRY_ENVELOPES_MAX
            && (body.is_empty() || body.len() + next.bytes.len() <= ENTRY_BYTES_MAX)
            && let Some(next) = self.waiting.pop_front()
        {
            if let Some(key) = next.key
                && self.latest.get(&key) == Some(&self.taken)
            {
                self.latest.remove(&key);
            }
            self.taken += 1;
            charged += cost(&next.envelope);
            body.push(&next.envelope);
        }
        let (first, count) = (self.sequence + 1, body.count());
        self.sequence += count;
        Parcel {
            to: to.clone(),
            entry: Entry {
                from: from.clone(),
                lane: self.number,
                sequence: first,
                body: body.finish(),
            },
            count,
            is_full: !self.waiting.is_empty(),
            charged,
        }
    }
}

/// What an envelope is charged while it waits.
fn cost(envelope: &Encoded) -> usize {
    envelope.bytes.len() + OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn member(text: &str) -> Member {
        Member::new(&text.parse().unwrap(), 1)
    }

    fn encoded(version: u8, text: &'static str) -> Encoded {
        let bytes = Bytes::from_static(text.as_bytes());
        Encoded { version, bytes }
    }

    fn to(members: &[Member], text: &'static str) -> Vec<(Member, Encoded)> {
        let members = members.iter().cloned();
        members.map(|member| (member, encoded(1, text))).collect()
    }

    fn send(uplink: &Uplink, members: &[Member], text: &'static str) -> Result<Queued, Full> {
        uplink.send(&to(members, text), DeliveryClass::Ephemeral, None)
    }

    fn texts(parcel: &Parcel) -> Vec<Bytes> {
        let envelopes = Body::split(parcel.entry.body.clone()).unwrap();
        envelopes
            .into_iter()
            .map(|envelope| envelope.bytes)
            .collect()
    }

    #[test]
    fn an_entry_is_of_one_version() {
        let uplink = Uplink::new(10_000);
        for (version, text) in [(1, "a"), (1, "b"), (2, "c"), (1, "d")] {
            let to = [(member("a"), encoded(version, text))];
            uplink.send(&to, DeliveryClass::Ephemeral, None).unwrap();
        }
        for (version, expect, sequence) in [(1, &["a", "b"][..], 1), (2, &["c"], 3), (1, &["d"], 4)]
        {
            let parcel = uplink.take(&member("me")).remove(0);
            assert_eq!(texts(&parcel), expect);
            assert_eq!(
                (parcel.entry.body[0], parcel.entry.sequence),
                (version, sequence)
            );
            uplink.done();
        }
        assert_eq!(uplink.bytes(), 0);
    }

    #[test]
    fn what_waits_for_a_member_leaves_as_one_numbered_entry() {
        let uplink = Uplink::new(10_000);
        let (a, b) = (member("a"), member("b"));
        send(&uplink, &[a.clone(), b.clone()], "1").unwrap();
        send(&uplink, std::slice::from_ref(&a), "2").unwrap();
        let mut parcels = uplink.take(&member("me"));
        parcels.sort_by(|one, other| one.to.as_str().cmp(other.to.as_str()));
        assert_eq!(texts(&parcels[0]), ["1", "2"]);
        assert_eq!(parcels[0].entry.sequence, 1);
        assert_eq!(texts(&parcels[1]), ["1"]);
        send(&uplink, &[a], "3").unwrap();
        // Its fate is unknown: it is repeated as it was.
        assert_eq!(uplink.take(&member("me")).len(), 2);
        uplink.done();
        assert_eq!(uplink.take(&member("me"))[0].entry.sequence, 3);
    }

    #[test]
    fn what_does_not_fit_into_an_entry_waits_for_the_next() {
        let uplink = Uplink::new(1_000_000);
        for _ in 0..=ENTRY_ENVELOPES_MAX {
            send(&uplink, &[member("a")], "x").unwrap();
        }
        let first = uplink.take(&member("me")).remove(0);
        assert_eq!((first.count, first.is_full), (ENTRY_ENVELOPES_MAX, true));
        uplink.done();
        let second = uplink.take(&member("me")).remove(0);
        assert_eq!((second.count, second.is_full), (1, false));
    }

    #[test]
    fn without_room_nothing_happens_and_room_comes_back() {
        let uplink = Uplink::new(1000);
        let (a, b) = (member("a"), member("b"));
        let mut sent = 0;
        let full = loop {
            match send(&uplink, &[a.clone(), b.clone()], "x") {
                Ok(_) => sent += 1,
                Err(full) => break full,
            }
        };
        assert_eq!(sent, 5);
        let parcels = uplink.take(&member("me"));
        assert!(parcels.iter().all(|parcel| texts(parcel).len() == sent));
        // Under way is not done.
        assert!(send(&uplink, &[a, b], "x").is_err());
        assert!(!is_ready(full.gate.wait()));
        uplink.done();
        assert!(is_ready(full.gate.wait()));
    }

    /// Whether a future is done at once.
    fn is_ready(future: impl Future<Output = ()>) -> bool {
        let mut future = std::pin::pin!(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut context).is_ready()
    }

    #[test]
    fn a_member_that_takes_nothing_leaves_room_for_the_others() {
        let uplink = Uplink::new(1000);
        while send(&uplink, &[member("a")], "x").is_ok() {}
        assert!(uplink.bytes() <= 500);
        assert!(send(&uplink, &[member("b")], "x").is_ok());
        assert!(uplink.send_control(&member("a"), &encoded(1, "x")));
    }

    #[test]
    fn the_newest_of_a_key_takes_the_place_of_one_that_waits() {
        let uplink = Uplink::new(10_000);
        let (a, key) = (member("a"), ConflationKey::new(&[b"k"]));
        let latest = |text: &'static str| {
            let to = to(&[member("a")], text);
            uplink.send(&to, DeliveryClass::Latest, Some(key)).unwrap()
        };
        latest("p1");
        send(&uplink, std::slice::from_ref(&a), "m").unwrap();
        assert_eq!(latest("p2").conflated, 1);
        assert_eq!(texts(&uplink.take(&member("me"))[0]), ["p2", "m"]);
        uplink.done();
        // What is under way is not replaced.
        assert_eq!(latest("p3").conflated, 0);
        assert_eq!(texts(&uplink.take(&member("me"))[0]), ["p3"]);
    }

    #[test]
    fn an_inbox_at_its_bound_takes_what_is_durable_only() {
        let uplink = Uplink::new(10_000);
        let a = member("a");
        send(&uplink, std::slice::from_ref(&a), "1").unwrap();
        uplink.note_inbox(&a, INBOX_ENTRIES_MAX);
        assert_eq!(
            send(&uplink, std::slice::from_ref(&a), "2").unwrap().lost,
            1
        );
        let durable = to(std::slice::from_ref(&a), "3");
        let queued = uplink.send(&durable, DeliveryClass::Durable, None);
        assert_eq!(queued.unwrap().members, 1);
        uplink.note_inbox(&a, INBOX_ENTRIES_MAX - 1);
        assert_eq!(send(&uplink, &[a], "4").unwrap().lost, 0);
        assert_eq!(texts(&uplink.take(&member("me"))[0]), ["1", "3", "4"]);
    }

    #[test]
    fn what_waits_for_a_member_that_is_gone_comes_back() {
        let uplink = Uplink::new(10_000);
        send(&uplink, &[member("a")], "1").unwrap();
        assert_eq!(uplink.forget(&member("a")), [encoded(1, "1")]);
        assert_eq!(uplink.bytes(), 0);
        assert!(uplink.take(&member("me")).is_empty());
    }
}
