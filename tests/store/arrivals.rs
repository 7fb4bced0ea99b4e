//! What SQLite has on its disk before it is in its tables: killed at any moment, opened by others, stuck.

use std::{fs, path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, OptionalExtension as _, params};
use tidegate::{
    clock::Clock,
    journal::{Accepted, Journal},
    store::{
        Content, RecordId, StoreError,
        sqlite::{Database, Place, SqliteContacts, SqliteJournal},
    },
};
use tokio::time;

use super::{
    contracts::{
        all_of, all_to,
        journal::{befriend, keep},
        push, text,
    },
    machine::Folder,
    sqlite::file,
};

/// More than are settled together.
const MANY: u64 = 20_000;
/// In each call.
const CALL: u64 = 500;
const WAITING: &str = "SELECT count(*) FROM arrived WHERE body <> x''";
const SETTLED: &str = "SELECT count(*) FROM message";

fn journal(database: &Database) -> SqliteJournal {
    SqliteJournal::new(database.clone(), Clock::start())
}

/// The files of a database as they are now, for whoever comes after a sudden end. Nobody writes
/// meanwhile.
async fn copy(database: &Database, folder: &Path, to: &Path) -> Place {
    let (folder, place) = (folder.to_owned(), file(to, "a"));
    let to = to.to_owned();
    let copying = database.transact(move |_| {
        for name in ["a.db", "a.db-wal"] {
            fs::copy(folder.join(name), to.join(name)).unwrap();
        }
        Ok(())
    });
    copying.await.unwrap();
    place
}

async fn count(database: &Database, select: &'static str) -> u64 {
    let count = database.read(|on| on.query_one(select, [], |row| row.get::<_, i64>(0)));
    count.await.unwrap().cast_unsigned()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = time::timeout(Duration::from_secs(60), waiting).await;
    waited.unwrap_or_else(|_| panic!("{what}"));
}

fn ids(accepted: &[Accepted], repeats: bool) -> Vec<RecordId> {
    let id = |accepted: &Accepted| match *accepted {
        Accepted::Kept { id, is_repeat } if is_repeat == repeats => id,
        other => panic!("{other:?}"),
    };
    accepted.iter().map(id).collect()
}

/// Whatever has been acknowledged, and whether it is settled or not.
#[tokio::test]
async fn what_was_accepted_is_there_after_a_sudden_end_at_any_moment() {
    let folder = Folder::new();
    let database = Database::open(&file(folder.path(), "a")).unwrap();
    befriend(&SqliteContacts::new(database.clone(), Clock::start())).await;
    let journal = journal(&database);
    let mut all = Vec::new();
    let (mut has_waiting, mut has_settled) = (false, false);
    for first in (0..MANY).step_by(CALL as usize) {
        let call: Vec<_> = (first..first + CALL)
            .map(|packet| text(1, 2, packet, "a"))
            .collect();
        all.extend(ids(&journal.accept(call).await.unwrap(), false));
        has_waiting |= 0 < count(&database, WAITING).await;
        has_settled |= 0 < count(&database, SETTLED).await;
        if first % (8 * CALL) == 0 || MANY - 4 * CALL < first {
            let other = Folder::new();
            let after = copy(&database, folder.path(), other.path()).await;
            let after = Database::open(&after).unwrap();
            assert_eq!(count(&after, WAITING).await, 0);
            assert_eq!(count(&after, SETTLED).await, all.len() as u64);
            let after = self::journal(&after);
            let mut query = all_of(2);
            query.max = usize::MAX;
            let found = after.history(query).await.unwrap();
            assert!(
                found
                    .iter()
                    .rev()
                    .map(|record| record.id)
                    .eq(all.iter().copied())
            );
            let again = [0, first, first + CALL - 1].map(|packet| text(1, 2, packet, "a"));
            let again = ids(&after.accept(again.to_vec()).await.unwrap(), true);
            assert_eq!(
                again,
                [0, first, first + CALL - 1].map(|packet| all[packet as usize])
            );
        }
    }
    assert!(has_waiting && has_settled);
}

#[tokio::test]
async fn what_arrived_is_in_its_tables_after_a_while_and_ids_go_on() {
    let folder = Folder::new();
    let database = Database::open(&file(folder.path(), "a")).unwrap();
    befriend(&SqliteContacts::new(database.clone(), Clock::start())).await;
    let journal = journal(&database);
    let (chat, _) = keep(&journal, text(1, 2, 1, "a")).await;
    let (pushed, _) = keep(&journal, push("room:r", "\"1\"", "1")).await;
    assert_eq!(count(&database, SETTLED).await, 0);
    until("it is settled", async || {
        count(&database, WAITING).await == 0
    })
    .await;
    assert_eq!(count(&database, SETTLED).await, 1);
    let one = |query| {
        let journal = &journal;
        async move { journal.history(query).await.unwrap()[0].id }
    };
    assert_eq!(
        (one(all_of(1)).await, one(all_to("room:r")).await),
        (chat, pushed)
    );
    assert_eq!(keep(&journal, text(1, 2, 1, "a")).await, (chat, true));
    assert_eq!(
        keep(&journal, push("room:r", "\"1\"", "2")).await,
        (pushed, true)
    );
    let (next, _) = keep(&journal, text(1, 2, 2, "a")).await;
    assert!(pushed < next);
}

