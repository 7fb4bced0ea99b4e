//! A store that hangs or refuses: who is told, and who is not held up. A node that is alone has nothing
//! but its store; nodes of a cluster acknowledge what Redis has, and the store may come later.

use rusqlite::Connection;
use serde_json::json;

use super::{befriend, error, login, says};
use crate::support::{Client, Gateway, client::code, machine::Folder, soon};

const REFUSING: &str = "CREATE TRIGGER refuse BEFORE INSERT ON message
    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
/// Of a node that is alone: nothing new comes to the disk.
const REFUSING_ALL: &str = "CREATE TRIGGER refuse BEFORE INSERT ON arrived
    BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";

#[tokio::test]
async fn a_store_that_hangs_holds_up_nothing_but_what_it_is_to_keep() {
    let folder = Folder::new();
    let path = folder.path().join("chat.db");
    let gateway = Gateway::start_alone(&format!("store.url = \"sqlite://{}\"", path.display()));
    befriend(&gateway, 7, 42).await;
    let mut client = login(&gateway, 7).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for number in 0..5 {
        client
            .send(says(&number.to_string(), 42, "x").to_string())
            .await;
    }
    let pong = client.ask(&json!({"id": "p", "to": 0, "type": "P"})).await;
    assert_eq!(pong["type"], "P");
    // More than may be under way: it is not read on, and loses nothing.
    for number in 5..100 {
        client
            .send(says(&number.to_string(), 42, "x").to_string())
            .await;
    }
    other.execute_batch("COMMIT").unwrap();
    soon("all are acknowledged", async {
        for number in 0..100 {
            let answer = client.packet().await;
            assert_eq!(
                (&answer["id"], &answer["type"]),
                (&json!(number.to_string()), &json!("A"))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_the_store_refuses_is_said_to_have_failed_and_counted() {
    let folder = Folder::new();
    let path = folder.path().join("chat.db");
    let gateway = Gateway::start_alone(&format!("store.url = \"sqlite://{}\"", path.display()));
    befriend(&gateway, 7, 42).await;
    let mut client = login(&gateway, 7).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch(REFUSING_ALL).unwrap();
    let packet = says("1", 42, "x");
    assert_eq!(
        client.ask(&packet).await,
        error("1", "Fail to storage message")
    );
    let refused = "outcome=\"refused\"";
    gateway
        .until_metric("tidegate_chat_messages_total", refused, 1.0)
        .await;
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    client.say("1", 42, "x").await;
    assert_eq!(gateway.history("user:42").await.len(), 1);
}

/// The texts of a history, as a client and as the API give it, which have to be the same.
async fn texts(gateway: &Gateway, client: &mut Client) -> Vec<String> {
    let text = |row: &serde_json::Value| row["msg"].as_str().unwrap().to_owned();
    let all = json!({"id": "h", "to": 0, "type": "H", "msg": {"id": -1, "from": -1}});
    let answer = client.ask(&all).await;
    let texts: Vec<String> = answer["msg"].as_array().unwrap().iter().map(text).collect();
    let of_api: Vec<String> = gateway.history("user:42").await.iter().map(text).collect();
    assert_eq!(texts, of_api);
    texts
}

#[tokio::test]
async fn in_a_cluster_a_store_that_is_away_holds_up_nobody_and_nothing_is_missing() {
    for trouble in ["BEGIN IMMEDIATE", REFUSING] {
        let folder = Folder::new();
        let path = folder.path().join("chat.db");
        let gateway = Gateway::start_two(&format!("store.url = \"sqlite://{}\"", path.display()));
        befriend(&gateway, 7, 42).await;
        // One on each node.
        let (mut a, mut b) = (login(&gateway, 7).await, login(&gateway, 42).await);
        a.say("1", 42, "before").await;
        let stored = "outcome=\"stored\"";
        let records = "tidegate_archive_records_total";
        gateway.until_metric(records, stored, 1.0).await;
        let other = Connection::open(&path).unwrap();
        other.execute_batch(trouble).unwrap();
        a.say("2", 42, "meanwhile").await;
        b.packet().await;
        assert_eq!(b.packet().await["msg"], "meanwhile");
        b.say("3", 7, "answer").await;
        assert_eq!(a.packet().await["msg"], "answer");
        let whole = ["answer", "meanwhile", "before"];
        for client in [&mut a, &mut b] {
            assert_eq!(texts(&gateway, client).await, whole);
        }
        let rows = "SELECT count(*) FROM message";
        let count = || other.query_row(rows, [], |row| row.get::<_, i64>(0));
        assert_eq!(count().unwrap(), 1);
        let refused = "outcome=\"refused\"";
        let refused = gateway
            .metric("tidegate_chat_messages_total", refused)
            .await;
        assert_eq!(refused, 0.0);
        let mend = match trouble {
            REFUSING => "DROP TRIGGER refuse",
            _ => "ROLLBACK",
        };
        other.execute_batch(mend).unwrap();
        gateway.until_metric(records, stored, 3.0).await;
        assert_eq!(count().unwrap(), 3);
        for client in [&mut a, &mut b] {
            assert_eq!(texts(&gateway, client).await, whole);
        }
    }
}

#[tokio::test]
async fn a_client_that_is_sent_away_is_answered_first() {
    let folder = Folder::new();
    let path = folder.path().join("chat.db");
    let toml = format!("store.url = \"sqlite://{}\"", path.display());
    let mut gateway = Gateway::start_alone(&toml);
    befriend(&gateway, 7, 42).await;
    let mut client = login(&gateway, 7).await;
    let mut idle = login(&gateway, 42).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    for number in 0..3 {
        let packet = says(&number.to_string(), 42, "x");
        client.send(packet.to_string()).await;
    }
    let ping = json!({"id": "p", "to": 0, "type": "P"});
    client.ask(&ping).await;
    gateway.stop();
    // By then the other one is on its way too.
    assert_eq!(idle.closed().await, code(1012, "draining"));
    // What comes after that is not done, and needs no answer.
    client.send(ping.to_string()).await;
    other.execute_batch("COMMIT").unwrap();
    for number in 0..3 {
        let answer = client.packet().await;
        assert_eq!(
            (&answer["id"], &answer["type"]),
            (&json!(number.to_string()), &json!("A"))
        );
    }
    assert_eq!(client.closed().await, code(1012, "draining"));
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}
