//! SQLite: in a file and in memory.

use std::{path::Path, sync::Arc, time::Duration};

use tidegate::{
    clock::Clock,
    contacts::{Contacts, Position},
    journal::{Accepted, Journal, REPEATS_MS},
    lookup::{Lookup, Table},
    orders::Orders,
    sayings::{DRAFTS_KEPT, Draft, Drafts},
    store::{
        RecordId, StoreError,
        sqlite::{
            Database, Place, SqliteContacts, SqliteDrafts, SqliteJournal, SqliteMessages,
            SqliteOrders, SqliteSayings,
        },
    },
};
use tokio::task::JoinSet;

use super::{
    Cases,
    contracts::{
        self, all_of,
        journal::{befriend, keep},
        orders::{ROWS, TEXT_ROWS},
        person, text,
    },
    machine::Folder,
    sayings_keep_the_contract, start, stores_keep_the_contract,
};

/// Makes a place for each case, which goes with it.
trait Rig {
    fn open(&self, case: &str) -> Database;
}

struct Memory;

impl Rig for Memory {
    fn open(&self, _: &str) -> Database {
        Database::open(&Place::Memory).unwrap()
    }
}

impl Rig for Folder {
    fn open(&self, case: &str) -> Database {
        Database::open(&file(self.path(), case)).unwrap()
    }
}

pub(crate) fn file(folder: &Path, name: &str) -> Place {
    Place::File(folder.join(format!("{name}.db")))
}

async fn keeps_the_contracts(rig: impl Rig) {
    let clock = Clock::start();
    stores_keep_the_contract(|case| Arc::new(SqliteMessages::new(rig.open(case)))).await;
    sayings_keep_the_contract(|case| Arc::new(SqliteSayings::new(rig.open(case)))).await;
    let mut cases = Cases::default();
    start!(
        cases,
        |case| -> Arc<dyn Drafts> { Arc::new(SqliteDrafts::new(rig.open(case))) },
        sayings::drafts_are_listed_oldest_first,
        sayings::a_draft_is_taken_by_one_after_its_approval,
        sayings::what_is_rejected_or_cleared_is_gone,
        sayings::a_room_has_as_many_drafts_as_it_may,
    );
    cases.end().await;
    let mut cases = Cases::default();
    start!(
        cases,
        |case| -> Arc<dyn Contacts> { Arc::new(SqliteContacts::new(rig.open(case), clock)) },
        contacts::friends_are_one_way_and_in_order,
        contacts::every_change_of_friends_can_be_made_twice,
        contacts::couriers_come_and_go,
        contacts::only_couriers_are_located,
        contacts::orders_that_were_taken_are_known,
    );
    cases.end().await;
    journals_keep_the_contract(&rig).await;
    let insert = "INSERT INTO orders (id, customer_id, courier_id) VALUES (?1, ?2, ?3)";
    let mut cases = Cases::default();
    let rows = ROWS.iter().filter(|row| row.1.is_some());
    let all: Vec<_> = rows.chain(&TEXT_ROWS).copied().collect();
    let database = rig.open("orders");
    let filling = database.transact(move |on| {
        all.iter()
            .try_for_each(|row| on.execute(insert, *row).map(|_| ()))
    });
    filling.await.unwrap();
    let orders: Arc<dyn Orders> = Arc::new(SqliteOrders::new(database, &Lookup::default()));
    start!(
        cases,
        |_| Arc::clone(&orders),
        orders::orders_are_found_by_their_ids,
        orders::what_only_looks_like_an_id_is_none,
        orders::an_order_of_nobody_who_can_be_is_none,
        orders::ids_that_are_texts_are_compared_by_their_bytes,
    );
    cases.end().await;
}

