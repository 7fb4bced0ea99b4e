//! Who comes in on a node for others: by a token, by what a hook says of one, or since anyone may.

use serde_json::{Value, json};
use tidegate::auth::issue::{TokenRequest, issue};

use super::{for_others, join, push, refused, with_profile};
use crate::support::{
    Client, Gateway,
    client::code,
    service::{Reply, Service},
};

const PROFILES: [&str; 2] = super::PROFILES;

fn start(profile: &str, more: &str) -> Gateway {
    Gateway::start(&with_profile(profile, &for_others(more)))
}

/// A service that says this.
fn saying(status: u16, answer: Value) -> Service {
    Service::start(move |_| (status, answer.to_string()))
}

/// What a question says, without what is another one each time.
async fn question(service: &mut Service) -> Value {
    let mut question = service.next().await.json();
    for key in ["session", "id", "time"] {
        question.as_object_mut().unwrap().remove(key);
    }
    question
}

#[tokio::test]
async fn a_token_lets_its_bearer_into_the_rooms_that_it_names() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let token = gateway.room_token("42", &["news", "vip", "live/9"], false);
        let mut client = join(&gateway, &format!("/room/news/?token={token}")).await;
        for topic in ["room:news", "room:vip", "room:live/9", "user:42"] {
            push(&gateway, topic, &json!(topic)).await;
            client.expect(&format!("{topic:?}")).await;
        }
        client.heard().await;
        let path = format!("/room/other/?token={token}");
        assert_eq!(refused(&gateway, &path).await, code(1008, "auth_failed"));
    }
}

#[tokio::test]
async fn a_bad_token_and_none_let_nobody_in() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let request = TokenRequest::Room {
            user: "42".to_owned(),
            rooms: vec!["news".to_owned()],
            agent: false,
            name: None,
            ttl_seconds: 60,
        };
        let expired = issue(gateway.config(), &request, gateway.now() - 3600).unwrap();
        let other = Gateway::start("").room_token("42", &["news"], false);
        for query in [
            "",
            "?token=",
            "?token=x",
            "?token=%FF",
            "?user=42",
            "?agent=42",
            &format!("?token={expired}"),
            &format!("?token={other}"),
        ] {
            let path = format!("/room/news/{query}");
            let closed = refused(&gateway, &path).await;
            assert_eq!(closed, code(1008, "auth_failed"), "{query}");
        }
        let user = gateway.api("GET", "/api/users/42", &Value::Null).await;
        assert!(user.body.contains("\"online\":false"), "{}", user.body);
    }
}

#[tokio::test]
async fn where_rooms_are_open_anyone_comes_in_and_nobody_is_believed() {
    for profile in PROFILES {
        let gateway = start(profile, "dialect.room.open = true");
        let token = gateway.room_token("42", &[], false);
        let mut known = join(&gateway, &format!("/room/news/?token={token}")).await;
        let mut nobody = join(&gateway, "/room/news/?user=42&name=x").await;
        push(&gateway, "user:42", &json!(1)).await;
        known.expect("1").await;
        push(&gateway, "room:news", &json!(2)).await;
        known.expect("2").await;
        nobody.expect("2").await;
        // A bad token is no token, not even there.
        let closed = refused(&gateway, "/room/news/?token=x").await;
        assert_eq!(closed, code(1008, "auth_failed"));
    }
}

#[tokio::test]
async fn in_development_mode_anyone_comes_in_and_is_believed() {
    for profile in PROFILES {
        let gateway = super::start(profile, "");
        let mut client = join(&gateway, "/room/news/?user=42").await;
        let token = gateway.room_token("43", &["vip"], false);
        let path = format!("/room/news/?token={token}&user=42");
        let mut bearer = join(&gateway, &path).await;
        push(&gateway, "user:42", &json!(1)).await;
        client.expect("1").await;
        push(&gateway, "user:43", &json!(2)).await;
        push(&gateway, "room:vip", &json!(3)).await;
        for text in ["2", "3"] {
            bearer.expect(text).await;
        }
        client.heard().await;
        for query in ["user=%00", "user=%FF", "name=%FF", "token=x"] {
            let closed = refused(&gateway, &format!("/room/news/?{query}")).await;
            assert_eq!(closed, code(1008, "auth_failed"), "{query}");
        }
    }
}

