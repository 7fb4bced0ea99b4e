//! The history: by `H` packets and by the HTTP API.

use serde_json::{Value, json};

use super::{befriend, login};
use crate::support::{Client, Gateway};

async fn rows(client: &mut Client, msg: Value) -> Vec<Value> {
    let answer = client
        .ask(&json!({"id": "h", "to": 0, "type": "H", "msg": msg}))
        .await;
    assert_eq!(answer["type"], "H", "{answer}");
    answer["msg"].as_array().unwrap().clone()
}

fn texts(rows: &[Value]) -> Vec<&str> {
    rows.iter()
        .map(|row| row["msg"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_client_reads_its_own_messages_newest_first_from_where_it_is() {
    let gateway = Gateway::start("");
    befriend(&gateway, 7, 42).await;
    befriend(&gateway, 9, 42).await;
    befriend(&gateway, 7, 9).await;
    let (mut a, mut b, mut c) = (
        login(&gateway, 7).await,
        login(&gateway, 42).await,
        login(&gateway, 9).await,
    );
    a.say("1", 42, "one").await;
    b.packet().await;
    c.say("2", 42, "two").await;
    b.packet().await;
    b.say("3", 7, "three").await;
    a.packet().await;
    a.say("4", 9, "not b's").await;
    let all = rows(&mut b, json!({"id": -1, "from": -1})).await;
    assert_eq!(texts(&all), ["three", "two", "one"]);
    let keys: Vec<&String> = all[0].as_object().unwrap().keys().collect();
    assert_eq!(keys.len(), 7);
    assert_eq!(all[2]["send"], true);
    let newer = rows(&mut b, json!({"id": all[2]["id"], "from": -1})).await;
    assert_eq!(texts(&newer), ["three", "two"]);
    let of_c = rows(&mut b, json!({"id": -1, "from": 9})).await;
    assert_eq!(texts(&of_c), ["two"]);
    // By time, as a number and as text.
    let since = rows(&mut b, all[1]["timestamp"].clone()).await;
    assert!(
        2 <= since.len() && texts(&since)[..2] == ["three", "two"],
        "{since:?}"
    );
    assert_eq!(rows(&mut b, json!(0)).await.len(), 3);
    assert!(rows(&mut b, json!(4_000_000_000_000_u64)).await.is_empty());
}

#[tokio::test]
async fn a_page_has_forty_rows() {
    let gateway = Gateway::start("");
    befriend(&gateway, 7, 42).await;
    let mut a = login(&gateway, 7).await;
    for number in 0..45 {
        a.say(&number.to_string(), 42, &number.to_string()).await;
    }
    let newest = rows(&mut a, json!({"id": -1})).await;
    let expect: Vec<String> = (5..45).rev().map(|number| number.to_string()).collect();
    assert_eq!(texts(&newest), expect);
}

#[tokio::test]
async fn in_the_observed_profile_rows_are_as_the_original_wrote_them() {
    let gateway = Gateway::start("dialect.im.profile = \"observed\"");
    befriend(&gateway, 7, 42).await;
    let mut a = login(&gateway, 7).await;
    a.say("1", 42, "x").await;
    let all = rows(&mut a, json!({"id": -1, "from": -1})).await;
    assert_eq!(all[0]["send"], json!({"type": "Buffer", "data": [0]}));
    let refused = a
        .ask(&json!({"id": 1, "to": 0, "type": "H", "msg": 5}))
        .await;
    assert_eq!(refused["msg"], "Bad data formation");
}

#[tokio::test]
async fn the_api_gives_pages() {
    let gateway = Gateway::start("limits.history_page_max = 4");
    befriend(&gateway, 7, 42).await;
    let mut a = login(&gateway, 7).await;
    for number in 0..5 {
        a.say(&number.to_string(), 42, &number.to_string()).await;
    }
    let mut path = "/api/history/user:42?limit=2".to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = gateway.api("GET", &path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let page: Value = serde_json::from_str(&answer.body).unwrap();
        pages.push(texts(page["messages"].as_array().unwrap()).concat());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/api/history/user:42?limit=2&cursor={next}");
    }
    assert_eq!(pages, ["43", "21", "0"]);
    let answer = gateway
        .api("GET", "/api/history/user:42", &Value::Null)
        .await;
    let page: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(page["messages"].as_array().unwrap().len(), 4);
    for (path, field) in [
        ("/api/history/user:42?limit=0", "limit"),
        ("/api/history/user:42?limit=5", "limit"),
        ("/api/history/user:42?cursor=x", "cursor"),
        ("/api/history/nobody", "topic"),
    ] {
        let answer = gateway.api("GET", path, &Value::Null).await;
        let problem: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &problem["field"]), (422, &json!(field)));
    }
}
