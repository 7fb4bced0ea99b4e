//! Who comes in, and how those are told who do not.

use serde_json::json;

use super::{PROFILES, RECEIPT, auth, dropped, frame, login, start, start_with};
use crate::support::{
    Client, Gateway, Raw,
    client::status,
    raw::{self, Received},
};

/// Sealed by another program with the key of the document, long ago.
const TOM: &str = "qXZAxvfsHzK7DkCw*XDV6YnE:1CBtLXTqAK7L04jN*2zfLT2j14Fwwy2xNylldS4Btm6zH*oCC8XWKYG7wjnDjIpswKW0I40BfFopKdarbs_";
const NO_OBJECT: &str = "g4jRM14HUPc5G3PEgt*twA__";

#[tokio::test]
async fn who_has_no_good_auth_is_answered_403_with_the_header_and_no_body() {
    for profile in PROFILES {
        let toml = "dialect.live.key = \"kfw001-websocket\"\ndialect.live.max_age = \"0s\"";
        let gateway = start_with(profile, toml);
        for path in [
            "/live",
            "/live?auth=",
            "/live?auth=x",
            "/live?auth=%ff",
            &format!("/live?auth={NO_OBJECT}"),
        ] {
            let mut raw = Raw::open(gateway.public()).await;
            raw.write(raw::request(path, &[]).as_bytes()).await;
            let answer = raw.response().await;
            assert_eq!(answer.status, 403, "{path}");
            assert_eq!(answer.header("message"), Some("error auth"), "{path}");
            assert_eq!(answer.header("content-length"), Some("0"), "{path}");
            assert_eq!(raw.receive().await, Received::End, "{path}");
        }
        let mut tom = Client::connect(&gateway, &format!("/live?auth={TOM}")).await;
        tom.heartbeat().await;
        assert!(
            5.0 <= gateway.metric("tidegate_rejections_total", "dialect").await
                || gateway.is_cluster()
        );
    }
}

#[tokio::test]
async fn an_auth_is_good_for_a_week_unless_it_is_said_otherwise() {
    let key = "dialect.live.key = \"kfw001-websocket\"";
    let gateway = Gateway::start(key);
    let path = format!("/live?auth={TOM}");
    assert_eq!(status(Client::try_connect(&gateway, &path, &[]).await), 403);
    let auth = auth(&gateway, "1", "wechatUser", "r");
    Client::connect(&gateway, &format!("/live?auth={auth}"))
        .await
        .heartbeat()
        .await;
    let reloaded = gateway.reload(&format!("{key}\ndialect.live.max_age = \"0s\""));
    assert_eq!(reloaded.applied, ["dialect.live.max_age"]);
    if !gateway.is_cluster() {
        Client::connect(&gateway, &path).await.heartbeat().await;
    }
}

#[tokio::test]
async fn there_is_no_welcome_and_the_index_says_that_all_is_well() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut client = login(&gateway, "1", "wechatUser", "r").await;
        for method in ["index.index.index", "Index", "..."] {
            client
                .send(json!({"method": method, "name": "hello"}).to_string())
                .await;
            client.expect(RECEIPT).await;
            client
                .expect(&frame(profile, 200, "success", "执行完成"))
                .await;
        }
        client.send("{}").await;
        client.expect(RECEIPT).await;
        client
            .expect(&frame(profile, 200, "success", "执行完成"))
            .await;
    }
}

#[tokio::test]
async fn what_is_no_json_object_ends_the_session() {
    for profile in PROFILES {
        let gateway = start(profile);
        for text in ["hello", "3", "null", "\"2\"", ""] {
            let mut client = login(&gateway, "1", "wechatUser", "r").await;
            client.send(text).await;
            assert_eq!(client.closed().await, dropped(profile), "{text:?}");
        }
    }
}

#[tokio::test]
async fn a_signed_token_is_the_other_way_to_prove_oneself() {
    let secret = "0123456789abcdef0123456789abcdef";
    let gateway = Gateway::start(&format!(
        "dialect.live.auth = \"jwt\"\n\
         dialect.live.keys = [{{ alg = \"HS256\", secret = \"{secret}\" }}]"
    ));
    let mut client = login(&gateway, "7", "wechatUser", "r").await;
    let joined = client.invoke("live.user.join", json!({})).await;
    assert_eq!(joined["event"], "userJoinSuccess");
    let path = format!("/live?auth={TOM}");
    assert_eq!(status(Client::try_connect(&gateway, &path, &[]).await), 403);
}

#[tokio::test]
async fn a_user_is_known_to_the_api_and_may_have_many_sessions() {
    let gateway = Gateway::start("");
    let mut sessions = Vec::new();
    for _ in 0..2 {
        sessions.push(login(&gateway, "77", "wechatUser", "r").await);
    }
    gateway
        .publish(&json!({"to": "user:77", "event": "gift", "data": {"n": 1}}))
        .await;
    for session in &mut sessions {
        session
            .expect(r#"{"status":200,"event":"gift","info":"","param":{"n":1}}"#)
            .await;
    }
}
