//! MariaDB as it should be: the contracts, what cannot be stored, and nodes that start at once.

use std::sync::Arc;

use tidegate::{
    lookup::{Lookup, Table},
    orders::Orders,
    store::{
        Content, MessageStore, Record, StoreError,
        mysql::{MysqlMessages, MysqlOrders, MysqlSayings, Server},
    },
};

use super::{
    Cases,
    contracts::{
        self, all_of, all_to, expected,
        orders::{ROWS, TEXT_ROWS},
        push,
        store::{BEGIN_MS, records},
        text,
    },
    mariadb::Mariadb,
    sayings_keep_the_contract, start, stores_keep_the_contract,
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
    sayings_keep_the_contract(|case| {
        let server = Server::connect(&server.database(case)).unwrap();
        Arc::new(MysqlSayings::new(server))
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
    let server = Mariadb::start_with(&ODD);
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

/// As servers of former times have it.
#[tokio::test]
async fn what_is_longer_than_the_server_takes_is_named() {
    let server = Mariadb::start_with(&["--max-allowed-packet=1M"]);
    let store = MysqlMessages::connect(&server.database("a")).unwrap();
    let long = "\u{6c34}".repeat(1023);
    let mut all: Vec<_> = (0..500).map(|packet| text(1, 2, packet, &long)).collect();
    let mut wide = push("room:r", "1", "1");
    let Content::Push(push) = &mut wide else {
        unreachable!()
    };
    for bytes in [900_000, 1_100_000, 4_000_000, 20_000_000] {
        push.data = "x".repeat(bytes).into();
        let one = records(vec![Content::Push(push.clone())]);
        let inserted = store.insert(one.clone()).await;
        match bytes {
            900_000 => assert_eq!(inserted, Ok(())),
            _ => assert!(
                matches!(inserted, Err(StoreError::Poison { id, .. }) if id == one[0].id),
                "{inserted:?}"
            ),
        }
    }
    all.push(wide);
    let all = records(all);
    let refused = store.insert(all.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Poison { id, .. } if id == all[500].id));
    store.insert(all[..500].to_vec()).await.unwrap();
    assert_eq!(store.history(all_of(1)).await.unwrap().len(), 500);
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
    assert_eq!(server.ask(versions), "1,2,3");
}
