//! What happens, and what applications are told of it.

use serde_json::{Value, json};

use crate::support::{
    Client, Gateway, Raw,
    service::{Reply, Service},
};

/// An application that listens, and the setting that has it told of these events.
fn listener(events: &[&str], more: &str) -> (String, Service) {
    let service = Service::taking();
    let (events, url) = (json!(events), service.url("/hook"));
    let hook = format!("{{ events = {events}, url = \"{url}\"{more} }}");
    (format!("backend.hooks = [{hook}]\n"), service)
}

const SESSIONS: &[&str] = &["session.opened", "session.closed"];

async fn next(service: &mut Service) -> Value {
    service.next().await.json()
}

/// The names of the next ones.
async fn events(service: &mut Service, count: usize) -> Vec<String> {
    let mut events = Vec::new();
    while events.len() < count {
        let body = next(service).await;
        events.push(body["event"].as_str().unwrap().to_owned());
    }
    events
}

/// That nothing is under way: what happens next is told next.
async fn is_silent(gateway: &Gateway, service: &mut Service, user: &str) {
    let _late = Client::ride(gateway, user, user).await;
    let body = next(service).await;
    assert_eq!(
        (&body["event"], &body["user"]),
        (&json!("session.opened"), &json!(user))
    );
}

async fn session_of(gateway: &Gateway, user: &str) -> String {
    let answer = gateway
        .api("GET", &format!("/api/users/{user}"), &Value::Null)
        .await;
    let user: Value = serde_json::from_str(&answer.body).unwrap();
    user["sessions"][0]["id"].as_str().unwrap().to_owned()
}

async fn login(gateway: &Gateway, user: &str, devices: &[&str]) -> Client {
    let mut client = Client::connect(gateway, "/ws").await;
    let token = gateway.device_token(user, devices, &[]);
    client
        .send(json!({"type": "auth", "data": {"token": token}}).to_string())
        .await;
    client.text().await;
    gateway.settle().await;
    client
}

#[tokio::test]
async fn who_comes_and_goes_is_told_of() {
    let (toml, mut service) = listener(SESSIONS, "");
    let gateway = Gateway::start(&toml);
    let mut anna = Client::ride(&gateway, "driver_1", "anna").await;
    let session = session_of(&gateway, "anna").await;
    let opened = next(&mut service).await;
    let node = session.split('.').next().unwrap();
    for (field, value) in [
        ("event", json!("session.opened")),
        ("id", json!(format!("opened:{session}"))),
        ("session", json!(session)),
        ("user", json!("anna")),
        ("dialect", json!("ride")),
        ("node", json!(node)),
        ("remote", json!("127.0.0.1")),
    ] {
        assert_eq!(opened[field], value, "{field}");
    }
    assert!(gateway.now().abs_diff(opened["time"].as_u64().unwrap()) < 20);
    anna.close().await;
    let closed = next(&mut service).await;
    for (field, value) in [
        ("event", json!("session.closed")),
        ("id", json!(format!("closed:{session}"))),
        ("user", json!("anna")),
        ("reason", json!("client_closed")),
    ] {
        assert_eq!(closed[field], value, "{field}");
    }
    assert!(closed["duration_ms"].as_u64().unwrap() < 20_000);
    let mut rooms: Vec<_> = closed["rooms"].as_array().unwrap().iter().collect();
    rooms.sort_by_key(|room| room.as_str());
    assert_eq!(rooms.len(), 2, "of drivers and of everybody: {rooms:?}");
    gateway
        .until_metric("tidegate_dues_sessions", "", 0.0)
        .await;
}

