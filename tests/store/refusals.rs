//! What a database refuses, and what is refused of a database.

use tidegate::{
    lookup::Lookup,
    store::{
        MessageStore, Prunes, StoreError,
        mysql::{MysqlError, MysqlMessages, MysqlOrders, Server},
    },
};

use super::{
    contracts::{store::records, text},
    legacy::TABLE,
    mariadb::Mariadb,
};

#[tokio::test]
async fn what_a_database_refuses_is_said_at_once_and_without_the_password() {
    let server = Mariadb::start();
    let url = server.database("a");
    server.ask(
        "CREATE USER reader@'%' IDENTIFIED BY 'p4ss'; GRANT SELECT ON a.* TO reader@'%';
        CREATE USER writer@'%' IDENTIFIED BY 'p4ss'; GRANT SELECT, INSERT ON a.* TO writer@'%';
        CREATE USER keeper@'%' IDENTIFIED BY 'p4ss';
        GRANT SELECT, INSERT, UPDATE ON a.* TO keeper@'%';",
    );
    let check = async |url: &str| MysqlMessages::connect(url).unwrap().check().await;
    let host = server.host();
    let reader = format!("mysql://reader:p4ss@{host}/a");
    let writer = format!("mysql://writer:p4ss@{host}/a");
    let keeper = format!("mysql://keeper:p4ss@{host}/a");
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
    for (url, text) in [
        (&reader, "INSERT"),
        (&writer, "UPDATE"),
        (&keeper, "DELETE"),
    ] {
        let refused = check(url).await.unwrap_err().to_string();
        assert!(refused.contains(text), "{refused}");
    }
}

/// The statements of docs/OPERATIONS.md that make the user.
fn documented_user() -> &'static str {
    let text = include_str!("../../docs/OPERATIONS.md");
    let begin = text.find("CREATE DATABASE tidegate").unwrap();
    text[begin..].split("```").next().unwrap()
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_new_tables_and_for_those_of_the_original() {
    for original in [false, true] {
        let server = Mariadb::start();
        server.ask(documented_user());
        if original {
            server.ask(&TABLE.replace("a.message", "tidegate.message"));
        }
        let url = format!("mysql://tidegate:change-me@{}/tidegate", server.host());
        let messages = MysqlMessages::connect(&url).unwrap();
        messages.check().await.unwrap();
        let all = records(vec![text(1, 2, 1, "a"), text(2, 1, 2, "b")]);
        for _ in 0..2 {
            messages.insert(all.clone()).await.unwrap();
        }
        let before = all.iter().map(|record| record.time_ms).max().unwrap() + 1;
        assert_eq!(messages.prune(before, 100).await, Ok(2));
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
