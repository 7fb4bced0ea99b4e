//! What customers and agents see of one another.

use super::*;
use crate::support::redis::Redis;

#[tokio::test]
async fn a_customer_gets_an_agent_keeps_it_and_both_are_told() {
    let gateway = start("round_robin", NEVER);
    let mut li = agent(&gateway, "2").await;
    let mut anna = customer(&gateway, "c1").await;
    anna.asks("c1", "one").await;
    assert_eq!(anna.json().await, assigned("2"));
    assert_eq!(li.own().await, assigned("c1"));
    li.is_asked("c1", "one").await;
    let mut wu = agent(&gateway, "1").await;
    anna.asks("c1", "two").await;
    li.is_asked("c1", "two").await;
    li.send(envelope("2", "c1", "yes")).await;
    let answer: Value = serde_json::from_str(&envelope("2", "c1", "yes")).unwrap();
    assert_eq!(anna.json().await, answer);
    // Away for a moment, on whichever node it comes back.
    drop(li);
    until(&gateway, async |view| view["agents"][1]["online"] == false).await;
    anna.asks("c1", "three").await;
    let mut li = agent(&gateway, "2").await;
    li.is_asked("c1", "three").await;
    assert_eq!(agent_of(&gateway, "c1").await, "2");
    let last = wu.sees("agent").await;
    assert_eq!((&last["id"], &last["online"]), (&json!("1"), &json!(true)));
}

#[tokio::test]
async fn who_finds_nobody_is_queued_told_its_place_and_served_in_order() {
    let gateway = start("least_loaded", NEVER);
    let mut clients = Vec::new();
    for (place, id) in ["c1", "c2", "c3"].into_iter().enumerate() {
        let mut client = customer(&gateway, id).await;
        client.asks(id, "hello").await;
        let queued = json!({"type": "queued", "position": place + 1});
        assert_eq!(client.json().await, queued);
        clients.push(client);
    }
    let path = "/api/service/customers/c1";
    assert_eq!(get(&gateway, path).await["position"], 1);
    assert_eq!(call(&gateway, "DELETE", path, &Value::Null).await, 204);
    for (place, client) in clients[1..].iter_mut().enumerate() {
        let moved = json!({"type": "queued", "position": place + 1});
        assert_eq!(client.json().await, moved);
    }
    let mut li = agent(&gateway, "1").await;
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(li.own().await);
    }
    for id in ["c2", "c3"] {
        let of = told
            .iter()
            .filter(|frame| frame["id"] == id || frame["from"] == id);
        let hello: Value = serde_json::from_str(&envelope(id, "service", "hello")).unwrap();
        assert!(of.eq(&[assigned(id), hello]), "{told:?}");
    }
    for client in &mut clients[1..] {
        assert_eq!(client.json().await, assigned("1"));
    }
}

#[tokio::test]
async fn who_is_away_for_too_long_loses_its_customers() {
    let gateway = start("least_loaded", SOON);
    let mut anna = customer(&gateway, "c1").await;
    let li = agent(&gateway, "1").await;
    anna.asks("c1", "one").await;
    assert_eq!(anna.json().await, assigned("1"));
    let mut wu = agent(&gateway, "2").await;
    drop(li);
    assert_eq!(anna.json().await, assigned("2"));
    assert_eq!(wu.own().await, assigned("c1"));
    anna.asks("c1", "two").await;
    wu.is_asked("c1", "two").await;
    drop(wu);
    assert_eq!(anna.json().await, json!({"type": "queued", "position": 1}));
    until(&gateway, async |view| view["agents"] == json!([])).await;
    anna.asks("c1", "three").await;
    let mut li = agent(&gateway, "1").await;
    assert_eq!(li.own().await, assigned("c1"));
    li.is_asked("c1", "three").await;
}

#[tokio::test]
async fn an_agent_with_two_sessions_is_there_until_both_have_ended() {
    let gateway = start("least_loaded", NEVER);
    let first = agent(&gateway, "1").await;
    let mut second = agent(&gateway, "1").await;
    let mut anna = customer(&gateway, "c1").await;
    drop(first);
    anna.asks("c1", "one").await;
    assert_eq!(second.own().await, assigned("c1"));
    second.is_asked("c1", "one").await;
    drop(second);
    until(&gateway, async |view| view["agents"][0]["online"] == false).await;
}

