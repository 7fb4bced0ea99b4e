//! `[backend.connect]`: a service decides about whoever has logged in, in any dialect.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Application, LONG, device};
use crate::{
    im,
    support::{Client, Gateway, client::code, machine::free_port},
};

const HOOKS: &str = "tidegate_connect_hooks_total";

/// A node that asks at `url`, with these settings of it besides.
fn asking(url: &str, more: &str) -> Gateway {
    Gateway::start(&toml(url, more))
}

fn toml(url: &str, more: &str) -> String {
    format!("backend.connect = {{ url = \"{url}\"{more} }}")
}

/// An application that says the same of everybody.
fn saying(answer: Value) -> Application {
    Application::start(move |_, _| Some((200, answer.to_string())))
}

/// A client of `im` who is known, and whatever it is sent first.
async fn im_user(gateway: &Gateway, user: u64) -> (Client, Value) {
    let answer = gateway.im_token(&json!({"id": user})).await;
    let token: Value = serde_json::from_str(&answer.body).unwrap();
    let token = token["token"].as_str().unwrap();
    let mut client = Client::connect(gateway, &format!("/{token}")).await;
    let first = client.packet().await;
    (client, first)
}

async fn ride(gateway: &Gateway, client_id: &str, token: &str) -> Client {
    Client::connect(
        gateway,
        &format!("/ws/?client_id={client_id}&token={token}"),
    )
    .await
}

#[tokio::test]
async fn it_is_asked_about_clients_of_every_dialect_and_they_come_in() {
    let mut app = saying(json!({"allow": true, "rooms": null}));
    let gateway = asking(&app.url, ", secret = \"hush\"");
    let mut client = ride(&gateway, "driver_1", "bert").await;
    client.ping().await;
    let request = app.request().await;
    assert!(request.header("x-tidegate-signature").is_some());
    let mut question = request.json();
    let fields = question.as_object_mut().unwrap();
    for key in ["session", "id", "time"] {
        assert!(fields.remove(key).is_some(), "{key}");
    }
    assert_eq!(
        question,
        json!({"event": "connect", "dialect": "ride", "user": "bert", "remote": "127.0.0.1",
               "client_id": "driver_1"})
    );
    im::login(&gateway, 7).await;
    let question = app.request().await.json();
    assert_eq!(
        (&question["dialect"], &question["user"]),
        (&json!("im"), &json!("7"))
    );
    let mut client = device(&gateway, "anna").await;
    client.device_ping().await;
    let question = app.request().await.json();
    assert_eq!(
        (&question["dialect"], &question["user"]),
        (&json!("device"), &json!("anna"))
    );
    gateway.until_metric(HOOKS, "allowed", 3.0).await;
}

#[tokio::test]
async fn who_is_refused_hears_it_in_the_words_of_its_dialect_and_is_no_session_of_the_user() {
    for answer in [
        (
            200,
            json!({"allow": false, "reason": "pay first"}).to_string(),
        ),
        (403, String::new()),
    ] {
        let said = match answer.0 {
            200 => "pay first",
            _ => "the application does not allow it",
        };
        let app = Application::start(move |_, _| Some(answer.clone()));
        let gateway = asking(&app.url, "");
        let mut client = ride(&gateway, "c1", "bert").await;
        assert_eq!(client.closed().await, code(1008, "auth_failed"));
        let (mut client, first) = im_user(&gateway, 7).await;
        assert_eq!(
            first,
            json!({"id": 0, "from": 0, "type": "E", "msg": "Invalidate token"})
        );
        assert_eq!(client.closed().await, code(1008, "auth_failed"));
        let mut client = Client::connect(&gateway, "/ws").await;
        client.auth(&gateway, "anna").await;
        let error = json!({"code": 401, "message": said});
        assert_eq!(
            client.frame().await,
            json!({"type": "error", "data": error})
        );
        assert_eq!(client.closed().await, code(1008, "auth_failed"));
        let user = gateway.api("GET", "/api/users/anna", &Value::Null).await;
        assert!(user.body.contains("\"online\":false"), "{}", user.body);
        gateway.until_metric(HOOKS, "denied", 3.0).await;
    }
}

