//! Durable messages: for users kept while they are away, given when they come, gone when a client has
//! them; for rooms in their histories.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Gateway, Raw, Received, http, process::Place, raw, soon};

const OUTCOME_CONFIRMED: &str = "outcome=\"confirmed\"";
const LETTERS: &str = "tidegate_mail_letters_total";

fn auth(gateway: &Gateway, user: &str) -> String {
    auth_with(gateway, user, &[])
}

fn auth_with(gateway: &Gateway, user: &str, devices: &[&str]) -> String {
    let token = gateway.device_token(user, devices, &[]);
    json!({"type": "auth", "data": {"token": token}}).to_string()
}

/// A session of `user` that answers Pings while it is read.
async fn login(gateway: &Gateway, user: &str) -> Client {
    login_with(gateway, user, &[]).await
}

/// One that is in the rooms of these devices.
async fn login_with(gateway: &Gateway, user: &str, devices: &[&str]) -> Client {
    let mut client = Client::connect(gateway, "/ws").await;
    client.send(auth_with(gateway, user, devices)).await;
    let answer: Value = serde_json::from_str(&client.text().await).unwrap();
    assert_eq!(answer["data"]["status"], "ok");
    gateway.settle().await;
    client
}

/// A session of `user` that answers no Pings.
async fn login_mute(gateway: &Gateway, user: &str) -> Raw {
    let mut client = Raw::upgrade(gateway, "/ws").await;
    client.text(&auth(gateway, user)).await;
    let answer = client.receive().await;
    assert!(is_text(&answer), "{answer:?}");
    gateway.settle().await;
    client
}

fn is_text(received: &Received) -> bool {
    matches!(
        received,
        Received::Frame {
            opcode: raw::TEXT,
            ..
        }
    )
}

async fn push(gateway: &Gateway, to: &Value, number: u64) {
    let message = json!({"to": to, "event": "new_message", "data": number, "durable": true});
    gateway.publish(&message).await;
}

/// The next letters, each of which is a number.
async fn letters(client: &mut Client, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        match client.message().await {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(frame["type"], "new_message", "{frame}");
                numbers.push(frame["data"].as_u64().unwrap());
            }
            Message::Ping(_) => {}
            other => panic!("{other:?} is no letter"),
        }
    }
    numbers
}

/// Reads, so that Pings are answered, until the mail has seen `count` letters confirmed in all.
async fn confirm(gateway: &Gateway, client: &mut Client, count: f64) {
    tokio::select! {
        () = gateway.until_metric(LETTERS, OUTCOME_CONFIRMED, count) => {}
        () = async { while let Message::Ping(_) = client.message().await {} } => {
            panic!("something else than a Ping came");
        }
    }
}

/// That nothing else comes to a session: what is said last is what comes next.
async fn expect_nothing(gateway: &Gateway, client: &mut Client, user: &str) {
    let message = json!({"to": format!("user:{user}"), "event": "new_message", "data": 0});
    gateway.publish(&message).await;
    assert_eq!(letters(client, 1).await, [0]);
}

#[tokio::test]
async fn what_came_while_a_user_was_away_comes_at_the_next_login_in_order_and_once() {
    let gateway = Gateway::start("");
    for number in 1..=3 {
        push(&gateway, &json!("user:42"), number).await;
    }
    let mut client = login(&gateway, "42").await;
    assert_eq!(letters(&mut client, 3).await, [1, 2, 3]);
    confirm(&gateway, &mut client, 3.0).await;
    client.close().await;
    let mut client = login(&gateway, "42").await;
    expect_nothing(&gateway, &mut client, "42").await;
}

#[tokio::test]
async fn who_is_there_has_it_at_once_on_every_session_and_not_again() {
    let gateway = Gateway::start("");
    let mut one = login(&gateway, "42").await;
    let mut two = login(&gateway, "42").await;
    push(&gateway, &json!("user:42"), 7).await;
    assert_eq!(letters(&mut one, 1).await, [7]);
    assert_eq!(letters(&mut two, 1).await, [7]);
    confirm(&gateway, &mut one, 1.0).await;
    expect_nothing(&gateway, &mut two, "42").await;
    let mut three = login(&gateway, "42").await;
    expect_nothing(&gateway, &mut three, "42").await;
}

