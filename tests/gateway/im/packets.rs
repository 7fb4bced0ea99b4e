//! What packets look like on the wire, and what becomes of bad ones.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{befriend, error, login, pair, says, token};
use crate::support::{Client, Closed, Gateway, client::code};

/// A text of a time, with its digits replaced.
fn shape(text: &str) -> String {
    let digit = |c: char| if c.is_ascii_digit() { '0' } else { c };
    text.chars().map(digit).collect()
}

#[tokio::test]
async fn who_has_a_token_is_welcomed_on_either_path() {
    let gateway = Gateway::start("");
    for path in ["/im/", "/"] {
        let token = token(&gateway, 42).await;
        let mut client = Client::connect(&gateway, &format!("{path}{token}")).await;
        let welcome = client.text().await;
        assert_eq!(
            shape(&welcome),
            r#"{"id":0,"from":0,"type":"L","msg":"login in","timestamp":0000000000000}"#
        );
    }
}

#[tokio::test]
async fn a_bad_token_is_upgraded_told_so_and_closed() {
    for (profile, closed) in [
        ("documented", code(1008, "auth_failed")),
        ("observed", Closed::Empty),
    ] {
        let gateway = Gateway::start(&format!("dialect.im.profile = \"{profile}\""));
        for path in ["/a.b.c", "/im/x", "/im/a.b.c?x=1", "/im/"] {
            let mut client = Client::connect(&gateway, path).await;
            client
                .expect(r#"{"id":0,"from":0,"type":"E","msg":"Invalidate token"}"#)
                .await;
            assert_eq!(client.closed().await, closed, "{path}");
        }
    }
}

#[tokio::test]
async fn frames_that_come_before_the_welcome_are_not_lost() {
    let gateway = Gateway::start("");
    let token = token(&gateway, 42).await;
    let mut client = Client::connect(&gateway, &format!("/{token}")).await;
    for id in 1..=3 {
        client
            .send(json!({"id": id, "to": 0, "type": "P"}).to_string())
            .await;
    }
    assert_eq!(client.packet().await["type"], "L");
    for id in 1..=3 {
        let pong = format!(r#"{{"id":{id},"from":0,"to":0,"type":"P","msg":"pong"}}"#);
        client.expect(&pong).await;
    }
}

#[tokio::test]
async fn every_packet_has_the_form_of_its_profile() {
    for (profile, pong, acknowledged) in [
        (
            "documented",
            r#"{"id":"a","from":0,"to":0,"type":"P","msg":"pong"}"#,
            r#"{"id":7,"from":0,"type":"A","msg":"success","timestamp":0000000000000}"#,
        ),
        (
            "observed",
            r#"{"id":"a","from":0,"type":"P","msg":"pong"}"#,
            r#"{"id":7,"from":0,"type":"A","msg":"","timestamp":0000000000000}"#,
        ),
    ] {
        let gateway = Gateway::start(&format!("dialect.im.profile = \"{profile}\""));
        let (mut a, mut b) = pair(&gateway).await;
        a.send(r#"{"id":"a","to":0,"type":"P","msg":"ping"}"#).await;
        a.expect(pong).await;
        a.send(r#"{"id":7,"to":"42","type":"t","msg":"你好 \ud83d\ude00"}"#)
            .await;
        let answer = a.text().await.replacen('7', "\u{7}", 1);
        assert_eq!(shape(&answer).replace('\u{7}', "7"), acknowledged);
        let came = b.text().await;
        let (before, time) = came.split_once(r#""timestamp":"#).unwrap();
        assert_eq!(
            before,
            r#"{"id":7,"from":7,"type":"t","msg":"你好 \ud83d\ude00","#
        );
        assert_eq!(shape(time), r#""0000-00-00T00:00:00.000Z"}"#);
        // A picture stays one.
        a.send(r#"{"id":8,"to":42,"type":"i","msg":17}"#).await;
        let came = b.packet().await;
        assert_eq!((&came["type"], &came["msg"]), (&json!("i"), &json!(17)));
    }
}

#[tokio::test]
async fn a_bad_packet_is_answered_by_one_error_and_the_session_goes_on() {
    let gateway = Gateway::start("");
    befriend(&gateway, 7, 42).await;
    let mut client = login(&gateway, 7).await;
    for (packet, id) in [
        ("not JSON".to_owned(), json!(0)),
        ("[1]".to_owned(), json!(0)),
        ("{}".to_owned(), json!(0)),
        (r#"{"id":5,"type":"P"}"#.to_owned(), json!(5)),
        (r#"{"id":"x","to":0,"type":"Q"}"#.to_owned(), json!("x")),
        (r#"{"id":null,"to":0,"type":"P"}"#.to_owned(), json!(0)),
        (r#"{"id":6,"to":42,"type":"t"}"#.to_owned(), json!(6)),
        (
            r#"{"id":6,"to":42,"type":"t","msg":{}}"#.to_owned(),
            json!(6),
        ),
        (
            r#"{"id":6,"to":-1,"type":"t","msg":"x"}"#.to_owned(),
            json!(6),
        ),
        (
            r#"{"id":6,"to":0,"type":"S","msg":{"longitude":1}}"#.to_owned(),
            json!(6),
        ),
        (
            format!(r#"{{"id":"{}","to":0,"type":"P"}}"#, "x".repeat(200)),
            json!(0),
        ),
    ] {
        client.send(packet.clone()).await;
        assert_eq!(
            client.packet().await,
            error(id, "Bad data formation"),
            "{packet}"
        );
    }
    client.feed(Message::binary(b"\xff".to_vec())).await;
    assert_eq!(client.packet().await, error(0, "Bad data formation"));
    client.say("1", 42, "still here").await;
}

#[tokio::test]
async fn a_text_is_as_long_as_javascript_counts_it() {
    let gateway = Gateway::start("");
    befriend(&gateway, 7, 42).await;
    let mut client = login(&gateway, 7).await;
    // An emoji counts twice.
    let longest = "😀".repeat(511) + "x";
    client.say("1", 42, &longest).await;
    let answer = client.ask(&says("2", 42, &(longest + "x"))).await;
    assert_eq!(answer, error("2", "Message is too long"));
}

#[tokio::test]
async fn only_friends_are_written_to_and_a_change_counts_at_once() {
    let gateway = Gateway::start("");
    let mut client = login(&gateway, 7).await;
    let packet = says("1", 42, "hi");
    let refused = error("1", "You are not friends");
    assert_eq!(client.ask(&packet).await, refused);
    befriend(&gateway, 7, 42).await;
    client.say("1", 42, "hi").await;
    let path = "/api/im/friends/7/42";
    gateway.api("DELETE", path, &json!(null)).await;
    assert_eq!(client.ask(&packet).await, refused);
}

#[tokio::test]
async fn who_is_online_is_told_for_the_whole_cluster() {
    let gateway = Gateway::start("presence.linger = \"0s\"");
    let mut asking = login(&gateway, 7).await;
    let ask = |user: serde_json::Value| json!({"id": 1, "to": 0, "type": "O", "msg": user});
    assert_eq!(asking.ask(&ask(json!(42))).await["msg"], false);
    let mut other = login(&gateway, 42).await;
    for user in [json!(42), json!("42")] {
        let answer = asking.ask(&ask(user)).await;
        assert_eq!(
            (&answer["type"], &answer["msg"]),
            (&json!("O"), &json!(true))
        );
    }
    other.close().await;
    gateway.settle().await;
    crate::support::soon("the user is offline", async {
        while asking.ask(&ask(json!(42))).await["msg"] == true {}
    })
    .await;
}
