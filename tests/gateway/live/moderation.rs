//! What users say, and what walls make of it.

use serde_json::{Value, json};

use super::{PROFILES, start, user, wall};
use crate::support::{Client, Gateway};

/// Says something, and gives its id, which the wall is told too.
async fn says(user: &mut Client, wall: &mut Client, say: &str) -> Value {
    let answer = user.invoke("live.user.say", json!({"say": say})).await;
    assert_eq!(answer["event"], "userSaySuccess", "{answer}");
    assert_eq!(answer["info"], "发布聊天内容成功，等待审核");
    let id = answer["param"].clone();
    let text = id.as_str().unwrap();
    assert!(
        text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{text}"
    );
    let told = wall.told("userSayNeedCheck").await;
    assert_eq!(told["id"], id);
    id
}

#[tokio::test]
async fn what_a_wall_approves_is_told_to_users_and_what_it_rejects_is_not() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut wall = wall(&gateway, "9", "r1").await;
        let mut anna = user(&gateway, "1", "r1").await;
        wall.told("userJoin").await;
        let mut bert = user(&gateway, "2", "r1").await;
        wall.told("userJoin").await;
        for (status, is_approval) in [
            (json!(1), true),
            (json!("1"), true),
            (json!(true), true),
            (json!(0), false),
            (json!("true"), false),
            (json!(2), false),
            (json!(null), false),
            (json!([1]), false),
        ] {
            let id = says(&mut anna, &mut wall, "<b>'\"&").await;
            let request = json!({"id": id, "status": status});
            let checked = wall.invoke("live.wall.check", request).await;
            assert_eq!(checked["event"], "wallCheckSuccess", "{status}");
            assert_eq!(
                (&checked["info"], &checked["param"]),
                (&json!("审核消息成功"), &id)
            );
            if is_approval {
                for user in [&mut anna, &mut bert] {
                    let told = user.told("userSayBroadcast").await;
                    let expect = json!({
                        "id": id, "nickname": "&lt;1&gt;", "say": "&lt;b&gt;'&quot;&amp;",
                    });
                    assert_eq!(told, expect, "{status}");
                }
            }
        }
        for client in [&mut anna, &mut bert, &mut wall] {
            client.heartbeat().await;
        }
    }
}

#[tokio::test]
async fn what_waits_is_told_to_walls_that_join_oldest_first() {
    let gateway = Gateway::start("");
    let mut first = wall(&gateway, "9", "r1").await;
    let mut anna = user(&gateway, "1", "r1").await;
    first.told("userJoin").await;
    let mut ids = Vec::new();
    for say in ["a", "b", "c"] {
        ids.push(says(&mut anna, &mut first, say).await);
    }
    let request = json!({"id": ids[1], "status": 0});
    first.invoke("live.wall.check", request).await;
    let mut late = wall(&gateway, "8", "r1").await;
    for (id, say) in [(&ids[0], "a"), (&ids[2], "c")] {
        let told = late.told("userSayNeedCheck").await;
        assert_eq!((&told["id"], &told["say"]), (id, &json!(say)));
    }
    // All are gone, without a word beyond the receipt.
    first.begin("live.wall.clean", json!({})).await;
    first.heartbeat().await;
    let request = json!({"id": ids[0], "status": 1});
    let checked = first.invoke("live.wall.check", request).await;
    assert_eq!(checked["event"], "wallCheckSuccess");
    let mut last = wall(&gateway, "7", "r1").await;
    for client in [&mut last, &mut anna, &mut first] {
        client.heartbeat().await;
    }
}

#[tokio::test]
async fn of_walls_that_approve_at_once_one_tells_it() {
    let gateway = Gateway::start("");
    let mut walls = Vec::new();
    for id in ["8", "9"] {
        walls.push(wall(&gateway, id, "r1").await);
    }
    let mut anna = user(&gateway, "1", "r1").await;
    for wall in &mut walls {
        wall.told("userJoin").await;
    }
    for round in 0..10 {
        let answer = anna.invoke("live.user.say", json!({"say": round})).await;
        let id = answer["param"].clone();
        for wall in &mut walls {
            wall.told("userSayNeedCheck").await;
        }
        let check = json!({"method": "live.wall.check", "id": id, "status": 1}).to_string();
        for wall in &mut walls {
            wall.send(check.as_str()).await;
        }
        for wall in &mut walls {
            assert_eq!(wall.event().await["event"], "receiveMessage");
            assert_eq!(wall.told("wallCheckSuccess").await, id);
        }
        assert_eq!(anna.told("userSayBroadcast").await["id"], id);
    }
    anna.heartbeat().await;
    let history = walls[0]
        .invoke("live.wall.history", json!({"type": "user", "count": 20}))
        .await;
    assert_eq!(history["param"]["count"], 10);
}

#[tokio::test]
async fn what_is_empty_or_too_long_is_not_said_and_a_full_room_takes_no_more() {
    let gateway = Gateway::start("limits.messages_per_second = 0");
    let mut anna = user(&gateway, "1", "r1").await;
    for (request, event) in [
        (json!({}), "sayIsEmpty"),
        (json!({"say": ""}), "sayIsEmpty"),
        (json!({"say": null}), "sayIsEmpty"),
        (json!({"say": ["a"]}), "sayIsEmpty"),
        (json!({"say": "x".repeat(4097)}), "sayIsTooLong"),
        // It is long when it is escaped.
        (json!({"say": "&".repeat(900)}), "sayIsTooLong"),
    ] {
        let answer = anna.invoke("live.user.say", request).await;
        assert_eq!(
            (&answer["status"], &answer["event"]),
            (&json!(403), &json!(event))
        );
    }
    for number in 0..1000 {
        anna.begin("live.user.say", json!({"say": number})).await;
        anna.told("userSaySuccess").await;
    }
    let answer = anna
        .invoke("live.user.say", json!({"say": "one too many"}))
        .await;
    assert_eq!(
        (&answer["status"], &answer["event"]),
        (&json!(403), &json!("pendingFull"))
    );
    let mut wall = wall(&gateway, "9", "r1").await;
    for number in 0..100 {
        assert_eq!(
            wall.told("userSayNeedCheck").await["say"],
            number.to_string()
        );
    }
    wall.heartbeat().await;
}