#[tokio::test]
async fn a_login_hook_says_whose_a_token_is_that_no_key_fits() {
    let mut hook = Service::start(|request| {
        let answer = match request.json()["token"].as_str().unwrap() {
            "good" => json!({"allow": true, "user": 42, "rooms": ["news"]}),
            "nobody" => json!({"allow": true, "rooms": ["news"]}),
            "broken" => return Reply::from((500, "")),
            _ => json!({"allow": false}),
        };
        Reply::from((200, answer.to_string()))
    });
    for profile in PROFILES {
        let toml = format!("dialect.room.hook.url = \"{}\"", hook.url("/login"));
        let gateway = start(profile, &toml);
        let mut client = join(&gateway, "/room/news/?token=good").await;
        assert_eq!(
            question(&mut hook).await,
            json!({"event": "login", "dialect": "room", "token": "good", "client_id": null})
        );
        let mut nobody = join(&gateway, "/room/news/?token=nobody").await;
        push(&gateway, "user:42", &json!(1)).await;
        client.expect("1").await;
        push(&gateway, "room:news", &json!(2)).await;
        client.expect("2").await;
        nobody.expect("2").await;
        for (token, closed) in [
            ("bad", code(1008, "auth_failed")),
            ("broken", code(1013, "auth_unavailable")),
        ] {
            let path = format!("/room/news/?token={token}");
            assert_eq!(refused(&gateway, &path).await, closed);
        }
        // A key fits, so nobody is asked.
        while hook.try_next().is_some() {}
        let token = gateway.room_token("7", &["news"], false);
        join(&gateway, &format!("/room/news/?token={token}")).await;
        assert!(hook.try_next().is_none());
    }
}

#[tokio::test]
async fn the_service_that_decides_who_comes_in_is_asked_about_everybody_and_opens_rooms() {
    let mut service = Service::start(|request| {
        let answer = match request.json()["user"].as_str() {
            None => json!({"allow": true, "rooms": ["news"]}),
            Some("42") => json!({"allow": true, "rooms": ["other", "agents"]}),
            Some(_) => json!({"allow": false, "reason": "no"}),
        };
        (200, answer.to_string())
    });
    for profile in PROFILES {
        let toml = format!("backend.connect = {{ url = \"{}\" }}", service.url("/"));
        let gateway = start(profile, &toml);
        let mut nobody = join(&gateway, "/room/news/").await;
        let asked =
            json!({"event": "connect", "dialect": "room", "user": null, "remote": "127.0.0.1"});
        assert_eq!(question(&mut service).await, asked);
        let token = gateway.room_token("42", &["vip"], false);
        let mut client = join(&gateway, &format!("/room/other/?token={token}")).await;
        assert_eq!(question(&mut service).await["user"], "42");
        for topic in ["room:other", "room:agents", "room:vip"] {
            push(&gateway, topic, &json!(topic)).await;
            client.expect(&format!("{topic:?}")).await;
        }
        push(&gateway, "room:news", &json!(1)).await;
        nobody.expect("1").await;
        let token = gateway.room_token("43", &["news"], false);
        for path in ["/room/other/", &format!("/room/news/?token={token}")] {
            assert_eq!(refused(&gateway, path).await, code(1008, "auth_failed"));
        }
        while service.try_next().is_some() {}
    }
}

#[tokio::test]
async fn when_that_service_is_down_nobody_comes_in_and_may_come_again() {
    let service = saying(500, json!({}));
    let toml = format!("backend.connect = {{ url = \"{}\" }}", service.url("/"));
    let gateway = start("documented", &toml);
    let token = gateway.room_token("42", &["news"], false);
    for path in ["/room/news/", &format!("/room/news/?token={token}")] {
        let closed = refused(&gateway, path).await;
        assert_eq!(closed, code(1013, "auth_unavailable"));
    }
}

#[tokio::test]
async fn that_service_may_say_who_somebody_is_whom_nobody_has_proven() {
    let service = saying(200, json!({"allow": true, "user": "9", "rooms": ["news"]}));
    let toml = format!("backend.connect = {{ url = \"{}\" }}", service.url("/"));
    let gateway = start("documented", &toml);
    let mut client = join(&gateway, "/room/news/").await;
    push(&gateway, "user:9", &json!(1)).await;
    client.expect("1").await;
    let token = gateway.room_token("42", &["news"], false);
    let closed = refused(&gateway, &format!("/room/news/?token={token}")).await;
    assert_eq!(closed, code(1013, "auth_unavailable"));
}

#[tokio::test]
async fn a_room_that_the_application_puts_a_session_into_is_heard_there() {
    for profile in PROFILES {
        let gateway = start(profile, "");
        let token = gateway.room_token("42", &["news"], false);
        let mut client = join(&gateway, &format!("/room/news/?token={token}")).await;
        let path = "/api/rooms/live%2F7/members";
        let answer = gateway.api("POST", path, &json!({"user": "42"})).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        push(&gateway, "room:live/7", &json!(1)).await;
        client.expect("1").await;
    }
}

#[tokio::test]
async fn more_rooms_than_a_session_may_have_end_it() {
    let gateway = start("documented", "limits.topics_per_session_max = 3");
    let token = gateway.room_token("42", &["a", "b"], false);
    let path = format!("/room/a/?token={token}");
    let mut client: Client = join(&gateway, &path).await;
    client.heard().await;
    let token = gateway.room_token("42", &["a", "b", "c"], false);
    let closed = refused(&gateway, &format!("/room/a/?token={token}")).await;
    assert_eq!(closed, code(1008, "too_many_topics"));
}