#[tokio::test]
async fn who_was_not_let_in_is_not_told_of() {
    let (toml, mut service) = listener(SESSIONS, "");
    let gateway = Gateway::start(&toml);
    let mut silent = Client::connect(&gateway, "/websocket").await;
    silent.close().await;
    let mut wrong = Client::connect(&gateway, "/ws").await;
    wrong.send(r#"{"type":"auth","data":{"token":"x"}}"#).await;
    wrong.text().await;
    wrong.closed().await;
    is_silent(&gateway, &mut service, "zoe").await;
}

#[tokio::test]
async fn a_dialect_that_is_not_listed_is_not_told_of() {
    let (toml, mut service) = listener(SESSIONS, ", dialects = [\"ride\"]");
    let gateway = Gateway::start(&toml);
    let mut device = login(&gateway, "42", &[]).await;
    device.close().await;
    is_silent(&gateway, &mut service, "zoe").await;
}

#[tokio::test]
async fn messages_of_chosen_kinds_are_told_as_they_came() {
    let events = [SESSIONS, &["message.received"]].concat();
    let (toml, mut service) = listener(&events, ", messages = [\"travel\", \"task*\", \"login\"]");
    let gateway = Gateway::start(&toml);
    let mut anna = Client::ride(&gateway, "p_1", "anna").await;
    next(&mut service).await;
    for flag in ["login", "other", "travel"] {
        let text = json!({"flag": flag, "token": "anna", "target_token": "bert", "n": 1.50});
        anna.send(text.to_string()).await;
    }
    anna.ping().await;
    let body = next(&mut service).await;
    assert_eq!(
        (&body["event"], &body["kind"]),
        (&json!("message.received"), &json!("travel"))
    );
    assert_eq!(
        (&body["data"]["n"], &body["user"]),
        (&json!(1.5), &json!("anna"))
    );
    anna.close().await;
    assert_eq!(next(&mut service).await["event"], "session.closed");
    let mut device = login(&gateway, "42", &[]).await;
    next(&mut service).await;
    device
        .send(r#"{"type":"task_done","data":{"to":"user:7"}}"#)
        .await;
    device.text().await;
    assert_eq!(next(&mut service).await["kind"], "task_done");
}

#[tokio::test]
async fn a_room_is_told_of_once_for_all_nodes() {
    let (hook, mut service) = listener(&["room.occupied", "room.vacated"], "");
    let gateway = Gateway::start_two(&format!("presence.linger = \"100ms\"\n{hook}"));
    let mut told = async |event: &str, room: &str| {
        let body = next(&mut service).await;
        assert_eq!(
            (&body["event"], &body["room"]),
            (&json!(event), &json!(room))
        );
        assert!(body["session"].is_null());
        body["id"].as_str().unwrap().to_owned()
    };
    // One on each node.
    let mut one = login(&gateway, "1", &["x"]).await;
    let first = told("room.occupied", "device/x").await;
    let mut two = login(&gateway, "2", &["x"]).await;
    one.close().await;
    // Longer than it lingers: nobody says that the room is vacated.
    let mut three = login(&gateway, "3", &["y"]).await;
    told("room.occupied", "device/y").await;
    three.close().await;
    told("room.vacated", "device/y").await;
    two.close().await;
    told("room.vacated", "device/x").await;
    let _four = login(&gateway, "4", &["x"]).await;
    let second = told("room.occupied", "device/x").await;
    assert_ne!(first, second);
    let keys = gateway.redis().unwrap().keys("tg:room:");
    assert_eq!(keys, 1, "what is vacated leaves nothing");
}

#[tokio::test]
async fn who_comes_back_in_time_leaves_no_room_vacated() {
    let (hook, mut service) = listener(&["room.occupied", "room.vacated"], "");
    let gateway = Gateway::start(&format!("presence.linger = \"60s\"\n{hook}"));
    let mut room = async || {
        let body = next(&mut service).await;
        assert_eq!(body["event"], "room.occupied");
        body["room"].as_str().unwrap().to_owned()
    };
    let mut first = login(&gateway, "1", &["x"]).await;
    // Who has left before anybody looked has not been there.
    assert_eq!(room().await, "device/x");
    first.close().await;
    for _ in 0..2 {
        login(&gateway, "1", &["x"]).await.close().await;
    }
    let _other = login(&gateway, "1", &["y"]).await;
    assert_eq!(room().await, "device/y");
}

#[tokio::test]
async fn a_message_that_reaches_nobody_is_told_of() {
    let (toml, mut service) = listener(&["undeliverable"], "");
    let gateway = Gateway::start(&toml);
    let message = json!({"to": "user:nobody", "event": "e", "data": 1, "id": "mine"});
    gateway.publish(&message).await;
    let body = next(&mut service).await;
    assert_eq!(
        (&body["event"], &body["to"]),
        (&json!("undeliverable"), &json!("user:nobody"))
    );
    assert_eq!(body["message"], json!({"id": "mine", "event": "e"}));
    assert!(body["sender"].is_null());
    // It is none, if it is kept.
    let kept = json!({"to": "user:nobody", "event": "e", "data": 1, "durable": true});
    gateway.publish(&kept).await;
    let mut anna = Client::ride(&gateway, "p_1", "anna").await;
    anna.send(r#"{"flag":"travel","token":"anna","target_token":"gone"}"#)
        .await;
    let body = next(&mut service).await;
    assert_eq!(
        (&body["to"], &body["sender"]),
        (&json!("user:gone"), &json!("anna"))
    );
}

#[tokio::test]
async fn a_message_to_a_session_that_is_gone_is_told_of_by_its_node() {
    let (toml, mut service) = listener(&["undeliverable"], "");
    let gateway = Gateway::start_two(&toml);
    let mut ids = Vec::new();
    for user in ["a", "b"] {
        let mut client = Client::ride(&gateway, user, user).await;
        ids.push(session_of(&gateway, user).await);
        client.close().await;
    }
    gateway.until_metric("tidegate_sessions", "", 0.0).await;
    for id in ids {
        let to = format!("session:{id}");
        gateway
            .publish(&json!({"to": to, "event": "e", "data": 1}))
            .await;
        assert_eq!(next(&mut service).await["to"], json!(to));
    }
}

#[tokio::test]
async fn who_listens_from_now_on_is_told_of_who_comes_from_now_on() {
    let gateway = Gateway::start("");
    let mut before = Client::ride(&gateway, "a", "anna").await;
    let (toml, mut service) = listener(SESSIONS, "");
    gateway.reload(&toml);
    before.close().await;
    let mut after = Client::ride(&gateway, "b", "bert").await;
    after.close().await;
    let opened = next(&mut service).await;
    assert_eq!(
        (&opened["event"], &opened["user"]),
        (&json!("session.opened"), &json!("bert"))
    );
    assert_eq!(events(&mut service, 1).await, ["session.closed"]);
}

#[tokio::test]
async fn a_drain_tells_of_every_end_before_the_node_ends() {
    let events = [SESSIONS, &["room.occupied", "room.vacated"]].concat();
    for is_cluster in [false, true] {
        let (hook, mut service) = listener(&events, "");
        let toml = format!("presence.linger = \"100ms\"\n{hook}");
        let mut gateway = match is_cluster {
            true => Gateway::start_two(&toml),
            false => Gateway::start_alone(&toml),
        };
        // With two nodes every other one is on the first.
        let mut clients = Vec::new();
        for number in 0..10 {
            clients.push(login(&gateway, "42", &[&number.to_string()]).await);
        }
        gateway.stop();
        gateway.ended().await;
        let on_first = if is_cluster { 5 } else { 10 };
        let mut told = Vec::new();
        while let Some(request) = service.try_next() {
            told.push(request.json());
        }
        let count = |event: &str| told.iter().filter(|body| body["event"] == event).count();
        assert_eq!(count("session.closed"), on_first, "{told:?}");
        assert_eq!(count("room.vacated"), on_first, "{told:?}");
        let is_drained = |body: &&Value| body["reason"] == "draining";
        assert_eq!(told.iter().filter(is_drained).count(), on_first);
        if let Some(redis) = gateway.redis() {
            assert_eq!(redis.keys("tg:sessions:"), 1, "of the node that is left");
        }
    }
}

#[tokio::test]
async fn a_slow_listener_delays_no_session() {
    let slow = Service::start(|_| {
        Reply::later(async {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            (204, String::new())
        })
    });
    let events = r#"["session.opened", "session.closed", "message.received"]"#;
    let gateway = Gateway::start(&format!(
        "backend.hooks = [{{ events = {events}, messages = [\"*\"], url = \"{}\" }}]",
        slow.url("/")
    ));
    let begun = tokio::time::Instant::now();
    let mut anna = Raw::ride(&gateway, "p", "anna").await;
    for _ in 0..200 {
        anna.ping_ride().await;
    }
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
