//! A database that is killed, frozen, and comes back.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use tidegate::store::{MessageStore, RecordId, StoreError, mysql::MysqlMessages};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    contracts::{all_of, expected, store::records, text},
    mariadb::Mariadb,
};

/// By then every call has ended.
const CALL_MAX: Duration = Duration::from_secs(10);
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
            tokio::task::yield_now().await;
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

#[tokio::test]
async fn a_full_table_refuses_a_call_and_works_again() {
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
