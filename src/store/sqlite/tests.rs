use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{
    clock::Clock,
    id::Person,
    mail::{Bounds, Mail as _},
    store::parts::Part,
    topic::Topic,
};

#[test]
fn places_have_urls() {
    let of_url = Place::of_url;
    assert_eq!(of_url("sqlite::memory:"), Some(Place::Memory));
    assert_eq!(of_url("sqlite://a.db"), Some(Place::File("a.db".into())));
    assert_eq!(
        of_url("sqlite:///b/a.db"),
        Some(Place::File("/b/a.db".into()))
    );
    assert_eq!(of_url("sqlite://"), None);
    assert_eq!(of_url("mysql://h/d"), None);
}

#[tokio::test]
async fn an_error_undoes_its_own_call_and_no_other() {
    let database = Database::open(&Place::Memory).unwrap();
    let make = database.transact(|on| on.execute_batch("CREATE TABLE t (n INTEGER)"));
    make.await.unwrap();
    let insert = |n: u32, is_good: bool| {
        database.transact(move |on| {
            on.execute("INSERT INTO t VALUES (?1)", [n])?;
            match is_good {
                true => Ok(n),
                false => on.execute("INSERT INTO nothing VALUES (1)", []).map(|_| n),
            }
        })
    };
    let (one, two, three) = tokio::join!(insert(1, true), insert(2, false), insert(3, true));
    assert_eq!((one, three), (Ok(1), Ok(3)));
    let error = two.unwrap_err().to_string();
    assert!(error.contains("nothing"), "{error}");
    let sum = database.transact(|on| on.query_one("SELECT sum(n) FROM t", [], |row| row.get(0)));
    assert_eq!(sum.await, Ok(4));
}

/// As a disk that is full may do it.
#[tokio::test]
async fn what_comes_after_the_end_of_a_transaction_is_not_one_of_its_own() {
    let database = Database::open(&Place::Memory).unwrap();
    let make = database.transact(|on| on.execute_batch("CREATE TABLE t (n INTEGER)"));
    make.await.unwrap();
    let (go, may_go) = std::sync::mpsc::channel::<()>();
    let (begin, has_begun) = tokio::sync::oneshot::channel();
    let first = database.transact(move |_| {
        begin.send(()).unwrap();
        may_go.recv().unwrap();
        Ok(())
    });
    // Both come while the first one is under way, and so into one transaction.
    let others = async {
        has_begun.await.unwrap();
        let end = database.transact(|on| on.execute_batch("ROLLBACK"));
        let insert = database.transact(|on| on.execute("INSERT INTO t VALUES (1)", []));
        tokio::join!(end, insert, async { go.send(()).unwrap() })
    };
    let (_, (ended, inserted, ())) = tokio::join!(first, others);
    assert!(ended.is_err() && inserted.is_err());
    let count =
        database.transact(|on| on.query_one("SELECT count(*) FROM t", [], |row| row.get(0)));
    assert_eq!(count.await, Ok(0));
}

#[tokio::test]
async fn what_was_answered_is_in_the_file_and_the_file_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let database = Database::open(&Place::File(path.clone())).unwrap();
    let write = database.transact(|on| on.execute_batch("CREATE TABLE t (n INTEGER)"));
    write.await.unwrap();
    for entry in folder.path().read_dir().unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let other = Database::open(&Place::File(path)).unwrap();
    let read = other.transact(|on| on.query_one("SELECT count(*) FROM t", [], |row| row.get(0)));
    assert_eq!(read.await, Ok(0));
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let place = Place::File("/nowhere/a.db".into());
    let error = Database::open(&place).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/a.db: "), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    std::fs::write(
        &path,
        "this is not a database, and long enough to be looked at",
    )
    .unwrap();
    let error = Database::open(&Place::File(path)).unwrap_err().to_string();
    assert!(error.contains("not a database"), "{error}");
}

