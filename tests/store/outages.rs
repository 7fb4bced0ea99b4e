//! A database that is killed, frozen, and comes back.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tidegate::store::{MessageStore, RecordId, StoreError, mysql::MysqlMessages};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet, spawn_blocking, yield_now},
    time::{Instant, timeout},
};

use super::{
    contracts::{all_of, expected, store::records, text},
    mariadb::Mariadb,
};

/// By then every call has ended.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Connections that a node has.
const CONNECTIONS: usize = 8;
/// Tasks that insert at the same time.
const TASKS: u64 = 4;
/// Records of one call.
const BATCH: u64 = 10;

#[tokio::test]
async fn a_database_that_is_not_there_is_waited_for_and_no_reason_not_to_start() {
    let mut server = Mariadb::start();
    let url = server.database("a");
    server.kill();
    let store = MysqlMessages::connect(&url).unwrap();
    store.check().await.unwrap();
    let all = records(vec![text(1, 2, 1, "a")]);
    let begin = Instant::now();
    let refused = store.insert(all.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    assert!(begin.elapsed() < CALL_MAX);
    server.run();
    store.insert(all.clone()).await.unwrap();
    assert_eq!(store.history(all_of(1)).await, Ok(all));
}

#[tokio::test]
async fn a_database_that_says_nothing_ends_no_caller_and_works_again() {
    let server = Mariadb::start();
    let store = Arc::new(MysqlMessages::connect(&server.database("a")).unwrap());
    let all = records(vec![text(1, 2, 1, "a")]);
    store.insert(all.clone()).await.unwrap();
    server.freeze();
    // More than there are connections.
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.history(all_of(1)).await });
    }
    let ended = timeout(CALL_MAX, tasks.join_all()).await.unwrap();
    for refused in ended {
        assert!(
            matches!(refused, Err(StoreError::Unavailable(_))),
            "{refused:?}"
        );
    }
    server.thaw();
    assert_eq!(store.history(all_of(1)).await, Ok(all));
}

/// It is killed between a commit and its answer, too.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_once_after_a_kill() {
    let mut server = Mariadb::start_with(&["--innodb-flush-log-at-trx-commit=1"]);
    let store = Arc::new(MysqlMessages::connect(&server.database("a")).unwrap());
    store.check().await.unwrap();
    let answered = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (store, answered) = (Arc::clone(&store), Arc::clone(&answered));
        tasks.spawn(insert_much(store, task, answered));
    }
    for _ in 0..3 {
        let before = answered.load(SeqCst);
        while answered.load(SeqCst) < before + 20 {
            yield_now().await;
        }
        server.kill();
        server.run();
    }
    let mut ids: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    ids.sort();
    let query = tidegate::store::Query {
        max: 1 << 20,
        ..all_of(1)
    };
    let found = store.history(query).await.unwrap();
    let there: BTreeSet<_> = found.iter().map(|record| record.id).collect();
    assert_eq!(there.len(), found.len());
    assert_eq!(ids, there.into_iter().collect::<Vec<_>>());
}

/// Inserts batch after batch, and each again until it is answered.
async fn insert_much(
    store: Arc<MysqlMessages>,
    task: u64,
    answered: Arc<AtomicU64>,
) -> Vec<RecordId> {
    let mut ids = Vec::new();
    for batch in 0..150 {
        let first = batch * BATCH;
        let mut all = records((first..first + BATCH).map(|n| text(1, 2, n, "a")).collect());
        for (number, record) in all.iter_mut().enumerate() {
            let number = first + number as u64;
            record.id = RecordId(RecordId::at(record.time_ms).0 + TASKS * number + task);
        }
        while let Err(error) = store.insert(all.clone()).await {
            assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        }
        answered.fetch_add(1, SeqCst);
        ids.extend(all.iter().map(|record| record.id));
    }
    ids
}