async fn journals_keep_the_contract(rig: &impl Rig) {
    let clock = Clock::start();
    let make = |database: Database| -> (Arc<dyn Journal>, Arc<dyn Contacts>) {
        let contacts = SqliteContacts::new(database.clone(), clock);
        let journal = SqliteJournal::new(database, clock);
        (Arc::new(journal), Arc::new(contacts))
    };
    let mut cases = Cases::default();
    /// A case with two places.
    macro_rules! start {
        ($($case:ident),+ $(,)?) => {
            $(
                let (journal, contacts) = make(rig.open(stringify!($case)));
                let case = contracts::journal::$case(journal, contacts);
                cases.start(stringify!($case), case);
            )+
        };
    }
    start!(
        nothing_accepted_is_nothing_kept,
        ids_grow_in_the_order_of_what_was_accepted,
        the_history_answers_every_query,
        what_one_was_answered_everybody_reads_at_once,
        who_is_no_friend_is_not_written_to,
        a_repeat_is_the_message_that_was_kept,
        a_repeat_in_one_call_is_one_message,
        a_push_is_told_by_its_name_and_topic,
        what_has_no_packet_id_is_no_repeat,
    );
    let database = rig.open("a_day");
    let (journal, contacts) = make(database.clone());
    let ahead = |ms: u64| -> Arc<dyn Journal> {
        let clock = clock.ahead(Duration::from_millis(ms));
        Arc::new(SqliteJournal::new(database.clone(), clock))
    };
    // Enough for what a test takes.
    let (within, later) = (ahead(REPEATS_MS - 60_000), ahead(REPEATS_MS + 1));
    let case =
        contracts::journal::a_repeat_is_forgotten_after_a_day(journal, contacts, within, later);
    cases.start("a_repeat_is_forgotten_after_a_day", case);
    cases.end().await;
}

#[tokio::test]
async fn sqlite_in_memory() {
    keeps_the_contracts(Memory).await;
}

#[tokio::test]
async fn sqlite_in_a_file() {
    keeps_the_contracts(Folder::new()).await;
}

/// As an application may have it, whose column makes numbers of texts.
#[tokio::test]
async fn orders_may_be_in_a_table_of_the_application_or_come_from_its_query() {
    let database = Database::open(&Place::Memory).unwrap();
    let fill = database.transact(|on| {
        on.execute_batch("CREATE TABLE \"require-d\" (nr INTEGER PRIMARY KEY, who TEXT, deliver)")?;
        let insert = "INSERT INTO \"require-d\" VALUES (?1, ?2, ?3)";
        ROWS.iter()
            .try_for_each(|row| on.execute(insert, *row).map(|_| ()))
    });
    fill.await.unwrap();
    let table = Lookup::table(Table {
        table: "require-d".into(),
        order: "nr".into(),
        customer: "who".into(),
        courier: "deliver".into(),
    });
    let query = Lookup::query("SELECT who, deliver, nr FROM \"require-d\" WHERE nr = ?");
    for lookup in [table.unwrap(), query.unwrap()] {
        let orders: Arc<dyn Orders> = Arc::new(SqliteOrders::new(database.clone(), &lookup));
        contracts::orders::orders_are_found_by_their_ids(Arc::clone(&orders)).await;
        contracts::orders::what_only_looks_like_an_id_is_none(Arc::clone(&orders)).await;
        contracts::orders::an_order_of_nobody_who_can_be_is_none(orders).await;
    }
}

#[tokio::test]
async fn couriers_are_where_they_were_last() {
    let clock = Clock::start();
    let database = Database::open(&Place::Memory).unwrap();
    let contacts = SqliteContacts::new(database, clock);
    contacts.set_courier(person(9), true).await.unwrap();
    assert_eq!(contacts.located(person(9)), None);
    for longitude in [1.0, 2.0] {
        let position = Position {
            longitude,
            latitude: 0.5,
        };
        contacts.locate(person(9), position).await.unwrap();
        let located = contacts.located(person(9)).unwrap();
        assert_eq!(located.position, position);
        assert!(clock.now().unix_ms - located.time_ms < 10_000);
    }
    contacts.set_courier(person(9), false).await.unwrap();
    assert_eq!(contacts.located(person(9)), None);
}

#[tokio::test]
async fn it_is_known_for_a_month_that_an_order_was_taken() {
    let clock = Clock::start();
    let database = Database::open(&Place::Memory).unwrap();
    let after = |days: u64| {
        let ahead = Duration::from_secs(days * 24 * 60 * 60);
        SqliteContacts::new(database.clone(), clock.ahead(ahead))
    };
    after(0).set_taken("1", person(9)).await.unwrap();
    after(31).set_taken("2", person(9)).await.unwrap();
    assert_eq!(after(31).taken_by("1").await, Ok(Some(person(9))));
    after(40).set_taken("3", person(9)).await.unwrap();
    assert_eq!(after(40).taken_by("1").await, Ok(None));
    assert_eq!(after(40).taken_by("2").await, Ok(Some(person(9))));
}