#[tokio::test]
async fn agents_hand_customers_to_one_another_and_let_them_go() {
    let gateway = start("round_robin", NEVER);
    let mut li = agent(&gateway, "1").await;
    let mut anna = customer(&gateway, "c1").await;
    anna.asks("c1", "one").await;
    assert_eq!(anna.json().await, assigned("1"));
    let mut wu = agent(&gateway, "2").await;
    wu.send(r#"{"type":"transfer","customer":"c1","to":"2"}"#)
        .await;
    let refused = wu.own().await;
    assert_eq!(
        (&refused["type"], &refused["code"]),
        (&json!("error"), &json!(403))
    );
    assert_eq!(li.own().await, assigned("c1"));
    li.is_asked("c1", "one").await;
    li.send(r#"{"type":"transfer","customer":"c1","to":"3"}"#)
        .await;
    assert_eq!(li.own().await["code"], 404);
    li.send(r#"{"type":"transfer","customer":"c1","to":"2"}"#)
        .await;
    let lost = json!({"type": "unassigned", "id": "c1", "name": "Customer c1", "to": "2"});
    let told = [li.own().await, li.own().await];
    assert!(told.contains(&lost), "{told:?}");
    assert_eq!(wu.own().await, assigned("c1"));
    assert_eq!(anna.json().await, assigned("2"));
    anna.asks("c1", "two").await;
    wu.is_asked("c1", "two").await;
    // By the API, whoever has it.
    let path = "/api/service/customers/c1/transfer";
    let to = json!({"to": "1"});
    assert_eq!(call(&gateway, "POST", path, &to).await, 204);
    assert_eq!(anna.json().await, assigned("1"));
    assert_eq!(li.own().await, assigned("c1"));
    li.send(r#"{"type":"release","customer":"c1"}"#).await;
    let released = json!({"type": "unassigned", "id": "c1", "name": "Customer c1", "to": null});
    let told = [li.own().await, li.own().await];
    assert!(told.contains(&released), "{told:?}");
    assert_eq!(get(&gateway, "/api/service").await["customers"], json!([]));
}

#[tokio::test]
async fn who_looks_sees_every_change() {
    let gateway = start("round_robin", SOON);
    let mut view = agent(&gateway, "1").await;
    let mut anna = customer(&gateway, "c1").await;
    anna.asks("c1", "one").await;
    let change = |agent: Value, position: Value| {
        let customer = json!({"id": "c1", "name": "Customer c1"});
        json!({"type": "assignment", "customer": customer, "agent": agent, "position": position})
    };
    let li = json!({"id": "1", "name": "Agent 1"});
    assert_eq!(view.sees("assignment").await, change(li, Value::Null));
    let wu = agent(&gateway, "2").await;
    let come = json!({"type": "agent", "id": "2", "name": "Agent 2", "online": true});
    assert_eq!(view.sees("agent").await, come);
    let path = "/api/service/customers/c1/transfer";
    call(&gateway, "POST", path, &json!({"to": "2"})).await;
    let to = json!({"id": "2", "name": "Agent 2"});
    assert_eq!(view.sees("assignment").await, change(to, Value::Null));
    drop(wu);
    let gone = json!({"type": "agent", "id": "2", "name": "Agent 2", "online": false});
    assert_eq!(view.sees("agent").await, gone);
    let back = json!({"id": "1", "name": "Agent 1"});
    assert_eq!(view.sees("assignment").await, change(back, Value::Null));
    call(
        &gateway,
        "DELETE",
        "/api/service/customers/c1",
        &Value::Null,
    )
    .await;
    assert_eq!(
        view.sees("assignment").await,
        change(Value::Null, Value::Null)
    );
}

#[tokio::test]
async fn who_says_too_much_before_anybody_is_there_is_told() {
    let gateway = start("round_robin", "");
    let mut anna = customer(&gateway, "c1").await;
    for _ in 0..21 {
        anna.asks("c1", "hello").await;
    }
    let told = [anna.json().await, anna.json().await];
    assert!(
        told.contains(&json!({"type": "queued", "position": 1})),
        "{told:?}"
    );
    assert!(told.iter().any(|frame| frame["code"] == 429), "{told:?}");
    let mut li = agent(&gateway, "1").await;
    assert_eq!(li.own().await, assigned("c1"));
    for _ in 0..20 {
        li.is_asked("c1", "hello").await;
    }
}

#[tokio::test]
async fn agents_take_their_seats_again_when_redis_has_lost_everything() {
    let redis = Redis::start();
    let more = format!("{NEVER}cluster.redis = \"{}\"", redis.url());
    let gateway =
        Gateway::start_alone(&format!("dialect.room.strategy = \"least_loaded\"\n{more}"));
    let mut one = agent(&gateway, "1").await;
    redis.ask(&["FLUSHALL"]);
    // It is back by itself.
    until(&gateway, async |view| view["agents"][0]["online"] == true).await;
    let mut anna = customer(&gateway, "c1").await;
    anna.asks("c1", "hello").await;
    assert_eq!(one.own().await, assigned("c1"));
    // Its end gives the seat back.
    drop(one);
    until(&gateway, async |view| view["agents"][0]["online"] == false).await;
}
