//! Files of SQLite that are older, newer, or opened by several.

use std::sync::Barrier;

use tidegate::{
    clock::Clock,
    contacts::Contacts,
    id::Person,
    journal::Journal,
    store::{
        Of, Query,
        sqlite::{Database, DatabaseError, SqliteContacts, SqliteJournal},
    },
};

use super::{
    contracts::{self, journal::keep, person, text},
    machine::Folder,
    sqlite::file,
};

/// Who opens one file at the same time.
const OPENERS: usize = 16;

#[tokio::test]
async fn a_file_of_an_older_version_gets_its_tables_and_keeps_its_rows() {
    let folder = Folder::new();
    let place = file(folder.path(), "a");
    let database = Database::open(&place).unwrap();
    let age = database.transact(|on| {
        // Those that the first version had stay.
        let mut tables = on.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table'
                AND name NOT IN ('mail', 'queue', 'queue_dead') AND name NOT LIKE 'sqlite_%'",
        )?;
        let names = tables.query_map([], |row| row.get::<_, String>(0))?;
        for name in names.collect::<Result<Vec<_>, _>>()? {
            on.execute_batch(&format!("DROP TABLE {name}"))?;
        }
        on.execute_batch(
            "INSERT INTO mail (user, put_ms, body) VALUES ('a', 1, x'62'); PRAGMA user_version = 0;",
        )
    });
    age.await.unwrap();
    drop(database);
    let database = Database::open(&place).unwrap();
    let count = |on: &rusqlite::Connection| {
        on.query_one(
            "SELECT count(*) FROM mail, (SELECT count(*) FROM message)",
            [],
            |row| row.get(0),
        )
    };
    assert_eq!(database.read(count).await, Ok(1));
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused() {
    let folder = Folder::new();
    let place = file(folder.path(), "a");
    let database = Database::open(&place).unwrap();
    let age = database.transact(|on| on.pragma_update(None, "user_version", 99));
    age.await.unwrap();
    let error = Database::open(&place).unwrap_err();
    assert!(matches!(error, DatabaseError::Open { .. }), "{error}");
    assert!(error.to_string().contains("newer version"), "{error}");
    assert!(error.to_string().contains("99"), "{error}");
}

#[test]
fn several_may_open_a_new_file_at_once() {
    for _ in 0..20 {
        let folder = Folder::new();
        let place = file(folder.path(), "a");
        let together = Barrier::new(OPENERS);
        std::thread::scope(|scope| {
            for _ in 0..OPENERS {
                scope.spawn(|| {
                    together.wait();
                    Database::open(&place).unwrap()
                });
            }
        });
    }
}

/// Two nodes with one file.
#[tokio::test]
async fn what_one_process_has_stored_another_one_reads() {
    let folder = Folder::new();
    let place = file(folder.path(), "a");
    let (one, other) = (
        Database::open(&place).unwrap(),
        Database::open(&place).unwrap(),
    );
    let of = |number| -> Person { person(number) };
    let contacts = SqliteContacts::new(one.clone(), Clock::start());
    contacts.set_friend(of(1), of(2), true).await.unwrap();
    let mut ids = Vec::new();
    for number in 0..20 {
        let database = [&one, &other][number as usize % 2].clone();
        let journal = SqliteJournal::new(database, Clock::start());
        ids.push(keep(&journal, text(1, 2, number, "a")).await.0);
    }
    assert!(ids.is_sorted_by(|one, next| one < next));
    let query = Query {
        max: 5,
        ..contracts::all(Of::Chat(of(2)))
    };
    let found = SqliteJournal::new(other, Clock::start())
        .history(query)
        .await
        .unwrap();
    ids.reverse();
    assert_eq!(
        found.iter().map(|record| record.id).collect::<Vec<_>>(),
        ids[..5]
    );
}
