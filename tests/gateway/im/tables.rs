//! Orders that stand in the application's own tables, in SQLite and in MariaDB.

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{error, login};
use crate::support::{Gateway, machine::Folder, mariadb::Mariadb, redis::Redis};

/// What an application may have: numbers as ids, and NULL where nobody brings it.
const SHOP: &str = "CREATE TABLE shop (number INTEGER PRIMARY KEY, buyer INTEGER, rider INTEGER);
    INSERT INTO shop VALUES (17, 42, 7), (18, 42, 8), (19, 42, NULL);";
const TABLE: &str = "dialect.im.orders.table = \"shop\"\ndialect.im.orders.order_column = \"number\"\n\
                     dialect.im.orders.customer_column = \"buyer\"\n\
                     dialect.im.orders.courier_column = \"rider\"\n";
const QUERY: &str =
    "dialect.im.orders.query = \"SELECT buyer, rider, number FROM shop WHERE number = ?\"\n";

fn take(order: &Value) -> Value {
    json!({"id": "t", "to": 0, "type": "T", "msg": order})
}

/// Courier 7 takes the only order that is its own.
async fn check(gateway: &Gateway) {
    let mut courier = login(gateway, 7).await;
    let mut customer = login(gateway, 42).await;
    for (order, text) in [
        (json!(18), "You have no right to do"),
        (json!(19), "You have no right to do"),
        (json!(20), "Can't find order"),
        (json!("17x"), "Can't find order"),
        (json!("17 OR 1=1"), "Can't find order"),
    ] {
        assert_eq!(
            courier.ask(&take(&order)).await,
            error("t", text),
            "{order}"
        );
    }
    let taken = courier.ask(&take(&json!(17))).await;
    assert_eq!((&taken["type"], &taken["uid"]), (&json!("A"), &json!(42)));
    let told = customer.packet().await;
    assert_eq!((&told["type"], &told["msg"]), (&json!("s"), &json!("17")));
    customer.say("1", 7, "thanks").await;
    assert_eq!(courier.packet().await["msg"], "thanks");
}

#[tokio::test]
async fn orders_are_found_in_sqlite() {
    for lookup in [TABLE, QUERY] {
        let folder = Folder::new();
        let path = folder.path().join("chat.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(SHOP)
            .unwrap();
        let store = format!("store.url = \"sqlite://{}\"\n", path.display());
        check(&Gateway::start(&(store + lookup))).await;
    }
}

#[tokio::test]
async fn without_a_word_they_are_in_the_table_that_every_file_has() {
    let folder = Folder::new();
    let path = folder.path().join("chat.db");
    let gateway = Gateway::start(&format!("store.url = \"sqlite://{}\"", path.display()));
    let other = Connection::open(&path).unwrap();
    let order = "INSERT INTO orders VALUES ('A-17', 42, 7)";
    other.execute_batch(order).unwrap();
    let mut courier = login(&gateway, 7).await;
    assert_eq!(courier.ask(&take(&json!("A-17"))).await["uid"], 42);
}

#[tokio::test]
async fn orders_are_found_in_mariadb_where_the_messages_are_too() {
    let mariadb = Mariadb::start();
    for (database, lookup) in [("by_table", TABLE), ("by_query", QUERY)] {
        let url = mariadb.database(database);
        mariadb.ask(&format!("USE {database}; {SHOP}"));
        let redis = Redis::start();
        let toml = format!(
            "store.url = \"{url}\"\ncluster.redis = \"{}\"\n{lookup}",
            redis.url()
        );
        let gateway = Gateway::start(&toml);
        check(&gateway).await;
        gateway
            .until_metric("tidegate_archive_records_total", "stored", 2.0)
            .await;
        let rows = mariadb.ask(&format!("SELECT msg FROM {database}.message"));
        assert_eq!(rows, "thanks");
        assert_eq!(gateway.history("user:42").await.len(), 2);
    }
}
