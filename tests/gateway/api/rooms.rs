//! Rooms that the application puts sessions into, on one node and on two.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{call, delete, gateways, get, heard, login, refused, say};
use crate::support::Gateway;

async fn join(gateway: &Gateway, room: &str, member: &Value) -> Value {
    gateway.settle().await;
    let path = format!("/api/rooms/{room}/members");
    let joined = call(gateway, "POST", &path, member).await;
    gateway.settle().await;
    joined
}

#[tokio::test]
async fn the_sessions_of_a_user_are_put_into_a_room_and_taken_out_on_all_nodes() {
    for gateway in gateways("") {
        let (mut one, _) = login(&gateway, "42").await;
        let (mut two, _) = login(&gateway, "42").await;
        let (mut other, other_id) = login(&gateway, "7").await;
        let joined = join(&gateway, "team%2F1", &json!({"user": "42"})).await;
        let nodes = joined["nodes"].as_array().unwrap().len();
        assert_eq!(nodes, if gateway.is_cluster() { 2 } else { 1 });
        assert_eq!(
            (&joined["sessions"], &joined["refused"]),
            (&json!(2), &json!(0))
        );
        assert_eq!(joined.get("missing"), None);
        for path in ["/api/rooms/team%2F1", "/api/topics/room:team%2F1"] {
            let room = get(&gateway, path).await;
            let count = room.get("count").or(room.get("subscribers"));
            assert_eq!(count, Some(&json!(2)), "{room}");
        }
        // Again changes nothing; one that begins later is not in it.
        let again = join(&gateway, "team%2F1", &json!({"user": "42"})).await;
        assert_eq!(again, joined);
        let (mut late, _) = login(&gateway, "42").await;
        let joined = join(&gateway, "team%2F1", &json!({"session": other_id})).await;
        assert_eq!(joined["sessions"], 1);
        say(&gateway, "room:team/1", 1).await;
        for client in [&mut one, &mut two, &mut other] {
            assert_eq!(heard(client).await, 1);
        }
        let room = get(&gateway, "/api/rooms/team%2F1?members=1").await;
        assert_eq!(
            (&room["room"], &room["count"]),
            (&json!("team/1"), &json!(3))
        );
        assert_eq!(room["members"].as_array().unwrap().len(), 3);
        let left = delete(&gateway, "/api/rooms/team%2F1/members/42").await;
        assert_eq!(left["sessions"], 2);
        say(&gateway, "room:team/1", 2).await;
        assert_eq!(heard(&mut other).await, 2);
        let path = format!("/api/rooms/team%2F1/sessions/{other_id}");
        assert_eq!(delete(&gateway, &path).await["sessions"], 1);
        say(&gateway, "room:team/1", 3).await;
        say(&gateway, "all", 4).await;
        for client in [&mut one, &mut two, &mut other, &mut late] {
            assert_eq!(heard(client).await, 4);
        }
        assert_eq!(get(&gateway, "/api/rooms/team%2F1").await["count"], 0);
    }
}

#[tokio::test]
async fn who_is_not_there_is_in_no_room() {
    for gateway in gateways("") {
        let nobody = join(&gateway, "x", &json!({"user": "42"})).await;
        assert_eq!(nobody, json!({"sessions": 0, "refused": 0, "nodes": []}));
        assert_eq!(
            delete(&gateway, "/api/rooms/x/members/42").await["sessions"],
            0
        );
        let (client, id) = login(&gateway, "42").await;
        let path = "/api/rooms/x/members";
        for session in ["nonsense", "gw-7.1.1", &format!("{id}ff")] {
            refused(&gateway, "POST", path, &json!({"session": session}), 404).await;
        }
        let path_of = format!("/api/rooms/x/sessions/{id}");
        refused(&gateway, "DELETE", &path_of, &json!({}), 404).await;
        drop(client);
        gateway.until_metric("tidegate_sessions", "", 0.0).await;
        refused(&gateway, "POST", path, &json!({"session": id}), 404).await;
        for body in [
            json!({}),
            json!({"user": "1", "session": id}),
            json!({"user": ""}),
            json!({"user": 5}),
            json!({"user": "a\nb"}),
            json!({"users": ["1"]}),
        ] {
            refused(&gateway, "POST", path, &body, 422).await;
        }
        let long = format!("/api/rooms/{}", "x".repeat(101));
        for (method, path) in [
            ("GET", &*long),
            ("DELETE", &long),
            ("GET", "/api/rooms/a%0A"),
        ] {
            refused(&gateway, method, path, &json!({}), 422).await;
        }
    }
}

