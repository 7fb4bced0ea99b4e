//! MariaDB, as it should be: the contracts, what a query costs, what cannot be stored, and what a
//! database refuses.

use std::sync::Arc;

use tidegate::{
    orders::{Lookup, Orders, Table},
    store::{
        Content, MessageStore, Of, Query, Record, RecordId, StoreError,
        mysql::{MysqlError, MysqlMessages, MysqlOrders, Server},
    },
};

use super::{
    Cases,
    contracts::{
        self, all, all_of, all_to, expected,
        orders::{ROWS, TEXT_ROWS},
        person, push,
        store::{BEGIN_MS, records},
        text,
    },
    mariadb::Mariadb,
    start, stores_keep_the_contract,
};

type Row = (&'static str, Option<&'static str>, Option<&'static str>);

/// Settings that others may have: nothing that is stored or read depends on them.
const ODD: [&str; 5] = [
    "--default-time-zone=+05:45",
    "--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES",
    "--character-set-server=latin1",
    "--div-precision-increment=0",
    "--explicit-defaults-for-timestamp=OFF",
];

async fn keeps_the_contracts(server: &Mariadb) {
    stores_keep_the_contract(|case| {
        Arc::new(MysqlMessages::connect(&server.database(case)).unwrap())
    })
    .await;
    let texts = ROWS.iter().chain(&TEXT_ROWS).copied();
    let tables = [
        ("numbers", "BIGINT", "INT", ROWS.to_vec()),
        ("texts", "VARCHAR(128)", "VARCHAR(20)", texts.collect()),
    ];
    for (name, id, user, rows) in tables {
        let url = server.database(name);
        fill(server, name, "orders", id, user, &rows);
        let database = Server::connect(&url).unwrap();
        let orders: Arc<dyn Orders> = Arc::new(MysqlOrders::new(database, &Lookup::default()));
        let mut cases = Cases::default();
        start!(
            cases,
            |_| Arc::clone(&orders),
            orders::orders_are_found_by_their_ids,
            orders::what_only_looks_like_an_id_is_none,
            orders::an_order_of_nobody_who_can_be_is_none,
        );
        if name == "texts" {
            let make = |_| Arc::clone(&orders);
            start!(
                cases,
                make,
                orders::ids_that_are_texts_are_compared_by_their_bytes
            );
        }
        cases.end().await;
    }
}

/// A table of orders, with an index on the id.
fn fill(server: &Mariadb, database: &str, table: &str, id: &str, user: &str, rows: &[Row]) {
    let quoted = |value: Option<&str>| value.map_or("NULL".to_owned(), |v| format!("'{v}'"));
    let rows = rows.iter().map(|(order, customer, courier)| {
        format!("('{order}', {}, {})", quoted(*customer), quoted(*courier))
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    server.ask(&format!(
        "CREATE TABLE `{database}`.`{table}` (id {id} PRIMARY KEY, customer_id {user}, \
         courier_id {user}); INSERT INTO `{database}`.`{table}` VALUES {rows}"
    ));
}

#[tokio::test]
async fn mariadb() {
    keeps_the_contracts(&Mariadb::start()).await;
}

#[tokio::test]
async fn mariadb_with_odd_settings() {
    let server = Mariadb::start_with(&ODD);
    keeps_the_contracts(&server).await;
    // Times are right for whoever reads them in a zone of its own.
    let store = MysqlMessages::connect(&server.database("zone")).unwrap();
    store
        .insert(records(vec![text(1, 2, 1, "a")]))
        .await
        .unwrap();
    let select = "SELECT UNIX_TIMESTAMP(timestamp) FROM zone.message";
    let seconds = format!("{}.123", BEGIN_MS / 1000);
    assert_eq!(server.ask(select), seconds);
    let zone = "SELECT timestamp = CONVERT_TZ('2023-11-14 22:13:20.123', '+00:00', '+05:45')";
    assert_eq!(server.ask(&format!("{zone} FROM zone.message")), "1");
}

#[tokio::test]
async fn an_order_comes_from_the_query_of_an_application() {
    let server = Mariadb::start();
    let database = Server::connect(&server.database("a")).unwrap();
    fill(
        &server,
        "a",
        "require-d",
        "BIGINT UNSIGNED",
        "DECIMAL(20)",
        &ROWS,
    );
    let table = Table {
        table: "a.require-d".into(),
        ..Table::default()
    };
    let select = "SELECT customer_id, courier_id, id FROM `require-d` WHERE id = ? AND 'a' = 'a'";
    for lookup in [Lookup::table(table), Lookup::query(select)] {
        let orders = MysqlOrders::new(database.clone(), &lookup.unwrap());
        let orders: Arc<dyn Orders> = Arc::new(orders);
        contracts::orders::orders_are_found_by_their_ids(Arc::clone(&orders)).await;
        contracts::orders::what_only_looks_like_an_id_is_none(Arc::clone(&orders)).await;
        contracts::orders::an_order_of_nobody_who_can_be_is_none(orders).await;
    }
    let lookup = Lookup::query("SELECT customer_id FROM nothing WHERE id = ?").unwrap();
    let error = MysqlOrders::new(database, &lookup)
        .find("12")
        .await
        .unwrap_err();
    assert!(error.to_string().contains("nothing"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_stored_is_named_and_nothing_of_its_call_is_stored() {
    let server = Mariadb::start();
    let store = MysqlMessages::connect(&server.database("a")).unwrap();
    let long = "x".repeat(2000);
    let mut wide = push("room:r", "1", "1");
    let Content::Push(push) = &mut wide else {
        unreachable!()
    };
    push.event = long.clone().into();
    for bad in [text(1, 2, 500, &long), wide] {
        let mut all: Vec<_> = (0..300).map(|packet| text(1, 2, packet, "a")).collect();
        all.insert(200, bad);
        let all = records(all);
        let refused = store.insert(all.clone()).await.unwrap_err();
        let StoreError::Poison { id, reason } = refused else {
            panic!("{refused}");
        };
        assert_eq!(id, all[200].id);
        assert!(!reason.contains("xx"), "{reason}");
        assert_eq!(store.history(all_of(1)).await, Ok(Vec::new()));
        assert_eq!(store.history(all_to("room:r")).await, Ok(Vec::new()));
    }
    // Without it the others can.
    let good = records(vec![text(1, 2, 1, "a")]);
    store.insert(good.clone()).await.unwrap();
    assert_eq!(store.history(all_of(1)).await, Ok(good));
}

/// Rows that the server has looked at since it was asked before.
struct Looks<'a> {
    server: &'a Mariadb,
    last: u64,
    /// What the asking itself costs.
    own: u64,
}

impl<'a> Looks<'a> {
    fn new(server: &'a Mariadb) -> Self {
        let mut looks = Self {
            server,
            last: 0,
            own: 0,
        };
        looks.since_last();
        looks.own = looks.since_last();
        looks
    }

    fn since_last(&mut self) -> u64 {
        let looks = self.server.ask(
            "SELECT CAST(SUM(variable_value) AS UNSIGNED) FROM information_schema.global_status
            WHERE variable_name LIKE 'HANDLER_READ_%'",
        );
        let now = looks.parse().unwrap();
        let looks = now - self.last;
        self.last = now;
        looks.saturating_sub(self.own)
    }
}

/// A history of many rows costs as many looks as it gives rows, however many there are.
#[tokio::test]
async fn a_query_looks_at_no_more_rows_than_it_gives() {
    let server = Mariadb::start();
    let url = server.database("a");
    let store = MysqlMessages::connect(&url).unwrap();
    store.check().await.unwrap();
    let count = 200_000;
    let first = RecordId::at(BEGIN_MS).0;
    server.ask(&format!(
        "INSERT INTO a.message SELECT seq * 1024 + {first}, 1 + seq % 7, 1 + seq % 11, 't', 'x', 0,
            FROM_UNIXTIME({BEGIN_MS} / 1000 + seq / 1000), NULL FROM a.seq_0_to_{count};",
    ));
    server.ask(&format!(
        "INSERT INTO a.message SELECT seq, 1 + seq % 7, 1 + seq % 11, 't', 'x', 0,
            FROM_UNIXTIME({BEGIN_MS} / 1000 - {count} - 1 + seq), NULL FROM a.seq_1_to_{count};
        INSERT INTO a.topic_message SELECT seq * 1024 + {first}, CONCAT('user:', seq % 7), seq, 'e',
            '1', NULL, FROM_UNIXTIME({BEGIN_MS} / 1000 + seq / 1000) FROM a.seq_0_to_{count};
        CREATE TABLE a.orders (id VARCHAR(20) PRIMARY KEY, customer_id INT, courier_id INT);
        INSERT INTO a.orders SELECT seq, 1, 2 FROM a.seq_1_to_{count};
        CREATE TABLE a.numbers (id INT PRIMARY KEY, customer_id INT, courier_id INT);
        INSERT INTO a.numbers SELECT seq, 1, 2 FROM a.seq_1_to_{count};
        DELETE FROM a.tidegate_migration;
        ANALYZE TABLE a.message, a.topic_message, a.orders, a.numbers;"
    ));
    // As if these had been there before.
    let store = MysqlMessages::connect(&url).unwrap();
    store.check().await.unwrap();
    let mut looks = Looks::new(&server);
    let middle = RecordId(first + 100_000 * 1024);
    let chat = Query {
        max: 40,
        ..all_of(1)
    };
    let queries = [
        chat.clone(),
        Query {
            from: Some(person(1)),
            ..chat.clone()
        },
        Query {
            from: Some(person(2)),
            ..chat.clone()
        },
        Query {
            after: middle,
            ..chat.clone()
        },
        Query {
            before: Some(middle),
            ..chat.clone()
        },
        Query {
            since_ms: BEGIN_MS + 100_000,
            ..chat.clone()
        },
        // The new ones are too few.
        Query {
            since_ms: BEGIN_MS,
            before: Some(RecordId(first + 1024)),
            ..chat.clone()
        },
        Query {
            before: Some(RecordId(1000)),
            ..chat
        },
        Query {
            max: 40,
            ..all(Of::Topic("user:1".parse().unwrap()))
        },
    ];
    for query in queries {
        let found = store.history(query.clone()).await.unwrap();
        assert!(!found.is_empty(), "{query:?}");
        let looks = looks.since_last();
        assert!(looks <= 3 * (40 + 10), "{looks} looks: {query:?}");
    }
    let database = Server::connect(&url).unwrap();
    for table in ["orders", "numbers"] {
        let table = Table {
            table: table.into(),
            ..Table::default()
        };
        let orders = MysqlOrders::new(database.clone(), &Lookup::table(table).unwrap());
        for id in ["777", "777abc"] {
            let found = orders.find(id).await.unwrap();
            assert_eq!(found.is_some(), id == "777");
            let looks = looks.since_last();
            assert!(looks <= 10, "{looks} looks: {id}");
        }
    }
    assert_eq!(store.prune(BEGIN_MS + 1000, 100).await, Ok(100));
    // To find a row, to delete it, and the ones before it that were deleted.
    let pruned = looks.since_last();
    assert!(pruned <= 10 * 100, "{pruned} looks");
}

#[tokio::test]
async fn what_a_database_refuses_is_said_at_once_and_without_the_password() {
    let server = Mariadb::start();
    let url = server.database("a");
    server.ask(
        "CREATE USER reader@'%' IDENTIFIED BY 'p4ss'; GRANT SELECT ON a.* TO reader@'%';
        CREATE USER writer@'%' IDENTIFIED BY 'p4ss'; GRANT SELECT, INSERT ON a.* TO writer@'%';",
    );
    let check = async |url: &str| MysqlMessages::connect(url).unwrap().check().await;
    let host = server.host();
    let reader = format!("mysql://reader:p4ss@{host}/a");
    let writer = format!("mysql://writer:p4ss@{host}/a");
    for (url, text) in [
        (
            url.replace("s3cret-of-tg", "wr0ng"),
            "Access denied for user 'tg'",
        ),
        (server.url("b"), "Unknown database 'b'"),
        (reader.clone(), "denied to user 'reader'"),
        (format!("{url}?ssl-mode=REQUIRED"), "TLS"),
    ] {
        let refused = check(&url).await.unwrap_err();
        assert!(matches!(refused, MysqlError::Refused(_)), "{refused:?}");
        let all = format!("{refused} {refused:?}");
        assert!(all.contains(text), "{all}");
        for secret in ["wr0ng", "s3cret", "p4ss"] {
            assert!(!all.contains(secret), "{all}");
        }
    }
    check(&url).await.unwrap();
    // Tables are there, and rights are still too few.
    for (url, text) in [(&reader, "INSERT"), (&writer, "DELETE")] {
        let refused = check(url).await.unwrap_err().to_string();
        assert!(refused.contains(text), "{refused}");
    }
}

#[test]
fn what_is_no_address_is_refused_without_its_password() {
    for url in [
        "mysql://u:s3cret@h",
        "mysql://u:s3cret@h:port/d",
        "mysql://u:s3cret@h/d?ssl-mode=maybe",
    ] {
        let error = Server::connect(url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
    assert!(!format!("{:?}", MysqlError::Url("x".into())).is_empty());
}

#[tokio::test]
async fn a_server_shows_no_password() {
    let server = Server::connect("mysql://u:s3cret@h/d").unwrap();
    let store = MysqlMessages::new(server.clone());
    let orders = MysqlOrders::new(server.clone(), &Lookup::default());
    let all = format!("{server:?} {store:?} {orders:?}");
    assert!(!all.contains("s3cret"), "{all}");
}

/// Several nodes that start at once make the tables once.
#[tokio::test]
async fn several_nodes_may_start_at_once() {
    let server = Mariadb::start();
    let url = server.database("a");
    let all = records(vec![text(1, 2, 1, "a"), push("room:r", "1", "1")]);
    let mut cases = Cases::default();
    for _ in 0..6 {
        let store = MysqlMessages::connect(&url).unwrap();
        let all: Vec<Record> = all.clone();
        cases.start("a node", async move {
            store.insert(all.clone()).await.unwrap();
            let found = store.history(all_of(1)).await;
            assert_eq!(found, Ok(expected(&all, &all_of(1))));
        });
    }
    cases.end().await;
    let versions = "SELECT GROUP_CONCAT(version ORDER BY version) FROM a.tidegate_migration";
    assert_eq!(server.ask(versions), "1,2");
}

#[tokio::test]
async fn tables_of_a_newer_version_or_of_others_are_refused() {
    let server = Mariadb::start();
    let url = server.database("a");
    MysqlMessages::connect(&url).unwrap().check().await.unwrap();
    server.ask("INSERT INTO a.tidegate_migration (version) VALUES (99)");
    let store = MysqlMessages::connect(&url).unwrap();
    let refused = store.check().await.unwrap_err().to_string();
    assert!(
        refused.contains("newer version") && refused.contains("99"),
        "{refused}"
    );
    let refused = store.insert(records(vec![text(1, 2, 1, "a")])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    let url = server.database("b");
    server.ask("CREATE TABLE b.message (id INT PRIMARY KEY, subject TEXT)");
    let store = MysqlMessages::connect(&url).unwrap();
    let refused = store.check().await.unwrap_err().to_string();
    assert!(refused.contains("table `message`"), "{refused}");
    assert_eq!(
        server.ask("SHOW COLUMNS FROM b.message LIKE 'packet_id'"),
        ""
    );
}
