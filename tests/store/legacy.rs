//! The table of the original program, brought to the new form.

use std::time::Duration;

use tidegate::store::{
    Content, MessageStore, Query, Record, RecordId, StoreError, mysql::MysqlMessages,
};
use tokio::{task::JoinSet, time::timeout};

use super::{
    contracts::{
        all_of, expected, person,
        store::{legacy, records},
        text,
    },
    mariadb::Mariadb,
};

/// As the original program makes it.
pub(super) const TABLE: &str = "CREATE TABLE a.message (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    `from` bigint unsigned NOT NULL,
    `to` bigint unsigned NOT NULL,
    type char(1) CHARACTER SET utf8mb4 NOT NULL,
    msg varchar(1023) CHARACTER SET utf8mb4 NOT NULL,
    send bit(1) NOT NULL DEFAULT b'0',
    timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    PRIMARY KEY (id), KEY `from` (`from`), KEY `to` (`to`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;";

/// Puts records into it as the original program does, in the zone of its server.
fn fill(server: &Mariadb, records: &[Record]) {
    server.ask(TABLE);
    for record in records {
        let Content::Chat(chat) = &record.content else {
            unreachable!()
        };
        let msg = chat
            .msg
            .replace('\\', "\\\\")
            .replace('\'', "\\'")
            .replace('\0', "\\0");
        let (from, to) = (chat.from, chat.to);
        server.ask(&format!(
            "INSERT INTO a.message VALUES ({}, {from}, {to}, '{}', '{msg}', {},
                FROM_UNIXTIME({}))",
            record.id.0,
            chat.kind,
            u8::from(chat.is_online),
            record.time_ms / 1000,
        ));
    }
}

#[tokio::test]
async fn ids_that_are_too_narrow_become_wide_enough() {
    let server = Mariadb::start();
    let url = server.database("a");
    server.ask(&TABLE.replace("bigint", "int"));
    let store = MysqlMessages::connect(&url).unwrap();
    store.check().await.unwrap();
    let new = records(vec![text(1, 2, 3, "wide")]);
    store.insert(new.clone()).await.unwrap();
    assert_eq!(store.history(all_of(1)).await.unwrap(), new);
}

#[tokio::test]
async fn its_rows_are_read_as_they_were_and_new_ones_come_after_them() {
    let server = Mariadb::start_with(&["--default-time-zone=-03:00"]);
    let url = server.database("a");
    let old = legacy();
    fill(&server, &old);
    let store = MysqlMessages::connect(&url).unwrap();
    let query = all_of(1);
    assert_eq!(
        store.history(query.clone()).await,
        Ok(expected(&old, &query))
    );
    let new = records(vec![text(1, 2, 1, "new"), text(2, 1, 2, "new")]);
    store.insert(new.clone()).await.unwrap();
    let all = [old, new].concat();
    let since_ms = all[2].time_ms;
    for query in [
        query.clone(),
        Query {
            since_ms,
            ..query.clone()
        },
        Query {
            since_ms: since_ms + 1,
            max: 4,
            ..query.clone()
        },
        Query {
            after: RecordId(3),
            from: Some(person(1)),
            ..query
        },
    ] {
        let found = store.history(query.clone()).await;
        assert_eq!(found, Ok(expected(&all, &query)), "{query:?}");
    }
    // A change of a row leaves its time.
    server.ask("UPDATE a.message SET msg = 'changed' WHERE id = 1");
    let found = store.history(all_of(1)).await.unwrap();
    assert_eq!(found.last().unwrap().time_ms, all[0].time_ms);
    let columns = "SELECT column_type, extra FROM information_schema.columns
        WHERE table_schema = 'a' AND table_name = 'message' AND column_name = 'timestamp'";
    assert_eq!(server.ask(columns), "timestamp(3)");
}

/// Several nodes start at once.
#[tokio::test]
async fn it_is_changed_once_and_a_node_that_goes_on_waits_for_it() {
    let server = Mariadb::start();
    let url = server.database("a");
    fill(&server, &legacy());
    let count = 200_000;
    server.ask(&format!(
        "INSERT INTO a.message (`from`, `to`, type, msg) SELECT 1 + seq % 9, 2, 't', 'x'
            FROM a.seq_1_to_{count}"
    ));
    let rows = "SELECT COUNT(*), SUM(id), SUM(UNIX_TIMESTAMP(timestamp)) FROM a.message";
    let before = server.ask(rows);
    let stores = [0; 4].map(|_| MysqlMessages::connect(&url).unwrap());
    let read = |store: &MysqlMessages| {
        let store = store.clone();
        async move {
            store
                .history(Query {
                    max: 5,
                    ..all_of(2)
                })
                .await
        }
    };
    let [first, rest @ ..] = stores;
    // A caller gives up, and what it has begun goes on.
    let early = Duration::from_millis(20);
    assert!(timeout(early, read(&first)).await.is_err());
    let mut tasks = JoinSet::new();
    for store in rest {
        tasks.spawn(async move {
            loop {
                match read(&store).await {
                    Ok(found) => return assert_eq!(found.len(), 5),
                    // It takes longer than a call may.
                    Err(StoreError::Unavailable(text)) => assert_eq!(&*text, "no answer in time"),
                    Err(other) => panic!("{other}"),
                }
            }
        });
    }
    tasks.join_all().await;
    let number = |text: &str| -> Vec<f64> {
        text.split_whitespace()
            .map(|number| number.parse().unwrap())
            .collect()
    };
    assert_eq!(number(&server.ask(rows)), number(&before));
    let versions = "SELECT GROUP_CONCAT(version ORDER BY version) FROM a.tidegate_migration";
    assert_eq!(server.ask(versions), "1,2,3");
    assert_eq!(read(&first).await.unwrap().len(), 5);
}