#[tokio::test]
async fn a_session_has_no_more_topics_than_it_may_have() {
    for gateway in gateways("limits.topics_per_session_max = 3") {
        let (mut client, _) = login(&gateway, "42").await;
        for room in ["device%2Fd1", "b"] {
            assert_eq!(
                join(&gateway, room, &json!({"user": "42"})).await["sessions"],
                1
            );
        }
        let joined = join(&gateway, "c", &json!({"user": "42"})).await;
        assert_eq!(
            (&joined["sessions"], &joined["refused"]),
            (&json!(0), &json!(1))
        );
        assert_eq!(joined["nodes"].as_array().unwrap().len(), 1);
        // It is in this one already.
        assert_eq!(
            join(&gateway, "b", &json!({"user": "42"})).await["refused"],
            0
        );
        delete(&gateway, "/api/rooms/b").await;
        assert_eq!(
            join(&gateway, "c", &json!({"user": "42"})).await["refused"],
            0
        );
        say(&gateway, "room:b", 1).await;
        say(&gateway, "room:device/d1", 2).await;
        say(&gateway, "room:c", 3).await;
        assert_eq!(heard(&mut client).await, 2);
        assert_eq!(heard(&mut client).await, 3);
    }
}

#[tokio::test]
async fn who_is_put_into_the_room_of_a_device_is_told_its_last_status() {
    for gateway in gateways("") {
        let status = json!({
            "to": "room:device/d1", "event": "device_status", "data": {"device_id": "d1"},
        });
        gateway.publish(&status).await;
        let (mut client, id) = login(&gateway, "42").await;
        join(&gateway, "device%2Fd1", &json!({"session": id})).await;
        let frame: Value = serde_json::from_str(&client.text().await).unwrap();
        assert_eq!(frame["type"], "device_status");
    }
}

#[tokio::test]
async fn rooms_are_listed_page_by_page() {
    for gateway in gateways("") {
        let mut clients = Vec::new();
        for user in 0..4 {
            let (client, id) = login(&gateway, &user.to_string()).await;
            join(&gateway, "all", &json!({"session": id})).await;
            join(&gateway, &format!("r{user}"), &json!({"session": id})).await;
            clients.push(client);
        }
        let mut names: Vec<String> = Vec::new();
        let mut path = "/api/rooms?limit=2".to_owned();
        loop {
            let page = get(&gateway, &path).await;
            let rooms = page["rooms"].as_array().unwrap();
            names.extend(rooms.iter().map(|room| room.as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => path = format!("/api/rooms?limit=2&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(names, ["all", "r0", "r1", "r2", "r3"]);
        for query in ["limit=0", "limit=1001", "limit=x", "cursor=", "cursor=a%0A"] {
            let path = format!("/api/rooms?{query}");
            refused(&gateway, "GET", &path, &json!({}), 422).await;
        }
    }
}

/// Has a user's sessions put into one room after the other until there are none.
async fn join_on_and_on(gateway: &Gateway, turn: usize) {
    let member = json!({"user": "42"});
    let mut number = turn;
    while 0.0 < gateway.metric("tidegate_sessions", "").await {
        for _ in 0..10 {
            let path = format!("/api/rooms/r{number}/members");
            call(gateway, "POST", &path, &member).await;
            number += 4;
        }
    }
}

#[tokio::test]
async fn nothing_is_left_of_sessions_that_end_while_they_are_put_into_rooms() {
    for gateway in gateways("presence.linger = \"0s\"") {
        for _ in 0..5 {
            let mut clients = Vec::new();
            for _ in 0..40 {
                clients.push(login(&gateway, "42").await.0);
            }
            let ending = async {
                for client in clients {
                    drop(client);
                    tokio::task::yield_now().await;
                }
            };
            let joining = join_all((0..4).map(|turn| join_on_and_on(&gateway, turn)));
            tokio::join!(joining, ending);
        }
        gateway.until_metric("tidegate_topics", "", 0.0).await;
        assert_eq!(get(&gateway, "/api/rooms").await["rooms"], json!([]));
    }
}