#[tokio::test]
async fn it_is_known_who_has_mail_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::File(folder.path().join("a.db"));
    let open = || {
        let bounds = Bounds {
            letters_max: 10,
            keep: Duration::from_secs(60),
        };
        SqliteMail::new(Database::open(&place).unwrap(), bounds, Clock::start())
    };
    let users: [Topic; 2] = ["user:a", "user:b"].map(|user| user.parse().unwrap());
    let know = |mail: &SqliteMail| users.each_ref().map(|user| mail.may_have(user));
    let mail = open();
    assert_eq!(know(&mail), [false, false]);
    let put = mail
        .put(vec![(users[0].clone(), "1".into())])
        .await
        .unwrap();
    assert_eq!(know(&mail), [true, false]);
    drop(mail);
    let mail = open();
    assert_eq!(know(&mail), [true, false]);
    mail.remove(vec![(users[0].clone(), vec![put[0].posted.id])])
        .await
        .unwrap();
    let pages = mail.read(users.to_vec()).await.unwrap();
    assert!(pages.iter().all(Vec::is_empty));
    assert_eq!(know(&mail), [false, false]);
}

/// What SQLite says that it does for this.
fn plan(connection: &Connection, statement: &str, values: &[&dyn rusqlite::ToSql]) -> String {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let mut explain = connection.prepare(&explain).unwrap();
    let steps = explain.query_map(values, |row| row.get::<_, String>(3));
    let steps: Vec<_> = steps.unwrap().map(Result::unwrap).collect();
    steps.join("; ")
}

#[tokio::test]
async fn every_part_of_a_history_is_found_by_its_index_and_in_its_order() {
    let database = Database::open(&Place::Memory).unwrap();
    let explain = database.transact(|on| {
        let [one, two] = [1, 2].map(|number| Person::new(number).unwrap());
        let topic = "user:1".parse().unwrap();
        for (part, index) in [
            (
                Part::From(one),
                "message_from (from=? AND rowid>? AND rowid<?)",
            ),
            (Part::To(one), "message_to (to=? AND rowid>? AND rowid<?)"),
            (
                Part::Between { from: one, to: two },
                "message_between (from=? AND to=? AND rowid>? AND rowid<?)",
            ),
            (
                Part::Pushed(topic),
                "topic_message_topic (topic=? AND rowid>? AND rowid<?)",
            ),
        ] {
            let (statement, [first, second]) = messages::statement(&part);
            let values: [&dyn rusqlite::ToSql; 6] = [&first, &second, &0, &9, &0, &40];
            let plan = plan(on, &statement, &values);
            assert!(plan.ends_with(index), "{plan}");
            // One step: nothing is looked at that is not given, and nothing sorted.
            assert!(plan.starts_with("SEARCH") && !plan.contains(';'), "{plan}");
        }
        Ok(())
    });
    explain.await.unwrap();
}

/// The others are not those of a query, and short enough to be compared with the code by eye.
#[tokio::test]
async fn nothing_that_a_call_does_looks_at_a_whole_table() {
    let database = Database::open(&Place::Memory).unwrap();
    let statements = [
        journal::SELECT_LAST,
        journal::SELECT_FRIEND,
        arrivals::SELECT_ARRIVED,
        arrivals::DELETE_ARRIVED,
        repeats::SELECT_REPEAT,
        repeats::SELECT_END,
        repeats::SWEEP,
        repeats::SELECT_OLDER,
        repeats::SWEEP_OLDER,
        contacts::SELECT_FRIENDS,
        contacts::SELECT_COURIER,
        contacts::SELECT_TAKEN,
        contacts::SWEEP_TAKEN,
        hooks::SELECT_NEXT,
        hooks::SELECT_ONE,
        hooks::DELETE,
        hooks::SELECT_DEAD,
        hooks::DELETE_DEAD,
        jobs::SELECT_DUE,
        jobs::DELETE_OLD,
        sayings::SELECT_NAMED,
        sayings::SELECT_PAGE,
        sayings::PRUNE,
        drafts::COUNT_DRAFTS,
        drafts::SELECT_SILENT,
        drafts::SELECT_DRAFT,
        drafts::SELECT_DRAFTS,
    ];
    let explain = database.transact(move |on| {
        for statement in statements {
            let count = on.prepare(statement)?.parameter_count();
            let plan = plan(on, statement, &vec![&1 as &dyn rusqlite::ToSql; count]);
            // A constant row is "scanned", too.
            let scans = plan.split("; ").filter(|step| step.starts_with("SCAN"));
            let scans: Vec<_> = scans.filter(|step| *step != "SCAN CONSTANT ROW").collect();
            assert!(scans.is_empty(), "{statement}: {plan}");
        }
        Ok(())
    });
    explain.await.unwrap();
}
