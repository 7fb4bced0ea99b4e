//! The manager's word to everybody.

use serde_json::json;

use super::{PROFILES, login, start};
use crate::support::{http, process::Place};

#[tokio::test]
async fn what_the_manager_says_everybody_hears() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut clients = Vec::new();
        for id in ["1", "2"] {
            clients.push(login(&gateway, id, "wechatUser", "r1").await);
        }
        let answer = gateway
            .api("POST", "/api/say", &json!({"say": "<后> five"}))
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        for client in &mut clients {
            client
                .expect(r#"{"status":200,"event":"serverBroadcast","info":"收到服务广播内容","param":"<后> five"}"#)
                .await;
        }
        for (body, status) in [
            (json!({}), 422),
            (json!({"say": ""}), 422),
            (json!({"say": 1}), 422),
            (json!({"say": "a", "to": "x"}), 422),
        ] {
            let answer = gateway.api("POST", "/api/say", &body).await;
            assert_eq!(answer.status, status, "{body}");
        }
        let answer = http::call(gateway.admin(), "POST", "/api/say", &[], "{\"say\":\"x\"}").await;
        assert_eq!(answer.status, 401);
    }
}

#[tokio::test]
async fn the_command_line_makes_an_auth_and_says_something_to_who_comes_with_it() {
    let place = Place::new("");
    let text = place.ends("token live --id 1", 1).await;
    assert!(text.contains("no node runs here"), "{text}");
    let text = place.ends("say hello", 1).await;
    assert!(text.contains("no node runs here"), "{text}");
    for line in ["token live", "token live --id=", "say"] {
        place.ends(line, 2).await;
    }
    place.ends("start --daemon", 0).await;
    let line = "token live --id 1 --type wall --code r1 --nickname n";
    let auth = place.ends(line, 0).await;
    let mut client = place.connect(&format!("/live?auth={}", auth.trim())).await;
    let joined = client.invoke("live.wall.join", json!({})).await;
    assert_eq!(joined["event"], "wallJoinSuccess");
    place.ends("say hello", 0).await;
    assert_eq!(client.told("serverBroadcast").await, "hello");
    place.ends("stop", 0).await;
}
