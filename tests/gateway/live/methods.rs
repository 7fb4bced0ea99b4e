//! Methods that applications answer: to the client they look like the gateway's own.

use serde_json::json;
use tokio::time::Instant;

use super::{PROFILES, frame, login, start, start_with, user};
use crate::{
    calls::{Application, LONG},
    support::machine::free_port,
};

fn toml(url: &str, more: &str) -> String {
    format!("backend.methods = [{{ prefix = \"shop.\", url = \"{url}\"{more} }}]")
}

#[tokio::test]
async fn an_application_answers_what_is_its_own_and_is_told_who_calls() {
    for profile in PROFILES {
        let mut app = Application::start(|_, body| {
            let answer = json!({"status": 200, "event": "ordered", "say": body["say"]});
            Some((200, answer.to_string()))
        });
        let gateway = start_with(profile, &toml(&app.url, ""));
        let mut client = user(&gateway, "1", "r1").await;
        let request = json!({"say": "<a>", "fd": 1, "code": "x", "auth": {"id": 2}});
        let answer = client.invoke("Shop.Order", request).await;
        assert_eq!(
            answer,
            json!({"status": 200, "event": "ordered", "say": "&lt;a&gt;"})
        );
        let request = app.request().await;
        let body = request.json();
        let fd = body["fd"].as_str().unwrap();
        assert_eq!(Some(fd), request.header("x-tidegate-session"));
        let expect = json!({
            "method": "Shop.Order", "say": "&lt;a&gt;", "fd": fd, "code": "r1",
            "auth": {"id": 1, "type": "wechatUser", "code": "r1", "nickname": "&lt;1&gt;"},
        });
        assert_eq!(body, expect);
        assert_eq!(request.header("x-tidegate-user"), Some("1"));
        assert_eq!(request.header("x-tidegate-dialect"), Some("live"));
        assert_eq!(request.header("x-tidegate-room"), Some("live/users/r1"));
    }
}

#[tokio::test]
async fn a_method_that_nobody_has_is_not_found() {
    for profile in PROFILES {
        let gateway = start(profile);
        let mut client = login(&gateway, "1", "wechatUser", "r1").await;
        let not_found = frame(profile, 405, "methodNotFound", "您请求的method方法不存在");
        for method in ["live.user.dance", "index.index.nothing", "nothing"] {
            client.begin(method, json!({})).await;
            client.expect(&not_found).await;
        }
        client.begin("shop.cart.add", json!({})).await;
        client
            .expect(&match profile {
                "documented" => not_found,
                _ => frame(profile, 500, "controllerError", "程序错误"),
            })
            .await;
    }
}

#[tokio::test]
async fn an_application_that_is_away_or_fails_is_an_error_and_ends_nothing() {
    for profile in PROFILES {
        let app = Application::start(|_, body| {
            Some((
                body["code_of"].as_u64().unwrap() as u16,
                body["text"].as_str().unwrap().to_owned(),
            ))
        });
        let nobody = format!("http://127.0.0.1:{}/", free_port());
        let gateway = start_with(
            profile,
            &format!(
                "backend.methods = [{{ prefix = \"shop.\", url = \"{}\", failures_max = 0 }}, \
                 {{ prefix = \"gone.\", url = \"{nobody}\" }}]",
                app.url
            ),
        );
        let mut client = login(&gateway, "1", "wechatUser", "r1").await;
        let error = frame(profile, 500, "controllerError", "程序错误");
        for (status, text) in [(500, "{}"), (404, "{}"), (200, "<html>")] {
            client
                .begin("shop.x", json!({"code_of": status, "text": text}))
                .await;
            client.expect(&error).await;
        }
        client.begin("gone.x", json!({})).await;
        client.expect(&error).await;
        client.heartbeat().await;
    }
}

#[tokio::test]
async fn an_application_that_hangs_is_an_error_in_time_and_holds_up_nobody() {
    let mut app = Application::hanging();
    let gateway = start_with("documented", &toml(&app.url, ", timeout = \"300ms\""));
    let mut waiting = login(&gateway, "1", "wechatUser", "r1").await;
    let mut other = login(&gateway, "2", "wechatUser", "r1").await;
    let begin = Instant::now();
    waiting.begin("shop.x", json!({})).await;
    app.request().await;
    // Its own calls go on, and those of others.
    let joined = waiting.invoke("live.user.join", json!({})).await;
    assert_eq!(joined["event"], "userJoinSuccess");
    let joined = other.invoke("live.user.join", json!({})).await;
    assert_eq!(joined["event"], "userJoinSuccess");
    waiting
        .expect(&frame("documented", 500, "controllerError", "程序错误"))
        .await;
    assert!(begin.elapsed() < LONG);
    other.heartbeat().await;
}
