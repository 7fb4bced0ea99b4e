use std::sync::mpsc;

use tokio::sync::oneshot;

use super::*;
use crate::{
    id::Person,
    record::{Chat, Of, Query},
    store::sqlite::{
        Database, DatabaseError, Place,
        messages::{history, signed},
        settle::settle,
    },
};

const USER: Person = Person::new(1).unwrap();

fn said(id: u64, msg: &str) -> Record {
    let id = RecordId(id);
    let chat = Chat {
        from: USER,
        to: USER,
        kind: 't',
        msg: msg.into(),
        packet_id: None,
        is_online: false,
    };
    Record {
        id,
        time_ms: id.time_ms(),
        content: Content::Chat(chat),
    }
}

async fn arrive(database: &Database, records: Vec<Record>) -> Result<(), DatabaseError> {
    let adding = database
        .transact_arrivals(move |arrivals, connection| arrivals.write(connection)?.add(records));
    adding.await
}

async fn settle_all(database: &Database) -> usize {
    database.transact_arrivals(settle).await.unwrap()
}

fn found(arrivals: &Arrivals, connection: &Connection) -> rusqlite::Result<Vec<u64>> {
    let query = Query {
        of: Of::Chat(USER),
        after: RecordId::default(),
        before: None,
        since_ms: 0,
        from: None,
        max: usize::MAX,
    };
    let found = history(connection, &query, &arrivals.read(connection)?)?;
    Ok(found.into_iter().map(|record| record.id.0).collect())
}

async fn all(database: &Database) -> Vec<u64> {
    let arrivals = database.arrivals();
    let reading = database.read(move |connection| found(&arrivals, connection));
    reading.await.unwrap()
}

#[tokio::test]
async fn who_reads_an_older_state_finds_what_is_settled_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&Place::File(folder.path().join("a.db"))).unwrap();
    let first = RecordId::FIRST.0;
    arrive(&database, vec![said(first, "a"), said(first + 1, "b")])
        .await
        .unwrap();
    let (begun, has_begun) = oneshot::channel();
    let (settled, is_settled) = mpsc::channel();
    let arrivals = database.arrivals();
    let reading = database.read(move |connection| {
        let _: i64 = connection.query_one("SELECT count(*) FROM message", [], |row| row.get(0))?;
        let _ = begun.send(());
        let _ = is_settled.recv();
        found(&arrivals, connection)
    });
    let settling = async {
        has_begun.await.unwrap();
        let count = settle_all(&database).await;
        settled.send(()).unwrap();
        count
    };
    let (found, count) = tokio::join!(reading, settling);
    assert_eq!((found.unwrap(), count), (vec![first + 1, first], 2));
    assert_eq!(all(&database).await, [first + 1, first]);
}

#[tokio::test]
async fn what_another_process_has_settled_is_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("a.db"));
    let open = || Database::open(&place).unwrap();
    let (one, two) = (open(), open());
    let first = RecordId::FIRST.0;
    arrive(&two, vec![said(first, "a")]).await.unwrap();
    assert_eq!(settle_all(&one).await, 1);
    // It has a copy, and has not looked since.
    assert_eq!(all(&two).await, [first]);
    assert_eq!(settle_all(&two).await, 0);
    arrive(&one, vec![said(first + 1, "b")]).await.unwrap();
    assert_eq!(all(&two).await, [first + 1, first]);
}

#[tokio::test]
async fn what_came_to_nothing_has_not_arrived() {
    let database = Database::of_test();
    let first = RecordId::FIRST.0;
    let adding = database.transact_arrivals(move |arrivals, connection| {
        arrivals.write(connection)?.add(vec![said(first, "a")])?;
        Err::<(), _>(rusqlite::Error::InvalidQuery)
    });
    assert!(adding.await.is_err());
    assert!(all(&database).await.is_empty());
    arrive(&database, vec![said(first, "b")]).await.unwrap();
    assert_eq!(all(&database).await, [first]);
    assert_eq!(settle_all(&database).await, 1);
}

#[tokio::test]
async fn a_commit_with_much_is_several_batches() {
    let database = Database::of_test();
    let (first, much) = (RecordId::FIRST.0, "a".repeat(BATCH_BYTES));
    let records = vec![
        said(first, &much),
        said(first + 1, "b"),
        said(first + 2, "c"),
    ];
    arrive(&database, records).await.unwrap();
    let lasts = database.transact(|connection| {
        let mut select = connection.prepare(SELECT_ARRIVED)?;
        let lasts = select.query_map([0], |row| row.get(0))?;
        lasts.collect::<rusqlite::Result<Vec<i64>>>()
    });
    assert_eq!(lasts.await.unwrap(), [signed(first), signed(first + 2)]);
    assert_eq!(settle_all(&database).await, 3);
    assert_eq!(all(&database).await, [first + 2, first + 1, first]);
}