#[tokio::test]
async fn what_no_client_has_shown_to_have_comes_again() {
    let gateway = Gateway::start("");
    let mut mute = login_mute(&gateway, "42").await;
    push(&gateway, &json!("user:42"), 7).await;
    assert!(is_text(&mute.receive().await));
    // Written, but who knows whether it has arrived: the Ping behind it asks.
    let ping = mute.receive().await;
    assert!(
        matches!(
            ping,
            Received::Frame {
                opcode: raw::PING,
                ..
            }
        ),
        "{ping:?}"
    );
    drop(mute);
    gateway.until_metric("tidegate_sessions", "", 0.0).await;
    let mut client = login(&gateway, "42").await;
    assert_eq!(letters(&mut client, 1).await, [7]);
    confirm(&gateway, &mut client, 1.0).await;
}

#[tokio::test]
async fn a_pong_to_another_ping_confirms_nothing() {
    let gateway = Gateway::start("");
    let mut mute = login_mute(&gateway, "42").await;
    push(&gateway, &json!("user:42"), 7).await;
    assert!(is_text(&mute.receive().await));
    let Received::Frame { payload, .. } = mute.receive().await else {
        panic!("no Ping");
    };
    mute.frame(raw::PONG, b"").await;
    mute.frame(raw::PONG, b"12345678").await;
    mute.frame(raw::PING, b"heard").await;
    let heard = Received::Frame {
        opcode: raw::PONG,
        payload: b"heard".to_vec(),
    };
    assert_eq!(mute.receive().await, heard);
    assert_eq!(gateway.metric(LETTERS, OUTCOME_CONFIRMED).await, 0.0);
    mute.frame(raw::PONG, &payload).await;
    gateway.until_metric(LETTERS, OUTCOME_CONFIRMED, 1.0).await;
}

#[tokio::test]
async fn many_letters_come_in_order_page_by_page() {
    const COUNT: u64 = 350;
    let gateway = Gateway::start("");
    for number in 1..=COUNT {
        push(&gateway, &json!("user:42"), number).await;
    }
    let mut client = login(&gateway, "42").await;
    let expect: Vec<u64> = (1..=COUNT).collect();
    // What is posted meanwhile comes behind.
    let first = letters(&mut client, 1).await;
    push(&gateway, &json!("user:42"), COUNT + 1).await;
    let rest = letters(&mut client, COUNT as usize).await;
    assert_eq!(first, expect[..1]);
    assert_eq!(rest[..COUNT as usize - 1], expect[1..]);
    assert_eq!(rest.last(), Some(&(COUNT + 1)));
    confirm(&gateway, &mut client, (COUNT + 1) as f64).await;
    expect_nothing(&gateway, &mut client, "42").await;
}

#[tokio::test]
async fn a_list_of_users_is_kept_for_each_of_them() {
    let gateway = Gateway::start("");
    let users: Vec<String> = (0..250).map(|number| format!("user:{number}")).collect();
    push(&gateway, &json!(users), 5).await;
    for user in ["0", "99", "100", "249"] {
        let mut client = login(&gateway, user).await;
        assert_eq!(letters(&mut client, 1).await, [5]);
    }
}

#[tokio::test]
async fn a_user_with_too_much_mail_keeps_the_newest() {
    let gateway = Gateway::start("mail.letters_max = 3");
    for number in 1..=5 {
        push(&gateway, &json!("user:42"), number).await;
    }
    assert_eq!(gateway.metric(LETTERS, "outcome=\"dropped\"").await, 2.0);
    let mut client = login(&gateway, "42").await;
    assert_eq!(letters(&mut client, 3).await, [3, 4, 5]);
}

