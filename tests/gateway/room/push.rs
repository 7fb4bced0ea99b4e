//! Push mode, the tutorial's: applications speak, and clients are told not to.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::{PROFILES, REPLY, join, join_as, push, start};
use crate::support::{
    Client, Gateway,
    client::{code, status},
};

#[tokio::test]
async fn a_push_to_a_room_arrives_as_the_data_alone() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let mut members = [
            join(&gateway, "/room/2/").await,
            join(&gateway, "/room/2").await,
            join(&gateway, "/room/2/?user=7").await,
        ];
        let mut stranger = join(&gateway, "/room/3/").await;
        for (data, text) in [
            (json!({"name": "234"}), r#"{"name":"234"}"#),
            (json!("更新数据成功"), r#""更新数据成功""#),
            (json!([1.5, null]), "[1.5,null]"),
            (json!(null), "null"),
        ] {
            push(&gateway, "room:2", &data).await;
            for member in &mut members {
                member.expect(text).await;
            }
        }
        let without_data = json!({"to": "room:2", "event": "send_to_chrome"});
        gateway.publish(&without_data).await;
        for member in &mut members {
            member.expect("null").await;
        }
        stranger.heard().await;
    }
}

#[tokio::test]
async fn every_frame_is_answered_with_the_reply_to_its_sender_only() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let mut one = join(&gateway, "/room/2/").await;
        let mut other = join(&gateway, "/room/2/").await;
        for message in [
            Message::text("23423423"),
            Message::text(""),
            Message::text("{"),
            Message::text(r#"{"message":"x","from":"2"}"#),
            Message::text(r#"{"type":"1"}"#),
            Message::binary(b"bytes".as_slice()),
            Message::binary([0xff].as_slice()),
            Message::binary([].as_slice()),
        ] {
            one.feed(message).await;
            one.expect(REPLY).await;
        }
        other.heard().await;
    }
}

#[tokio::test]
async fn the_reply_can_be_another_one_and_counts_for_those_who_come_after_a_reload() {
    let gateway = Gateway::start("dialect.room.reply = \"no\"");
    let mut one = join(&gateway, "/room/2/").await;
    let reloaded = gateway.reload("dialect.room.reply = \"never\"");
    assert_eq!(reloaded.applied, ["dialect.room.reply"]);
    let mut other = join(&gateway, "/room/2/").await;
    for (client, reply) in [(&mut one, "no"), (&mut other, "never")] {
        client.send("x").await;
        client.expect(reply).await;
    }
}

#[tokio::test]
async fn a_room_has_a_name_of_ascii_letters_digits_and_three_more_characters() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let long = "x".repeat(99);
        for name in ["x1", "a-b_c.D9", &long] {
            let mut client = join(&gateway, &format!("/room/{name}/")).await;
            push(&gateway, &format!("room:{name}"), &json!(name)).await;
            client.expect(&format!("{name:?}")).await;
        }
        let longer = "x".repeat(100);
        for path in [
            "/room/",
            "/room",
            "/room//",
            "/room/a/b/",
            "/foo/room/x1/",
            "/room/%E4%B8%AD%E6%96%87/",
            "/room/a%20b/",
            "/room/live%2Fx/",
            &format!("/room/{longer}/"),
            &format!("/room/{longer}"),
        ] {
            let refused = Client::try_connect(&gateway, path, &[]).await;
            assert_eq!(status(refused), 404, "{path}");
        }
        assert_eq!(
            gateway.metric("tidegate_rejections_total", "dialect").await,
            5.0
        );
    }
}

#[tokio::test]
async fn names_can_have_a_shorter_limit() {
    let gateway = Gateway::start("limits.room_chars_max = 4");
    join(&gateway, "/room/abcd/").await;
    let refused = Client::try_connect(&gateway, "/room/abcde/", &[]).await;
    assert_eq!(status(refused), 404);
}

#[tokio::test]
async fn a_user_is_reached_in_whatever_room_it_is_and_who_is_nobody_is_not() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let mut one = join_as(&gateway, "a", "7").await;
        let mut other = join_as(&gateway, "b", "7").await;
        let mut nobody = join(&gateway, "/room/a/").await;
        push(&gateway, "user:7", &json!(1)).await;
        for client in [&mut one, &mut other] {
            client.expect("1").await;
        }
        nobody.heard().await;
        push(&gateway, "all", &json!(2)).await;
        nobody.expect("2").await;
    }
}

/// The next text, with Pings before it that are none.
async fn text(client: &mut Client) -> String {
    loop {
        match client.message().await {
            Message::Text(text) => return text.to_string(),
            Message::Ping(_) => {}
            other => panic!("{other:?} came"),
        }
    }
}

#[tokio::test]
async fn what_is_durable_waits_for_its_user_and_comes_once() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        // As the answer of a job is.
        let push = async |user, data| {
            let to = [format!("user:{user}"), format!("room:user_{user}")];
            let message = json!({"to": to, "event": "send_result", "data": data, "durable": true});
            gateway.publish(&message).await;
        };
        push(7, 1).await;
        let mut late = Client::connect(&gateway, "/room/user_7/?user=7").await;
        assert_eq!(text(&mut late).await, "1");
        let mut there = [
            join_as(&gateway, "user_8", "8").await,
            join_as(&gateway, "a", "8").await,
        ];
        push(8, 2).await;
        push(8, 3).await;
        for client in &mut there {
            for expect in ["2", "3"] {
                assert_eq!(text(client).await, expect);
            }
            client.send(super::PING).await;
            assert_eq!(text(client).await, super::PONG);
        }
    }
}

#[tokio::test]
async fn a_kicked_client_and_one_of_a_node_that_goes_are_told_so() {
    let mut gateway = Gateway::start_alone("");
    let mut one = join_as(&gateway, "a", "7").await;
    let mut other = join_as(&gateway, "a", "8").await;
    gateway
        .api("DELETE", "/api/users/7/sessions", &json!({}))
        .await;
    assert_eq!(one.closed().await, code(1008, "kicked"));
    gateway.stop();
    assert_eq!(other.closed().await, code(1012, "draining"));
    gateway.ended().await;
}