/// Each settles what the other one has accepted, too, and has copies of what is no more there.
#[tokio::test]
async fn processes_with_one_file_know_what_the_others_accepted_and_settled() {
    let folder = Folder::new();
    let place = file(folder.path(), "a");
    let (one, two) = (
        Database::open(&place).unwrap(),
        Database::open(&place).unwrap(),
    );
    befriend(&SqliteContacts::new(one.clone(), Clock::start())).await;
    let journals = [journal(&one), journal(&two)];
    let mut all = Vec::new();
    for turn in 0..6 {
        for packet in 3 * turn..3 * turn + 3 {
            let (accepting, other) = (&journals[packet % 2], &journals[(packet + 1) % 2]);
            let (id, is_repeat) = keep(accepting, text(1, 2, packet as u64, "a")).await;
            assert!(!is_repeat && all.last().is_none_or(|last| *last < id));
            all.push(id);
            assert_eq!(
                keep(other, text(1, 2, packet as u64, "a")).await,
                (id, true)
            );
            for journal in &journals {
                let found = journal.history(all_of(1)).await.unwrap();
                assert!(
                    found
                        .iter()
                        .rev()
                        .map(|record| record.id)
                        .eq(all.iter().copied())
                );
            }
        }
        if turn % 3 == 1 {
            until("all is settled", async || count(&one, WAITING).await == 0).await;
        }
    }
}

/// As a trigger of the application may have it.
#[tokio::test]
async fn while_nothing_can_be_settled_what_waits_is_bounded_and_none_of_it_lost() {
    let folder = Folder::new();
    let database = Database::open(&file(folder.path(), "a")).unwrap();
    befriend(&SqliteContacts::new(database.clone(), Clock::start())).await;
    let refuse = database.transact(|on| {
        on.execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON message
            BEGIN SELECT RAISE(ABORT, 'not now'); END",
        )
    });
    refuse.await.unwrap();
    let journal = Arc::new(journal(&database));
    let (mut all, mut packet) = (Vec::new(), 0);
    let error = loop {
        let call: Vec<Content> = (packet..packet + CALL)
            .map(|packet| text(1, 2, packet, "a"))
            .collect();
        match journal.accept(call).await {
            Ok(accepted) => all.extend(ids(&accepted, false)),
            Err(error) => break error,
        }
        packet += CALL;
        assert!(packet < 10 * MANY, "there is no bound");
    };
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!(MANY < packet);
    let mend = database.transact(|on| on.execute_batch("DROP TRIGGER refuse"));
    mend.await.unwrap();
    until("it is settled", async || {
        count(&database, WAITING).await == 0
    })
    .await;
    assert_eq!(count(&database, SETTLED).await, all.len() as u64);
    let again = journal.accept(vec![text(1, 2, 0, "a")]).await.unwrap();
    assert_eq!(ids(&again, true), all[..1]);
}

/// Files of the first versions know repeats by a table of their own.
#[tokio::test]
async fn repeats_of_what_an_older_version_has_accepted_are_known() {
    let folder = Folder::new();
    let place = file(folder.path(), "a");
    drop(Database::open(&place).unwrap());
    let (new, old) = (text(1, 2, 1, "a"), text(1, 2, 2, "a"));
    let now_ms = Clock::start().now().unix_ms;
    let (id, long_ago) = (RecordId::at(now_ms - 1000), RecordId::at(now_ms / 2));
    let other = Connection::open(folder.path().join("a.db")).unwrap();
    let digest = |content: &Content| content.digest().unwrap().to_vec();
    let insert = "INSERT INTO accepted (digest, id) VALUES (?1, ?2)";
    let refused = other.execute(insert, params![digest(&new), 1]);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("newer version"), "{refused}");
    other
        .execute_batch("DROP TRIGGER accepted_is_over")
        .unwrap();
    for (content, id) in [(&new, id), (&old, long_ago)] {
        let row = params![digest(content), id.0.cast_signed()];
        other.execute(insert, row).unwrap();
    }
    let database = Database::open(&place).unwrap();
    befriend(&SqliteContacts::new(database.clone(), Clock::start())).await;
    let journal = journal(&database);
    assert_eq!(keep(&journal, new).await, (id, true));
    assert!(!keep(&journal, old).await.1);
    // What does not count any more goes as others come.
    let select = "SELECT id FROM accepted WHERE id = ?1";
    let has_old = || other.query_row(select, [long_ago.0.cast_signed()], |_| Ok(()));
    until("it is swept", async || {
        has_old().optional().unwrap().is_none()
    })
    .await;
}
