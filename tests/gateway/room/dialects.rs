//! One room with clients of every dialect: a push reaches each in its own form.

use serde_json::{Value, json};

use super::join;
use crate::{
    api, im, live,
    support::{Client, Gateway, http::Answer},
};

/// A client of a dialect, its user, and what a push to the room looks like there.
struct Member {
    client: Client,
    user: &'static str,
    frame: Value,
}

/// One of each. Whoever adds a dialect adds a line.
async fn members(gateway: &Gateway) -> Vec<Member> {
    let (device, _) = api::login(gateway, "d").await;
    let member = |client, user, frame| Member {
        client,
        user,
        frame,
    };
    vec![
        member(
            Client::ride(gateway, "c1", "r").await,
            "r",
            json!({"flag": "news", "target_token": "hall", "text": "你好", "n": 1.5}),
        ),
        member(
            im::login(gateway, 7).await,
            "7",
            json!({"id": "m1", "from": 0, "type": "s", "msg": {"text": "你好", "n": 1.5}}),
        ),
        member(
            device,
            "d",
            json!({"type": "news", "data": {"text": "你好", "n": 1.5}}),
        ),
        member(
            join(gateway, "/room/other/?user=m").await,
            "m",
            json!({"text": "你好", "n": 1.5}),
        ),
        member(
            live::login(gateway, "l", "wall", "r1").await,
            "l",
            json!({"status": 200, "event": "news", "info": "", "param": {"text": "你好", "n": 1.5}}),
        ),
    ]
}

async fn enter(gateway: &Gateway, user: &str) -> Answer {
    gateway.settle().await;
    let path = "/api/rooms/hall/members";
    let answer = gateway.api("POST", path, &json!({"user": user})).await;
    gateway.settle().await;
    answer
}

/// The next frame, without the time that some have.
async fn frame(client: &mut Client) -> Value {
    let mut frame: Value = serde_json::from_str(&client.text().await).unwrap();
    let fields = frame.as_object_mut().unwrap();
    fields.remove("time");
    fields.remove("timestamp");
    frame
}

#[tokio::test]
async fn a_push_to_a_room_reaches_members_of_every_dialect_in_their_own_form() {
    let gateway = Gateway::start("");
    let mut members = members(&gateway).await;
    for member in &members {
        let answer = enter(&gateway, member.user).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let mut guest = join(&gateway, "/room/hall/").await;
    for number in 1..=3 {
        let id = format!("m{number}");
        let data = json!({"text": "你好", "n": 1.5});
        let message = json!({"to": "room:hall", "event": "news", "data": data, "id": id});
        gateway.publish(&message).await;
        for Member {
            client,
            frame: expect,
            ..
        } in &mut members
        {
            if let Some(id_of_frame) = expect.get_mut("id") {
                *id_of_frame = json!(id);
            }
            assert_eq!(frame(client).await, *expect);
        }
        assert_eq!(frame(&mut guest).await, data);
    }
}

#[tokio::test]
async fn what_a_client_says_to_a_room_reaches_members_of_every_dialect() {
    let gateway = Gateway::start("dialect.room.mode = \"chat\"");
    let mut members = members(&gateway).await;
    for member in &members {
        enter(&gateway, member.user).await;
    }
    let mut speaker = join(&gateway, "/room/hall/?user=9").await;
    speaker
        .send(r#"{"message":{"text":"hi"},"from":"hall"}"#)
        .await;
    let texts = [
        json!({"flag": "message", "target_token": "hall", "text": "hi"}),
        json!({"from": 9, "type": "s", "msg": {"text": "hi"}}),
        json!({"type": "message", "data": {"text": "hi"}}),
        json!({"text": "hi"}),
        json!({"status": 200, "event": "message", "info": "", "param": {"text": "hi"}}),
    ];
    for (member, expect) in members.iter_mut().zip(texts) {
        let mut came = frame(&mut member.client).await;
        came.as_object_mut().unwrap().remove("id");
        assert_eq!(came, expect);
    }
    assert_eq!(frame(&mut speaker).await, json!({"text": "hi"}));
}
