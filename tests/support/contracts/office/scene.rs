//! Two members that decide and tell, and what they have told.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tidegate::{
    id::{SessionId, UserId},
    office::{
        Ahead, Customer, Decided, Done, End, EntryId, Look, Office, PAGE_MAX, Party, Reason,
        Refusal, Rules, Strategy, Turn, View, entry::Entry,
    },
};
use tokio::task::JoinSet;

/// What two members have, who are that far ahead.
pub(crate) type Make = Arc<dyn Fn(Ahead) -> [Arc<dyn Office>; 2] + Send + Sync>;

/// An agent who is away for so long loses its customers.
pub(super) const AWAY: Duration = Duration::from_secs(10);
/// A customer who says nothing for so long is released.
pub(super) const IDLE: Duration = Duration::from_secs(24 * 3600);

/// Calls go to the two in turn.
pub(super) struct Scene {
    offices: [Arc<dyn Office>; 2],
    calls: usize,
    ahead: Ahead,
    pub(super) rules: Rules,
    /// Whoever has a turn uses it.
    pub(super) tells: bool,
    /// Those that were not used.
    pub(super) turns: Vec<Turn>,
    /// It does, but does not come to say so.
    pub(super) dies_while_telling: bool,
    /// What was published, by topic.
    pub(super) said: BTreeMap<String, Vec<String>>,
    /// Entries that were told, those of one lane in order.
    pub(super) told: Vec<Entry>,
    pub(super) assigned: [u64; Reason::ALL.len()],
    pub(super) dropped: u64,
}

// === impl Scene ===

impl Scene {
    pub(super) fn new(make: Make, strategy: Strategy) -> Self {
        let ahead = Ahead::default();
        Self {
            offices: make(ahead.clone()),
            calls: 0,
            ahead,
            rules: Rules {
                strategy,
                reassign_after: AWAY,
                idle: IDLE,
            },
            tells: true,
            turns: Vec::new(),
            dies_while_telling: false,
            said: BTreeMap::new(),
            told: Vec::new(),
            assigned: [0; Reason::ALL.len()],
            dropped: 0,
        }
    }

    /// The one whose turn it is.
    fn office(&mut self) -> Arc<dyn Office> {
        self.calls += 1;
        Arc::clone(&self.offices[self.calls % 2])
    }

    pub(super) async fn sit(&mut self, agent: &str, session: &str) {
        self.try_sit(agent, session).await.unwrap();
    }

    pub(super) async fn try_sit(&mut self, agent: &str, session: &str) -> Result<(), Refusal> {
        let rules = self.rules;
        let sitting = self.office().sit(party(agent), id(session), rules).await;
        self.settle(sitting.unwrap()).await
    }

    pub(super) async fn rise(&mut self, session: &str, end: End) {
        let done = self.office().rise(id(session), end).await.unwrap();
        self.tell(done).await;
    }

    pub(super) async fn ask(&mut self, customer: &str, data: &str) -> Result<(), Refusal> {
        let (data, rules) = (Bytes::copy_from_slice(data.as_bytes()), self.rules);
        let asking = self.office().ask(party(customer), data, rules).await;
        self.settle(asking.unwrap()).await
    }

    /// All of them twice, at the same time; then all is told.
    pub(super) async fn ask_at_once(&mut self, customers: &[String]) {
        let mut asking = JoinSet::new();
        for customer in customers.iter().chain(customers) {
            let (office, party, rules) = (self.office(), party(customer), self.rules);
            asking.spawn(async move { office.ask(party, Bytes::from_static(b"1"), rules).await });
        }
        for decided in asking.join_all().await {
            self.settle(decided.unwrap()).await.unwrap();
        }
    }

    pub(super) async fn transfer(
        &mut self,
        by: Option<&str>,
        customer: &str,
        to: &str,
    ) -> Result<(), Refusal> {
        let (by, customer, to) = (by.map(user), user(customer), user(to));
        let decided = self.office().transfer(by, customer, to).await.unwrap();
        self.settle(decided).await
    }

    pub(super) async fn release(&mut self, customer: &str) -> Result<(), Refusal> {
        let decided = self.office().release(None, user(customer)).await.unwrap();
        self.settle(decided).await
    }

    pub(super) async fn release_by(&mut self, by: &str, customer: &str) -> Result<(), Refusal> {
        let (by, customer) = (Some(user(by)), user(customer));
        let decided = self.office().release(by, customer).await.unwrap();
        self.settle(decided).await
    }

    /// Time passes, and then one of the two looks until there is nothing more to be done.
    pub(super) async fn pass(&mut self, time: Duration) {
        self.ahead.go(time);
        loop {
            let rules = self.rules;
            let Look { done, has_more, .. } = self.office().look(rules).await.unwrap();
            self.tell(done).await;
            if !has_more {
                return;
            }
        }
    }

    pub(super) async fn find(&mut self, customer: &str) -> Option<Customer> {
        self.office().find(user(customer)).await.unwrap()
    }

    /// All pages.
    pub(super) async fn view(&mut self) -> View {
        let mut all = self.office().view(0, PAGE_MAX).await.unwrap();
        while let Some(last) = all.customers.last() {
            let after = last.number;
            let page = self.office().view(after, PAGE_MAX).await.unwrap();
            if page.customers.is_empty() {
                break;
            }
            all.customers.extend(page.customers);
        }
        all
    }

    pub(super) fn take_said(&mut self, topic: &str) -> Vec<String> {
        self.said.remove(topic).unwrap_or_default()
    }

    pub(super) async fn next(
        &mut self,
        turn: &Turn,
        told: Vec<EntryId>,
    ) -> Option<Vec<(EntryId, Entry)>> {
        self.office().next(turn.clone(), told).await.unwrap()
    }

    async fn settle(&mut self, decided: Decided) -> Result<(), Refusal> {
        let done = decided?;
        self.tell(done).await;
        Ok(())
    }

    async fn tell(&mut self, done: Done) {
        for (all, more) in self.assigned.iter_mut().zip(done.assigned) {
            *all += more;
        }
        self.dropped += done.dropped;
        if !self.tells {
            self.turns.extend(done.turns);
            return;
        }
        for turn in done.turns {
            self.tell_lane(turn).await;
        }
    }

    async fn tell_lane(&mut self, turn: Turn) {
        let mut told = Vec::new();
        loop {
            let next = self.office().next(turn.clone(), told).await.unwrap();
            let entries = next.expect("it is the turn's time");
            if entries.is_empty() {
                return;
            }
            told = Vec::new();
            for (id, entry) in entries {
                for message in entry.messages() {
                    let topic = self
                        .said
                        .entry(message.topic.as_str().to_owned())
                        .or_default();
                    topic.push(String::from_utf8(message.data.to_vec()).unwrap());
                }
                self.told.push(entry);
                told.push(id);
            }
            if self.dies_while_telling {
                return;
            }
        }
    }
}

pub(super) fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn id(session: &str) -> SessionId {
    session.parse().unwrap()
}

pub(super) fn party(id: &str) -> Party {
    Party {
        id: user(id),
        name: format!("name of {id}").into(),
    }
}
