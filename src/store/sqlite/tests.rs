use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::{
    clock::Clock,
    mail::{Bounds, Mail as _},
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
