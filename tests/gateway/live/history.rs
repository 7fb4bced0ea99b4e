//! What was published, page by page; and what walls say and take back.

use serde_json::{Value, json};

use super::{PROFILES, frame, start, start_with, user, wall};
use crate::support::{Client, Gateway, mariadb::Mariadb};

async fn page(client: &mut Client, request: Value) -> (Vec<Value>, Value) {
    let answer = client.invoke("live.wall.history", request).await;
    assert_eq!(answer["status"], 200, "{answer}");
    let param = &answer["param"];
    let list = param["list"].as_array().unwrap();
    let said = list.iter().map(|row| row["say"].clone()).collect();
    (said, param["count"].clone())
}

async fn is_paged(gateway: &Gateway) {
    let mut wall = wall(gateway, "9", "r1").await;
    let mut other = self::wall(gateway, "8", "r2").await;
    for number in 1..=25 {
        wall.begin("live.wall.say", json!({"say": number})).await;
        wall.told("wallSaySuccess").await;
    }
    other
        .begin("live.wall.say", json!({"say": "elsewhere"}))
        .await;
    other.told("wallSaySuccess").await;
    let numbers = |from: i32, to: i32| {
        (to..=from)
            .rev()
            .map(|n| json!(n.to_string()))
            .collect::<Vec<_>>()
    };
    for (request, from, to) in [
        (json!({"type": "wall"}), 25, 16),
        (json!({"type": "wall", "page": 2}), 15, 6),
        (json!({"type": "wall", "page": "3"}), 5, 1),
        (json!({"type": "wall", "count": 3}), 25, 23),
        (json!({"type": "wall", "count": "3", "page": 2}), 22, 20),
        (json!({"type": "wall", "count": 100}), 25, 6),
        (json!({"type": "wall", "count": 0, "page": 0}), 25, 16),
        (json!({"type": "wall", "count": "x", "page": -1}), 25, 16),
        (json!({"type": "wall", "page": u64::MAX}), 0, 1),
    ] {
        let (said, count) = page(&mut wall, request.clone()).await;
        assert_eq!((said, count), (numbers(from, to), json!(25)), "{request}");
    }
    let (said, count) = page(&mut other, json!({"type": "wall"})).await;
    assert_eq!((said, count), (vec![json!("elsewhere")], json!(1)));
}

#[tokio::test]
async fn a_history_is_of_its_room_newest_first_and_paged() {
    for profile in PROFILES {
        is_paged(&start(profile)).await;
    }
}

#[tokio::test]
async fn a_history_can_be_in_mariadb() {
    let server = Mariadb::start();
    let gateway = Gateway::start_two(&format!("store.url = \"{}\"", server.database("live")));
    is_paged(&gateway).await;
}

#[tokio::test]
async fn a_history_is_what_walls_have_said_or_what_was_approved() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut wall = wall(&gateway, "9", "r1").await;
        let mut anna = user(&gateway, "1", "r1").await;
        wall.told("userJoin").await;
        wall.begin("live.wall.say", json!({"say": "<hi>"})).await;
        let wall_id = wall.told("wallSaySuccess").await;
        anna.told("wallSayBroadcast").await;
        anna.begin("live.user.say", json!({"say": "hello"})).await;
        let user_id = anna.told("userSaySuccess").await;
        wall.told("userSayNeedCheck").await;
        let none = wall
            .invoke("live.wall.history", json!({"type": "user"}))
            .await;
        assert_eq!(none["param"], json!({"list": [], "count": 0}));
        wall.begin("live.wall.check", json!({"id": user_id, "status": 1}))
            .await;
        wall.told("wallCheckSuccess").await;
        anna.told("userSayBroadcast").await;
        for (client, method, request, event, info) in [
            (
                &mut wall,
                "live.wall.history",
                json!({"type": "wall"}),
                "wallSayHistory",
                "获取历史成功",
            ),
            (
                &mut anna,
                "live.user.history",
                json!({}),
                "wallSayHistory",
                "获取历史成功",
            ),
        ] {
            let answer = client.invoke(method, request).await;
            assert_eq!(
                (&answer["event"], &answer["info"]),
                (&json!(event), &json!(info))
            );
            let row = &answer["param"]["list"][0];
            let time = row["create_time"].as_u64().unwrap();
            assert!(time.abs_diff(gateway.now()) <= 5);
            let expect = json!({
                "id": wall_id, "code": "r1", "nickname": "&lt;9&gt;", "say": "&lt;hi&gt;",
                "user_id": "9", "create_time": time,
            });
            assert_eq!(*row, expect);
        }
        let answer = anna
            .invoke("live.wall.history", json!({"type": "user"}))
            .await;
        assert_eq!(
            (&answer["event"], &answer["info"]),
            (&json!("userSayHistory"), &json!("获取消息历史成功"))
        );
        let row = &answer["param"]["list"][0];
        assert_eq!(
            (&row["id"], &row["say"], &row["user_id"]),
            (&user_id, &json!("hello"), &json!("1"))
        );
        for kind in [json!({}), json!({"type": "all"}), json!({"type": null})] {
            wall.begin("live.wall.history", kind).await;
            wall.expect(&frame(profile, 401, "typeError", "类型错误"))
                .await;
        }
    }
}

