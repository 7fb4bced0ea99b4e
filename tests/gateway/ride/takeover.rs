//! Sessions that others end: the same client again, of which the newest wins, and operators.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{PROFILES, ended, start, start_with};
use crate::support::{Client, Gateway};

const TO_ME: &str = r#"{"flag":"x","token":"me","target_token":"me"}"#;

#[tokio::test]
async fn the_same_client_id_with_the_same_token_supersedes_the_older_session() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut older = Client::ride(&gateway, "phone", "me").await;
        let mut newer = Client::ride(&gateway, "phone", "me").await;
        assert_eq!(older.closed().await, ended(profile, "superseded"));
        // Its end, which the node has seen by now, takes nothing from the newer one.
        newer.send(TO_ME).await;
        newer.expect(TO_ME).await;
        newer.ping().await;
        // Nor its place as the one to be superseded by the next.
        let path = "/ws/?client_id=phone&token=me";
        let mut newest = Client::connect(&gateway, path).await;
        assert_eq!(newer.closed().await, ended(profile, "superseded"));
        newest.send(r#"{"flag":"ping"}"#).await;
        let mut answer = newest.text().await;
        if gateway.is_cluster() && answer == TO_ME {
            // On its node somebody was known as this user still, and the message is late.
            answer = newest.text().await;
        }
        assert_eq!(answer, "pong");
    }
}

#[tokio::test]
async fn the_client_id_of_a_login_frame_counts_like_that_of_the_query() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut older = Client::ride(&gateway, "phone", "me").await;
        let mut newer = Client::connect(&gateway, "/websocket").await;
        newer
            .send(r#"{"flag":"login","token":"me","client_id":"phone"}"#)
            .await;
        assert_eq!(older.closed().await, ended(profile, "superseded"));
        newer.ping().await;
    }
}

#[tokio::test]
async fn the_same_client_id_with_another_token_is_another_person() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut me = Client::ride(&gateway, "phone", "me").await;
        let mut you = Client::ride(&gateway, "phone", "you").await;
        me.ping().await;
        you.ping().await;
        you.send(r#"{"flag":"x","token":"you","target_token":"me"}"#)
            .await;
        me.expect(r#"{"flag":"x","token":"you","target_token":"me"}"#)
            .await;
    }
}

#[tokio::test]
async fn of_many_at_once_exactly_one_is_left_and_it_is_reachable() {
    for profile in PROFILES {
        let gateway = start_with(profile, "runtime.shards = 4");
        for round in 0..5 {
            let token = format!("me{round}");
            let path = format!("/ws/?client_id=phone&token={token}");
            let connecting = (0..20).map(|_| Client::connect(&gateway, &path));
            let mut clients = join_all(connecting).await;
            // Whoever answers has logged in; once all have, the losers are told already.
            join_all(clients.iter_mut().map(Client::is_served)).await;
            gateway.settle().await;
            let served = join_all(clients.iter_mut().map(Client::is_served)).await;
            let left: Vec<_> = (0..20).filter(|index| served[*index]).collect();
            assert_eq!(left.len(), 1);
            let text = TO_ME.replace("me", &token);
            let client = &mut clients[left[0]];
            client.send(text.clone()).await;
            client.expect(&text).await;
        }
    }
}

#[tokio::test]
async fn a_kicked_client_sees_1008_or_in_observed_an_empty_close() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut phone = Client::ride(&gateway, "phone", "me").await;
        let mut watch = Client::ride(&gateway, "watch", "me").await;
        let mut you = Client::ride(&gateway, "c", "you").await;
        let id = session(&gateway, "you").await;
        let path = format!("/api/sessions/{id}");
        let answer = gateway.api("DELETE", &path, &json!({})).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        assert_eq!(you.closed().await, ended(profile, "kicked"));
        phone.ping().await;
        let path = "/api/users/me/sessions";
        let answer = gateway.api("DELETE", path, &json!({})).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        for client in [&mut phone, &mut watch] {
            assert_eq!(client.closed().await, ended(profile, "kicked"));
        }
        // It is no ban.
        Client::ride(&gateway, "phone", "me").await;
    }
}

/// The id of the one session of this user.
async fn session(gateway: &Gateway, user: &str) -> String {
    let path = format!("/api/users/{user}");
    let answer = gateway.api("GET", &path, &json!({})).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let [session] = answer["sessions"].as_array().unwrap().as_slice() else {
        panic!("{answer}");
    };
    session["id"].as_str().unwrap().to_owned()
}
