//! A store that hangs or refuses: who is told, and who is not held up.

use rusqlite::Connection;
use serde_json::json;

use super::{befriend, error, login, says};
use crate::support::{Gateway, client::code, machine::Folder, soon};

#[tokio::test]
async fn a_store_that_hangs_holds_up_nothing_but_what_it_is_to_keep() {
    let folder = Folder::new();
    let path = folder.path().join("chat.db");
    let gateway = Gateway::start(&format!("store.url = \"sqlite://{}\"", path.display()));
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
    let gateway = Gateway::start(&format!("store.url = \"sqlite://{}\"", path.display()));
    befriend(&gateway, 7, 42).await;
    let mut client = login(&gateway, 7).await;
    let other = Connection::open(&path).unwrap();
    let break_it = "CREATE TRIGGER refuse BEFORE INSERT ON message
        BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    other.execute_batch(break_it).unwrap();
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

#[tokio::test]
async fn a_client_that_is_sent_away_is_answered_first() {
    let folder = Folder::new();
    let path = folder.path().join("chat.db");
    let toml = format!("store.url = \"sqlite://{}\"", path.display());
    let mut gateway = Gateway::start(&toml);
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