#[tokio::test]
async fn what_a_wall_has_said_can_be_taken_back_once_and_by_walls_of_its_room() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut wall = wall(&gateway, "9", "r1").await;
        let mut other = self::wall(&gateway, "8", "r2").await;
        let mut anna = user(&gateway, "1", "r1").await;
        wall.told("userJoin").await;
        let mut ids = Vec::new();
        for say in ["a", "b"] {
            wall.begin("live.wall.say", json!({"say": say})).await;
            ids.push(wall.told("wallSaySuccess").await);
            anna.told("wallSayBroadcast").await;
        }
        let failed = frame(profile, 403, "wallRecallFail", "撤回广播失败");
        other.begin("live.wall.recall", json!({"id": ids[0]})).await;
        other.expect(&failed).await;
        for id in [json!(0), json!("x"), json!(null), json!(u64::MAX)] {
            wall.begin("live.wall.recall", json!({"id": id})).await;
            wall.expect(&failed).await;
        }
        wall.begin("live.wall.recall", json!({"id": ids[0].to_string()}))
            .await;
        wall.expect(&frame(profile, 200, "wallRecallSuccess", "撤回广播成功"))
            .await;
        assert_eq!(anna.told("wallSayRecall").await, ids[0]);
        wall.begin("live.wall.recall", json!({"id": ids[0]})).await;
        wall.expect(&failed).await;
        assert_eq!(
            page(&mut wall, json!({"type": "wall"})).await,
            (vec![json!("b")], json!(1))
        );
    }
}

#[tokio::test]
async fn a_database_that_refuses_is_told_and_what_waits_goes_on_waiting() {
    let folder = crate::support::machine::Folder::new();
    let path = folder.path().join("live.db");
    let store = format!("store.url = \"sqlite://{}\"", path.display());
    let gateway = start_with("documented", &store);
    let mut wall = wall(&gateway, "9", "r1").await;
    let mut anna = user(&gateway, "1", "r1").await;
    wall.told("userJoin").await;
    anna.begin("live.user.say", json!({"say": "hello"})).await;
    let id = anna.told("userSaySuccess").await;
    wall.told("userSayNeedCheck").await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER refuse BEFORE INSERT ON live_message
            BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        .unwrap();
    let failed = frame("documented", 501, "insertDbError", "保存数据至数据库失败");
    let check = json!({"id": id, "status": 1});
    wall.begin("live.wall.say", json!({"say": "x"})).await;
    wall.expect(&failed).await;
    wall.begin("live.wall.check", check.clone()).await;
    wall.expect(&failed).await;
    let labels = "outcome=\"failed\"";
    assert!(
        1.0 <= gateway.metric("tidegate_live_calls_total", labels).await || gateway.is_cluster()
    );
    anna.heartbeat().await;
    other.execute_batch("DROP TRIGGER refuse").unwrap();
    // It was approved once: it can be approved again, and not be rejected.
    wall.begin("live.wall.check", json!({"id": id, "status": 0}))
        .await;
    wall.told("wallCheckSuccess").await;
    wall.begin("live.wall.check", check).await;
    wall.told("wallCheckSuccess").await;
    assert_eq!(anna.told("userSayBroadcast").await["id"], id);
}