#[tokio::test]
async fn ids_go_on_and_repeats_are_known_after_a_restart_also_if_the_clock_went_back() {
    let folder = Folder::new();
    let place = file(folder.path(), "a");
    let clock = Clock::start();
    let hour = Duration::from_secs(60 * 60);
    let database = Database::open(&place).unwrap();
    befriend(&SqliteContacts::new(database.clone(), clock)).await;
    let ahead = SqliteJournal::new(database.clone(), clock.ahead(hour));
    let (first, _) = keep(&ahead, text(1, 2, 1, "a")).await;
    // What is old may have been removed since.
    let remove = database.transact(|on| on.execute("DELETE FROM message", []));
    remove.await.unwrap();
    drop((database, ahead));
    let journal = SqliteJournal::new(Database::open(&place).unwrap(), clock);
    let (second, is_repeat) = keep(&journal, text(1, 2, 2, "a")).await;
    assert!(!is_repeat);
    assert_eq!(second, RecordId(first.0 + 1));
    assert_eq!(keep(&journal, text(1, 2, 1, "a")).await, (first, true));
}

#[tokio::test]
async fn a_disk_that_is_full_refuses_a_whole_call_and_then_works_again() {
    let folder = Folder::new();
    let database = Database::open(&file(folder.path(), "a")).unwrap();
    let clock = Clock::start();
    befriend(&SqliteContacts::new(database.clone(), clock)).await;
    let journal = Arc::new(SqliteJournal::new(database.clone(), clock));
    let (kept, _) = keep(&*journal, text(1, 2, 0, "before")).await;
    let limit = |pages: &'static str| {
        let database = database.clone();
        async move {
            let set = format!("PRAGMA max_page_count = {pages}");
            database
                .transact(move |on| on.query_one(&set, [], |_| Ok(())))
                .await
                .unwrap();
        }
    };
    // As small as it is: no page more.
    limit("1").await;
    let long = "x".repeat(1000);
    let call: Vec<_> = (1..200).map(|packet| text(1, 2, packet, &long)).collect();
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (journal, call) = (Arc::clone(&journal), call.clone());
        tasks.spawn(async move { journal.accept(call).await });
    }
    for refused in tasks.join_all().await {
        let error = refused.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    }
    let found = journal.history(all_of(1)).await.unwrap();
    assert_eq!(
        found.iter().map(|record| record.id).collect::<Vec<_>>(),
        [kept]
    );
    limit("1000000").await;
    let accepted = journal.accept(call).await.unwrap();
    let is_new = |accepted: &Accepted| {
        matches!(
            accepted,
            Accepted::Kept {
                is_repeat: false,
                ..
            }
        )
    };
    assert!(accepted.iter().all(is_new));
    assert_eq!(journal.history(all_of(1)).await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_reader_is_not_in_the_way_of_commits() {
    let folder = Folder::new();
    let database = Database::open(&file(folder.path(), "a")).unwrap();
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, may_end) = std::sync::mpsc::channel::<()>();
    let reader = database.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let read = reader.read(move |on| {
            let count = || on.query_one("SELECT count(*) FROM im_courier", [], |row| row.get(0));
            let before: u32 = count()?;
            begun.send(()).unwrap();
            may_end.recv().unwrap();
            Ok((before, count()?))
        });
        read.await
    });
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap())
        .await
        .unwrap();
    let contacts = SqliteContacts::new(database.clone(), Clock::start());
    contacts.set_courier(person(1), true).await.unwrap();
    // Another reader sees at once what was answered.
    assert_eq!(contacts.couriers().await, Ok(vec![person(1)]));
    end.send(()).unwrap();
    assert_eq!(tasks.join_all().await, [Ok((0, 0))], "it sees one state");
    let write = database.read(|on| on.execute("DELETE FROM im_courier", []));
    assert!(write.await.is_err());
}

/// A room that nobody has said anything in for a week has nothing that waits.
#[tokio::test]
async fn drafts_of_a_room_are_forgotten_a_week_after_the_last_one() {
    let drafts = SqliteDrafts::new(Database::open(&Place::Memory).unwrap());
    let draft = |id: &str, time_ms: u64| Draft {
        id: id.into(),
        user_id: "1".into(),
        nickname: "a".into(),
        say: "b".into(),
        time_ms,
    };
    let (begin, kept) = (1_700_000_000_000, DRAFTS_KEPT.as_millis() as u64);
    for (room, id, time_ms) in [
        ("r", "a", begin),
        ("other", "x", begin),
        ("r", "b", begin + kept),
    ] {
        assert!(drafts.add(room, draft(id, time_ms)).await.unwrap());
    }
    assert_eq!(drafts.list("r", 9).await.unwrap().len(), 2);
    let last = draft("c", begin + 2 * kept + 1);
    assert!(drafts.add("r", last.clone()).await.unwrap());
    assert_eq!(drafts.list("r", 9).await.unwrap(), [last]);
    // Also if nobody says anything there any more.
    assert_eq!(drafts.list("other", 9).await.unwrap(), []);
}