#[tokio::test]
async fn while_it_decides_nobody_reaches_the_client_and_what_it_says_waits() {
    let mut app = Application::start(|_, _| None);
    let gateway = asking(&app.url, ", timeout = \"15s\"");
    let mut client = ride(&gateway, "c1", "bert").await;
    client
        .send(r#"{"flag":"x","token":"bert","target_token":"bert"}"#)
        .await;
    app.request().await;
    let message = json!({"to": "user:bert", "event": "early"});
    gateway.publish(&message).await;
    // An answer that is none, which is as good as no answer.
    app.open();
    assert_eq!(client.closed().await, code(1013, "auth_unavailable"));
    let undeliverable = "tidegate_messages_undeliverable_total";
    assert_eq!(gateway.metric(undeliverable, "").await, 1.0);
}

#[tokio::test]
async fn it_opens_rooms_in_every_dialect() {
    let app = saying(json!({"allow": true, "user": null, "rooms": ["news", "vip/1"]}));
    let gateway = asking(&app.url, "");
    let mut bert = ride(&gateway, "c1", "bert").await;
    bert.ping().await;
    let mut seven = im::login(&gateway, 7).await;
    let mut anna = device(&gateway, "anna").await;
    gateway
        .publish(&json!({"to": "room:vip/1", "event": "x", "data": 5}))
        .await;
    bert.expect(r#"{"flag":"x","target_token":"vip/1","data":5}"#)
        .await;
    assert_eq!(seven.packet().await["msg"], 5);
    assert_eq!(anna.frame().await, json!({"type": "x", "data": 5}));
}

#[tokio::test]
async fn it_names_whoever_is_known_by_his_own_word_alone_and_nobody_else() {
    // In development mode there is no realm, and any token is an address.
    let app = saying(json!({"allow": true, "user": "carl"}));
    let gateway = asking(&app.url, ", when_down = \"allow\"");
    let mut carl = Client::ride(&gateway, "c1", "some-token").await;
    gateway
        .publish(&json!({"to": "user:carl", "event": "x"}))
        .await;
    carl.expect(r#"{"flag":"x","target_token":"carl","data":null}"#)
        .await;
    // It shows the token that it has logged in with.
    let text = r#"{"flag":"y","token":"some-token","target_token":"carl"}"#;
    carl.send(text).await;
    carl.expect(text).await;
    // Who has proven who he is, is nobody else, also where others may come in when it is down.
    let (mut client, first) = im_user(&gateway, 7).await;
    assert_eq!(first["msg"], "Unknown error", "{first}");
    assert_eq!(client.closed().await, code(1013, "auth_unavailable"));
    let mut client = Client::connect(&gateway, "/ws").await;
    client.auth(&gateway, "anna").await;
    assert_eq!(client.frame().await["data"]["code"], 503);
    gateway.until_metric(HOOKS, "malformed", 2.0).await;
    // The own name is no other one.
    let mut client = Client::connect(&gateway, "/ws").await;
    client.auth(&gateway, "carl").await;
    assert_eq!(client.frame().await["data"]["status"], "ok");
}

#[tokio::test]
async fn it_names_nobody_outside_the_realm_and_is_not_asked_about_backends() {
    let answer = |_: &_, body: Value| {
        let user = match body["client_id"].as_str().unwrap() {
            "inside" => "ride/carl",
            "outside" => "carl",
            "realm" => "ride/",
            _ => "backend/b1",
        };
        Some((200, json!({"allow": true, "user": user}).to_string()))
    };
    let app = Application::start(answer);
    let gateway = asking(
        &app.url,
        " }\ndialect.ride.realm = \"ride\"\n\
         dialect.ride.backends = { b1 = \"0123456789abcdef\"",
    );
    let mut carl = Client::ride(&gateway, "inside", "token").await;
    for client_id in ["outside", "realm", "backend"] {
        let mut client = ride(&gateway, client_id, "token").await;
        assert_eq!(
            client.closed().await,
            code(1008, "auth_failed"),
            "{client_id}"
        );
    }
    let mut backend = Client::ride(&gateway, "b1", "0123456789abcdef").await;
    let text = r#"{"flag":"y","target_token":"carl"}"#;
    backend.send(text).await;
    carl.expect(text).await;
    assert_eq!(gateway.metric(HOOKS, "").await, 4.0);
}

#[tokio::test]
async fn one_that_is_down_keeps_everybody_out_or_lets_everybody_in() {
    let long = "x".repeat(70_000);
    let answers = [
        (500, String::new(), "failed"),
        (404, "{}".to_owned(), "failed"),
        (200, "{}".to_owned(), "malformed"),
        (200, "yes".to_owned(), "malformed"),
        (200, json!({"allow": "yes"}).to_string(), "malformed"),
        (
            200,
            json!({"allow": true, "user": "a\nb"}).to_string(),
            "malformed",
        ),
        (
            200,
            json!({"allow": true, "rooms": ["x".repeat(101)]}).to_string(),
            "malformed",
        ),
        (
            200,
            json!({"allow": true, "reason": long}).to_string(),
            "malformed",
        ),
    ];
    for (number, (status, body, outcome)) in answers.into_iter().enumerate() {
        let app = Application::start(move |_, _| Some((status, body.clone())));
        let gateway = Gateway::start_alone(&toml(&app.url, ""));
        let mut client = ride(&gateway, "c1", "bert").await;
        assert_eq!(
            client.closed().await,
            code(1013, "auth_unavailable"),
            "{number}"
        );
        assert_eq!(gateway.metric(HOOKS, outcome).await, 1.0, "{number}");
        gateway.reload(&toml(&app.url, ", when_down = \"allow\""));
        Client::ride(&gateway, "c1", "bert").await.ping().await;
        device(&gateway, "anna").await.device_ping().await;
        im::login(&gateway, 7).await;
        assert_eq!(gateway.metric(HOOKS, outcome).await, 4.0, "{number}");
    }
}

#[tokio::test]
async fn one_that_hangs_or_is_gone_is_down() {
    let gone = format!("http://127.0.0.1:{}/", free_port());
    let hanging = Application::hanging();
    for (url, outcome) in [(&gone, "failed"), (&hanging.url, "timeout")] {
        let gateway = asking(url, ", timeout = \"200ms\"");
        let (mut client, first) = im_user(&gateway, 7).await;
        assert_eq!(first["type"], "E", "{first}");
        assert_eq!(client.closed().await, code(1013, "auth_unavailable"));
        gateway.until_metric(HOOKS, outcome, 1.0).await;
        gateway.reload(&toml(url, ", timeout = \"200ms\", when_down = \"allow\""));
        Client::ride(&gateway, "c1", "bert").await.ping().await;
        gateway.until_metric(HOOKS, outcome, 2.0).await;
    }
}

#[tokio::test]
async fn in_a_storm_of_connects_no_more_wait_than_may_and_the_others_know_at_once() {
    let app = Application::hanging();
    let more = ", timeout = \"300ms\", waiting_max = 10";
    let gateway = Gateway::start_alone(&toml(&app.url, more));
    let begin = Instant::now();
    let coming = (0..200).map(|number| {
        let gateway = &gateway;
        async move {
            let mut client = ride(gateway, &format!("c{number}"), "bert").await;
            assert_eq!(client.closed().await, code(1013, "auth_unavailable"));
        }
    });
    join_all(coming).await;
    assert!(begin.elapsed() < LONG);
    let timeout = gateway.metric(HOOKS, "timeout").await;
    let overloaded = gateway.metric(HOOKS, "overloaded").await;
    assert_eq!(timeout + overloaded, 200.0);
    assert!(
        10.0 <= timeout && 1.0 <= overloaded,
        "{timeout} {overloaded}"
    );
    // With an answer for when it is down nobody waits in vain, and nobody is sent away.
    gateway.reload(&toml(
        &app.url,
        ", timeout = \"300ms\", waiting_max = 10, when_down = \"allow\"",
    ));
    let coming = (0..100).map(|number| {
        let gateway = &gateway;
        async move {
            let mut client = ride(gateway, &format!("c{number}"), "bert").await;
            client.ping().await;
        }
    });
    join_all(coming).await;
}

#[tokio::test]
async fn only_the_dialects_that_are_listed_are_asked_about_and_that_can_change() {
    let app = saying(json!({"allow": false}));
    let gateway = asking(&app.url, ", dialects = [\"im\", \"device\"]");
    let mut bert = Client::ride(&gateway, "c1", "bert").await;
    let (_, first) = im_user(&gateway, 7).await;
    assert_eq!(first["type"], "E");
    let reloaded = gateway.reload(&toml(&app.url, ", dialects = [\"ride\"]"));
    assert_eq!(reloaded.applied, ["backend.connect"]);
    bert.ping().await;
    let mut client = ride(&gateway, "c2", "bert").await;
    assert_eq!(client.closed().await, code(1008, "auth_failed"));
    im::login(&gateway, 7).await;
    gateway.reload("");
    Client::ride(&gateway, "c2", "bert").await.ping().await;
    bert.ping().await;
}

#[tokio::test]
async fn a_client_that_goes_while_it_is_decided_about_leaves_nothing() {
    let mut app = Application::hanging();
    let gateway = asking(&app.url, ", timeout = \"15s\"");
    for _ in 0..2 {
        let client = ride(&gateway, "c1", "bert").await;
        app.request().await;
        client.socket.get_ref().set_zero_linger().unwrap();
        drop(client);
    }
    app.open();
    gateway
        .until_metric("tidegate_connections", "ride", 0.0)
        .await;
    let user = gateway.api("GET", "/api/users/bert", &Value::Null).await;
    assert!(user.body.contains("\"online\":false"), "{}", user.body);
}

#[tokio::test]
async fn a_reload_that_changes_nothing_lets_no_more_wait() {
    let mut app = Application::hanging();
    let toml = toml(&app.url, ", timeout = \"15s\", waiting_max = 1");
    let gateway = Gateway::start_alone(&toml);
    let mut first = ride(&gateway, "c1", "bert").await;
    app.request().await;
    gateway.reload(&format!("{toml}\nlimits.idle = \"30s\""));
    let mut second = ride(&gateway, "c2", "bert").await;
    assert_eq!(second.closed().await, code(1013, "auth_unavailable"));
    assert_eq!(gateway.metric(HOOKS, "overloaded").await, 1.0);
    app.open();
    assert_eq!(first.closed().await, code(1013, "auth_unavailable"));
}