#[tokio::test]
async fn the_same_message_twice_is_one_letter_for_the_client() {
    let gateway = Gateway::start("");
    let mut client = login(&gateway, "42").await;
    for to in ["user:42", "user:42"] {
        let message =
            json!({"to": to, "event": "new_message", "data": 1, "id": "a", "durable": true});
        gateway.publish(&message).await;
    }
    assert_eq!(letters(&mut client, 1).await, [1]);
    expect_nothing(&gateway, &mut client, "42").await;
}

#[tokio::test]
async fn what_is_durable_for_a_room_reaches_its_members_and_is_in_its_history() {
    // Of two nodes, each has one of the members.
    for (gateway, nodes) in [(Gateway::start_alone(""), 1), (Gateway::start_two(""), 2)] {
        let mut one = login_with(&gateway, "1", &["d"]).await;
        let mut two = login_with(&gateway, "2", &["d"]).await;
        gateway.settle().await;
        let to = ["room:device/d", "user:away"];
        let message = json!({
            "to": to, "event": "new_message", "data": 7, "id": "a", "durable": true,
        });
        for _ in ["once", "and again"] {
            let answer = gateway.api("POST", "/api/publish", &message).await;
            let answer: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(answer, json!({"id": "a", "delivered_nodes": nodes}));
        }
        push(&gateway, &json!("all"), 8).await;
        for client in [&mut one, &mut two] {
            assert_eq!(letters(client, 2).await, [7, 8]);
        }
        expect_nothing(&gateway, &mut one, "1").await;
        expect_nothing(&gateway, &mut two, "2").await;
        for (topic, said) in [("room:device%2Fd", 7), ("user:away", 7), ("all", 8)] {
            for node in 0..nodes {
                let path = format!("/api/history/{topic}");
                let answer = gateway.api_of(node, "GET", &path, &Value::Null).await;
                let page: Value = serde_json::from_str(&answer.body).unwrap();
                assert_eq!(page["messages"].as_array().unwrap().len(), 1, "{page}");
                assert_eq!(page["messages"][0]["msg"], said, "{page}");
            }
        }
        // Who was away has mail, and members who come later have the history.
        assert_eq!(letters(&mut login(&gateway, "away").await, 1).await, [7]);
        let mut late = login_with(&gateway, "3", &["d"]).await;
        expect_nothing(&gateway, &mut late, "3").await;
    }
}

#[tokio::test]
async fn what_cannot_be_durable_is_refused() {
    let gateway = Gateway::start("");
    for (message, status, field) in [
        (
            json!({"to": "session:gw.1.2", "durable": true}),
            422,
            "durable",
        ),
        (
            json!({"to": ["user:1", "session:gw.1.2"], "durable": true}),
            422,
            "durable",
        ),
        (
            json!({"to": "user:1", "durable": true, "conflate": "k"}),
            422,
            "conflate",
        ),
    ] {
        let answer = gateway.api("POST", "/api/publish", &message).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.contains(field), "{answer:?}");
    }
    assert_eq!(gateway.metric(LETTERS, "outcome=\"kept\"").await, 0.0);
}

#[tokio::test]
async fn a_node_that_was_killed_has_what_it_has_answered_for() {
    let place = Place::new(
        "api.keys = [{ key = \"k\", scopes = [\"publish\"] }]\n\
         store.url = \"sqlite://tidegate.db\"",
    );
    let mut node = place.start().await;
    for number in 1..=20 {
        let message = json!({"to": "user:me", "event": "e", "data": number, "durable": true});
        let answer = http::call(
            place.admin(),
            "POST",
            "/api/publish",
            &[("authorization", "Bearer k")],
            &message.to_string(),
        )
        .await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    node.signal(rustix::process::Signal::KILL);
    node.ended().await;
    let _node = place.start().await;
    let mut client = place.connect("/ws/?client_id=c&token=me").await;
    for number in 1..=20 {
        let text = soon("a letter", async {
            loop {
                if let Message::Text(text) = client.message().await {
                    return text;
                }
            }
        });
        let frame: Value = serde_json::from_str(&text.await).unwrap();
        assert_eq!(frame["data"], number, "{frame}");
    }
}
