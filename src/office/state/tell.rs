//! Lanes: what is to be told, and whose turn it is.

use super::{Due, Lane, State, Step, TURNS_MAX, Turn, millis};
use crate::{
    id::UserId,
    office::{ENTRIES_MAX, End, EntryId, LEASE, WINDOW, WINDOW_MESSAGES_MAX, entry::Entry},
};

/// Before the number of an entry that is no message of the customer.
const NEWS: char = 'n';
/// And of one that is.
const MAIL: char = 'm';

impl State {
    /// See [`crate::office::Office::next`].
    pub fn next(
        &mut self,
        turn: &Turn,
        told: &[EntryId],
        now_ms: u64,
    ) -> Option<Vec<(EntryId, Entry)>> {
        let Turn { lane, number } = turn;
        self.due.get(lane).filter(|due| due.turn == *number)?;
        for EntryId(id) in told {
            self.take_out(lane, id, now_ms);
        }
        let entries = self.entries(lane);
        match entries.is_empty() {
            true => {
                self.due.remove(lane);
            }
            false => {
                let until_ms = now_ms + millis(LEASE);
                let turn = *number;
                self.due.insert(lane.clone(), Due { until_ms, turn });
            }
        }
        Some(entries)
    }

    pub(super) fn tell(&mut self, lane: Lane, entry: Entry, step: &mut Step) {
        self.last_entry += 1;
        let number = self.last_entry;
        let news = self.news.entry(lane.clone()).or_default();
        news.push_back((number, entry));
        if let Some(customer) = &lane {
            self.change(customer);
        }
        self.mark(lane, step);
    }

    /// A lane has something to be told. It is the caller's turn, unless somebody else is at it.
    pub(super) fn mark(&mut self, lane: Lane, step: &mut Step) {
        let is_taken = |due: &Due| step.now_ms < due.until_ms;
        if self.due.get(&lane).is_some_and(is_taken) {
            return;
        }
        if step.done.turns.len() < TURNS_MAX {
            return self.take_turn(lane, step);
        }
        let until_ms = step.now_ms;
        self.due.insert(lane, Due { until_ms, turn: 0 });
    }

    /// Takes the turns that nobody uses.
    pub(super) fn take_turns(&mut self, step: &mut Step) {
        let is_free = |due: &Due| due.until_ms <= step.now_ms;
        let room = TURNS_MAX.saturating_sub(step.done.turns.len());
        let free = self.due.iter().filter(|(_, due)| is_free(due)).take(room);
        let free: Vec<Lane> = free.map(|(lane, _)| lane.clone()).collect();
        for lane in free {
            self.take_turn(lane, step);
        }
    }

    /// Nothing is remembered of what was passed on to an agent whose seats are gone; if that was lost, it
    /// is to be passed on again.
    pub(super) fn forget_sent(&mut self, customer: &UserId, end: End, now_ms: u64) {
        let client = self.client(customer);
        if client.sent.is_empty() {
            return;
        }
        forget_old(&mut client.sent, now_ms);
        let sent = std::mem::take(&mut client.sent);
        if end == End::Died {
            client.again += sent.len();
            let again = sent.into_iter().map(|(_, data)| data);
            let waiting = std::mem::take(&mut client.waiting);
            let waiting = waiting.into_iter().map(|(_, data)| data);
            let all: Vec<_> = again.chain(waiting).collect();
            for data in all {
                self.last_entry += 1;
                let number = self.last_entry;
                self.client(customer).waiting.push_back((number, data));
            }
        }
        self.change(customer);
    }

    fn take_turn(&mut self, lane: Lane, step: &mut Step) {
        self.last_turn += 1;
        let (number, until_ms) = (self.last_turn, step.now_ms + millis(LEASE));
        let turn = number;
        self.due.insert(lane.clone(), Due { until_ms, turn });
        step.done.turns.push(Turn { lane, number });
    }

    fn take_out(&mut self, lane: &Lane, id: &str, now_ms: u64) {
        let mail = id.strip_prefix(MAIL).and_then(|id| id.parse::<u64>().ok());
        if let Some(number) = mail
            && let Some(customer) = lane
            && let Some(client) = self.customers.get_mut(customer)
            && let Some(at) = client.waiting.iter().position(|(id, _)| *id == number)
            && let Some((_, data)) = client.waiting.remove(at)
        {
            client.again -= usize::from(at < client.again);
            forget_old(&mut client.sent, now_ms);
            client.sent.push_back((now_ms, data));
            if WINDOW_MESSAGES_MAX < client.sent.len() {
                client.sent.pop_front();
            }
            self.change(customer);
        }
        let news = id.strip_prefix(NEWS).and_then(|id| id.parse::<u64>().ok());
        if let Some(number) = news
            && let Some(waiting) = self.news.get_mut(lane)
        {
            waiting.retain(|(id, _)| *id != number);
            if waiting.is_empty() {
                self.news.remove(lane);
            }
            if let Some(customer) = lane {
                self.change(customer);
            }
        }
    }

    /// What comes next: news, and behind them what the customer says to an agent who is there.
    fn entries(&self, lane: &Lane) -> Vec<(EntryId, Entry)> {
        let name = |kind: char, number: u64| EntryId(format!("{kind}{number}").into());
        let news = self.news.get(lane).into_iter().flatten();
        let news = news.map(|(number, entry)| (name(NEWS, *number), entry.clone()));
        let client = lane
            .as_ref()
            .and_then(|customer| self.customers.get(customer));
        let served = client.and_then(|client| {
            let agent = client.agent.as_ref()?;
            self.is_online(agent).then(|| (client, agent.id()))
        });
        let mail = served.into_iter().flat_map(|(client, agent)| {
            client.waiting.iter().map(move |(number, data)| {
                let (to, data, waits) = (agent.clone(), data.clone(), true);
                (name(MAIL, *number), Entry::Message { to, data, waits })
            })
        });
        news.chain(mail).take(ENTRIES_MAX).collect()
    }
}

fn forget_old(sent: &mut std::collections::VecDeque<(u64, bytes::Bytes)>, now_ms: u64) {
    let old_ms = now_ms.saturating_sub(millis(WINDOW));
    while sent.pop_front_if(|(at_ms, _)| *at_ms < old_ms).is_some() {}
}
