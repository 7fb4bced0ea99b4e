//! Rooms with a meaning, which their name alone opens to nobody on a node for others.

use serde_json::json;

use super::{PROFILES, for_others, join, push, refused, with_profile};
use crate::support::{Client, Gateway, client::code};

fn open(profile: &str, more: &str) -> Gateway {
    let toml = for_others(&format!("dialect.room.open = true\n{more}"));
    Gateway::start(&with_profile(profile, &toml))
}

#[tokio::test]
async fn the_room_of_a_user_is_for_that_user() {
    for profile in PROFILES {
        let gateway = open(profile, "");
        let token = gateway.room_token("42", &[], false);
        let mut client = join(&gateway, &format!("/room/user_42/?token={token}")).await;
        push(&gateway, "room:user_42", &json!({"words_result_num": 1})).await;
        client.expect(r#"{"words_result_num":1}"#).await;
        for path in [
            "/room/user_42/".to_owned(),
            "/room/user_42/?user=42".to_owned(),
            format!("/room/user_4/?token={token}"),
            format!("/room/user_43/?token={token}"),
            format!("/room/user_/?token={token}"),
        ] {
            let closed = refused(&gateway, &path).await;
            assert_eq!(closed, code(1008, "auth_failed"), "{path}");
        }
        let token = gateway.room_token("43", &["user_42"], false);
        join(&gateway, &format!("/room/user_42/?token={token}")).await;
    }
}

#[tokio::test]
async fn the_room_of_agents_is_for_agents_and_for_whom_a_token_lets_in() {
    for profile in PROFILES {
        let gateway = open(profile, "");
        let customer = gateway.room_token("42", &[], false);
        for query in ["", "?agent=4", &format!("?token={customer}&agent=4")] {
            let closed = refused(&gateway, &format!("/room/agents/{query}")).await;
            assert_eq!(closed, code(1008, "auth_failed"), "{query}");
        }
        let guest = gateway.room_token("5", &["agents"], false);
        let mut guest = join(&gateway, &format!("/room/agents/?token={guest}")).await;
        push(&gateway, "room:agents", &json!(1)).await;
        guest.expect("1").await;
    }
}

#[tokio::test]
async fn in_development_mode_they_are_rooms_like_any_other() {
    for profile in PROFILES {
        let gateway = super::start(profile, "");
        for room in ["agents", "user_42"] {
            let mut client = join(&gateway, &format!("/room/{room}/?user=7")).await;
            push(&gateway, &format!("room:{room}"), &json!(1)).await;
            client.expect("1").await;
        }
    }
}

#[tokio::test]
async fn nothing_is_said_in_them_by_who_is_not_in_them() {
    let expect = [code(1008, "forbidden"), code(1011, "violation")];
    for profile in PROFILES {
        let gateway = open(profile, "dialect.room.mode = \"chat\"");
        let token = gateway.room_token("42", &[], false);
        for (room, closed) in [
            ("agents", &expect[0]),
            ("user_43", &expect[0]),
            ("live/7", &expect[1]),
            ("device/d1", &expect[1]),
        ] {
            let path = format!("/room/news/?token={token}");
            let mut client: Client = join(&gateway, &path).await;
            let said = json!({"message": 1, "from": room});
            client.send(said.to_string()).await;
            assert_eq!(client.closed().await, *closed, "{room}");
        }
        let group = json!({"type": 2, "to": "agents", "message": 1});
        let mut client = join(&gateway, &format!("/room/news/?token={token}")).await;
        client.send(group.to_string()).await;
        assert!(client.text().await.contains("403"));
    }
}