/// Has somebody else insert a record, and undo that so many seconds later, or when it is killed.
async fn held(server: &Arc<Mariadb>, RecordId(id): RecordId, seconds: u32) -> JoinHandle<()> {
    let other = Arc::clone(server);
    let holding = spawn_blocking(move || {
        // One that is killed has an error.
        let _ = other.try_ask(&format!(
            "START TRANSACTION; INSERT INTO a.message (id, `from`, `to`, type, msg) VALUES
                ({id}, 9, 9, 't', 'x'); DO SLEEP({seconds}); ROLLBACK"
        ));
    });
    let sleeps = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'";
    until(server, sleeps, 1).await;
    holding
}

/// Waits until the server counts so many.
async fn until(server: &Mariadb, select: &str, count: usize) {
    let begin = Instant::now();
    while server.ask(select) != count.to_string() {
        assert!(begin.elapsed() < 3 * CALL_MAX, "{select}");
        yield_now().await;
    }
}

#[tokio::test]
async fn somebody_elses_transaction_is_waited_for() {
    let server = Arc::new(Mariadb::start());
    let store = MysqlMessages::connect(&server.database("a")).unwrap();
    store.check().await.unwrap();
    let all = records(vec![text(1, 2, 1, "a"), text(2, 1, 2, "b")]);
    // Longer than a server lets one wait for the other.
    let holding = held(&server, all[0].id, 3).await;
    store.insert(all.clone()).await.unwrap();
    holding.await.unwrap();
    let found = store.history(all_of(1)).await;
    assert_eq!(found, Ok(expected(&all, &all_of(1))));
}

/// A way to a server that forgets connections without a word, as a firewall does, and takes new ones.
async fn forgetful(server: String) -> (String, watch::Sender<u64>, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (forgets, forgotten) = watch::channel(0);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(&server).await.unwrap();
            let mut forgotten = forgotten.clone();
            forgotten.mark_unchanged();
            connections.spawn(async move {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = forgotten.changed() => pending().await,
                }
            });
        }
    });
    (address, forgets, tasks)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_say_nothing_any_more_are_given_up() {
    let server = Arc::new(Mariadb::start());
    let url = server.database("a");
    let (address, forgets, _way) = forgetful(server.host()).await;
    let url = url.replace(&server.host(), &address);
    let store = Arc::new(MysqlMessages::connect(&url).unwrap());
    store.check().await.unwrap();
    let all = records(vec![text(1, 2, 1, "a")]);
    let holding = held(&server, all[0].id, 60).await;
    let mut tasks = JoinSet::new();
    // As many as there are connections.
    for _ in 0..CONNECTIONS {
        let (store, all) = (Arc::clone(&store), all.clone());
        tasks.spawn(async move { store.insert(all).await });
    }
    let waits = "SELECT variable_value FROM information_schema.global_status
        WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'";
    until(&server, waits, CONNECTIONS).await;
    forgets.send(1).unwrap();
    let ended = timeout(CALL_MAX, tasks.join_all()).await.unwrap();
    assert!(ended.iter().all(Result::is_err), "{ended:?}");
    let holder = "SELECT id FROM information_schema.processlist WHERE info LIKE 'DO SLEEP%'";
    server.ask(&format!("KILL {}", server.ask(holder)));
    holding.await.unwrap();
    store.insert(all.clone()).await.unwrap();
    assert_eq!(store.history(all_of(1)).await, Ok(all));
}

#[tokio::test]
async fn a_database_that_takes_nothing_refuses_a_call_and_works_again() {
    let server = Mariadb::start();
    let store = MysqlMessages::connect(&server.database("a")).unwrap();
    store.check().await.unwrap();
    let all = records(vec![text(1, 2, 1, "a"), text(2, 1, 2, "b")]);
    server.ask("FLUSH TABLES WITH READ LOCK; SET GLOBAL read_only = 1;");
    // Who may do everything is not bound by that.
    server.ask("REVOKE ALL ON *.* FROM tg@'%'; GRANT ALL ON a.* TO tg@'%';");
    let store_2 = MysqlMessages::connect(&server.url("a")).unwrap();
    let refused = store_2.insert(all.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
    server.ask("SET GLOBAL read_only = 0");
    store_2.insert(all.clone()).await.unwrap();
    assert_eq!(
        store.history(all_of(1)).await,
        Ok(expected(&all, &all_of(1)))
    );
}
