//! Joining and leaving, and who may.

use serde_json::json;

use super::{PROFILES, frame, login, start, user, wall};
use crate::support::Gateway;

#[tokio::test]
async fn joining_and_leaving_are_told_in_the_words_of_the_original() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut wall = login(&gateway, "9", "wall", "r1").await;
        let mut user = login(&gateway, "1", "wechatUser", "r1").await;
        for (method, event, info) in [
            ("join", "wallJoinSuccess", "加入房间成功"),
            ("out", "wallOutSuccess", "退出房间成功"),
        ] {
            wall.begin(&format!("live.wall.{method}"), json!({})).await;
            wall.expect(&frame(profile, 200, event, info)).await;
        }
        for (method, event, info) in [
            ("join", "userJoinSuccess", "加入房间成功"),
            ("out", "userOutSuccess", "退出房间成功"),
        ] {
            user.begin(&format!("Live.User.{method}"), json!({})).await;
            user.expect(&frame(profile, 200, event, info)).await;
        }
    }
}

#[tokio::test]
async fn who_is_of_the_wrong_kind_or_has_no_code_is_refused_and_nothing_follows() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut watching = wall(&gateway, "8", "r1").await;
        let mut wall = login(&gateway, "9", "wall", "r1").await;
        let mut user = login(&gateway, "1", "wechatUser", "r1").await;
        let mut homeless = login(&gateway, "2", "wechatUser", "").await;
        let refused = frame(profile, 403, "mustBeWechatUser", "仅允许微信用户连入");
        for method in ["join", "out", "say"] {
            wall.begin(&format!("live.user.{method}"), json!({"say": "x"}))
                .await;
            wall.expect(&refused).await;
        }
        let refused = frame(profile, 403, "mustBeWall", "仅允许大屏幕用户连入");
        for method in ["join", "out", "say", "recall", "check", "clean"] {
            user.begin(&format!("live.wall.{method}"), json!({"say": "x", "id": 1}))
                .await;
            user.expect(&refused).await;
        }
        for method in ["join", "out", "say", "history"] {
            homeless
                .begin(&format!("live.user.{method}"), json!({"say": "x"}))
                .await;
            homeless
                .expect(&frame(profile, 999, "codeIsEmpty", "code不能为空"))
                .await;
        }
        let long = "x".repeat(90);
        let request = tidegate::auth::issue::TokenRequest::Live {
            user: "3".to_owned(),
            r#type: "wechatUser".to_owned(),
            code: long,
            nickname: String::new(),
            ttl_seconds: 60,
        };
        assert!(request.check().is_err());
        // Nothing came of any of it.
        for client in [&mut watching, &mut wall, &mut user, &mut homeless] {
            client.heartbeat().await;
        }
    }
}

#[tokio::test]
async fn walls_are_told_who_comes_and_goes_once_however_often_it_is_said() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut wall = wall(&gateway, "9", "r1").await;
        let mut other = self::wall(&gateway, "8", "r2").await;
        let mut user = login(&gateway, "1", "wechatUser", "r1").await;
        for _ in 0..3 {
            let joined = user.invoke("live.user.join", json!({})).await;
            assert_eq!(joined["event"], "userJoinSuccess");
        }
        let joined = wall.told("userJoin").await;
        assert_eq!(
            (&joined["id"], &joined["nickname"]),
            (&json!(1), &json!("&lt;1&gt;"))
        );
        for _ in 0..3 {
            let left = user.invoke("live.user.out", json!({})).await;
            assert_eq!(left["event"], "userOutSuccess");
        }
        let left = wall.told("userOut").await;
        assert_eq!(left, joined);
        // Again, and then by the end of the session.
        user.invoke("live.user.join", json!({})).await;
        assert_eq!(wall.told("userJoin").await, joined);
        user.invoke("live.user.out", json!({})).await;
        assert_eq!(wall.told("userOut").await, joined);
        user.invoke("live.user.join", json!({})).await;
        assert_eq!(wall.told("userJoin").await, joined);
        user.close().await;
        assert_eq!(wall.told("userOut").await, joined);
        wall.heartbeat().await;
        other.heartbeat().await;
    }
}

#[tokio::test]
async fn pipelined_calls_are_done_in_their_order() {
    let gateway = Gateway::start("");
    let mut wall = wall(&gateway, "9", "r1").await;
    let mut user = login(&gateway, "1", "wechatUser", "r1").await;
    for round in 0..20 {
        user.send(r#"{"method":"live.user.join"}"#).await;
        user.send(json!({"method": "live.user.say", "say": round}).to_string())
            .await;
        user.send(r#"{"method":"live.user.out"}"#).await;
    }
    let mut events = Vec::new();
    while events.len() < 60 {
        let event = user.event().await["event"].as_str().unwrap().to_owned();
        if event != "receiveMessage" {
            events.push(event);
        }
    }
    let expect = ["userJoinSuccess", "userSaySuccess", "userOutSuccess"];
    assert!(
        events.chunks(3).all(|events| events == expect),
        "{events:?}"
    );
    let mut said = 0;
    while said < 20 {
        let event = wall.event().await;
        if event["event"] == "userSayNeedCheck" {
            assert_eq!(event["param"]["say"], said.to_string());
            said += 1;
        }
    }
}

#[tokio::test]
async fn a_room_is_of_its_code_and_of_users_or_walls_alone() {
    let gateway = Gateway::start("");
    let mut anna = user(&gateway, "1", "r1").await;
    let mut bert = user(&gateway, "2", "r2").await;
    let mut wall = wall(&gateway, "9", "r1").await;
    wall.begin("live.wall.say", json!({"say": "hi"})).await;
    assert_eq!(wall.told("wallSaySuccess").await, json!(1));
    let heard = anna.told("wallSayBroadcast").await;
    let expect = json!({"code": "r1", "nickname": "&lt;9&gt;", "say": "hi", "user_id": 9, "id": 1});
    assert_eq!(heard, expect);
    for client in [&mut anna, &mut bert, &mut wall] {
        client.heartbeat().await;
    }
    // Applications reach them by the same names.
    gateway
        .publish(&json!({"to": "room:live/users/r2", "event": "quiz", "data": 1}))
        .await;
    assert_eq!(bert.told("quiz").await, json!(1));
}
