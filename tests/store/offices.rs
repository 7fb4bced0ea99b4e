//! Customer service of a node without Redis, over a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use tidegate::{
    clock::Clock,
    id::UserId,
    office::{Ahead, EntryId, LEASE, Office, Party, Rules, Strategy, Turn, entry::Entry},
    store::sqlite::{Database, SqliteOffice},
};

use super::{contracts::office, machine::Folder, sqlite::file};

const RULES: Rules = Rules {
    strategy: Strategy::RoundRobin,
    reassign_after: Duration::from_secs(10),
    idle: Duration::from_secs(3600),
};

/// One life of a node.
struct Life {
    office: Arc<dyn Office>,
    ahead: Ahead,
}

impl Life {
    fn begin(folder: &Folder) -> Self {
        let database = Database::open(&file(folder.path(), "office")).unwrap();
        let ahead = Ahead::default();
        Self {
            office: Arc::new(SqliteOffice::new(database, Clock::start(), ahead.clone())),
            ahead,
        }
    }

    async fn sit(&self, agent: &str, session: &str) -> Vec<Turn> {
        let sitting = self
            .office
            .sit(party(agent), session.parse().unwrap(), RULES);
        sitting.await.unwrap().unwrap().turns
    }

    async fn ask(&self, customer: &str, data: &'static str) -> Vec<Turn> {
        let asking = self.office.ask(party(customer), data.into(), RULES);
        asking.await.unwrap().unwrap().turns
    }

    async fn next(&self, turn: &Turn, told: Vec<EntryId>) -> Vec<(EntryId, Entry)> {
        self.office.next(turn.clone(), told).await.unwrap().unwrap()
    }

    /// What the customers of these turns have said.
    async fn said(&self, turns: Vec<Turn>) -> Vec<String> {
        let mut said = Vec::new();
        for turn in turns {
            for (_, entry) in self.next(&turn, Vec::new()).await {
                if let Entry::Message { data, .. } = entry {
                    said.push(String::from_utf8(data.to_vec()).unwrap());
                }
            }
        }
        said
    }
}

fn party(id: &str) -> Party {
    Party {
        id: user(id),
        name: format!("\u{540d} \"{id}\"").into(),
    }
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

#[tokio::test]
async fn what_is_on_disk_keeps_the_contract() {
    let folder = Arc::new(Folder::new());
    let numbers = AtomicUsize::new(0);
    let make = move || -> office::Make {
        let (folder, number) = (Arc::clone(&folder), numbers.fetch_add(1, Relaxed));
        Arc::new(move |ahead| {
            let place = file(folder.path(), &format!("{number}"));
            let database = Database::open(&place).unwrap();
            let office: Arc<dyn Office> =
                Arc::new(SqliteOffice::new(database, Clock::start(), ahead));
            [Arc::clone(&office), office]
        })
    };
    office::holds(&make).await;
    office::whatever_happens_in_whichever_order(make).await;
}

#[tokio::test]
async fn customers_and_what_they_say_outlive_a_restart_and_agents_do_not() {
    let folder = Folder::new();
    let first = Life::begin(&folder);
    let turn = first.ask("7", "\"a\"").await.remove(0);
    first.sit("1", "n.1.1").await;
    let told = first.next(&turn, Vec::new()).await;
    let told = told.into_iter().map(|(id, _)| id).collect();
    assert_eq!(first.next(&turn, told).await, []);
    first.ask("7", "\"b\"").await;
    drop(first);

    let second = Life::begin(&folder);
    let view = second.office.view(0, 10).await.unwrap();
    assert_eq!(view.customers[0].party, party("7"));
    assert_eq!(view.customers[0].agent, Some(party("1")));
    assert!(!view.agents[0].is_online);
    // What was given last may not have come through.
    let turns = second.sit("1", "n.2.1").await;
    assert_eq!(second.said(turns).await, ["\"a\"", "\"b\""]);
    drop(second);

    let third = Life::begin(&folder);
    third.ask("8", "1").await;
    third.ahead.go(RULES.reassign_after);
    third.office.look(RULES).await.unwrap();
    let view = third.office.view(0, 10).await.unwrap();
    assert_eq!(view.agents, []);
    let places = view.customers.iter().map(|customer| customer.position);
    assert!(
        places.eq([Some(1), Some(2)]),
        "the one who came first is the first"
    );
    let after = view.customers[1].number;
    third.ask("9", "1").await;
    let last = third.office.find(user("9")).await.unwrap().unwrap();
    assert!(after < last.number);
}

#[tokio::test]
async fn what_was_not_told_is_told_after_a_restart() {
    let folder = Folder::new();
    let first = Life::begin(&folder);
    first.ask("7", "1").await;
    first
        .office
        .release(None, user("7"))
        .await
        .unwrap()
        .unwrap();
    drop(first);
    let second = Life::begin(&folder);
    second.ahead.go(LEASE);
    let turns = second.office.look(RULES).await.unwrap().done.turns;
    let entries = second.next(&turns[0], Vec::new()).await;
    let changes = entries
        .iter()
        .filter(|(_, entry)| matches!(entry, Entry::Change(_)));
    assert_eq!(changes.count(), 2, "it has waited, and was released");
    let told = entries.into_iter().map(|(id, _)| id).collect();
    assert_eq!(second.next(&turns[0], told).await, []);
    drop(second);
    let third = Life::begin(&folder);
    assert_eq!(third.office.look(RULES).await.unwrap().done.turns, []);
    assert_eq!(third.office.find(user("7")).await, Ok(None));
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_in_nobodys_way() {
    let folder = Folder::new();
    let database = Database::open(&file(folder.path(), "office")).unwrap();
    let insert = "INSERT INTO service (customer, body) VALUES ('7', x'7b'), ('', x'7b7d')";
    database
        .transact(move |on| on.execute(insert, []))
        .await
        .unwrap();
    let office = SqliteOffice::new(database, Clock::start(), Ahead::default());
    let data = Bytes::from_static(b"1");
    office.ask(party("7"), data, RULES).await.unwrap().unwrap();
    assert_eq!(office.view(0, 10).await.unwrap().customers.len(), 1);
}
