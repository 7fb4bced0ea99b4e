//! Clients of the chat: a page as the document's front end, and Python.

use serde_json::json;

use super::{
    address,
    browser::{Browser, expect, site},
    python,
};
use crate::{
    im::{befriend, login, orders::order_hook},
    support::{Gateway, service::Service},
};

const PAGE: &str = include_str!("im.html");
/// How long the page waits for its history, in milliseconds; three seconds in the document.
const HISTORY_DELAY: &str = "50";
/// The application's own token of user 42.
const HTTP_TOKEN: &str = "http-token-of-42";

#[tokio::test]
async fn python_clients_of_the_chat_work_unchanged() {
    let (_service, orders) = order_hook();
    for profile in ["documented", "observed"] {
        let toml =
            format!("dialect.im.profile = \"{profile}\"\npresence.linger = \"0s\"\n{orders}");
        let gateway = Gateway::start(&toml);
        let api = format!("http://{}", gateway.admin());
        let key = gateway.config().throw_away.api_key.as_ref().unwrap();
        let (base, other) = (address(&gateway), address(&gateway));
        python("im.py", &[profile, &api, key.expose(), &base, &other]).await;
    }
}

/// The application, which knows its users by its own tokens.
fn application() -> (Service, String) {
    let service = Service::start(|request| {
        let reply = match request.json()["token"].as_str() {
            Some(HTTP_TOKEN) => json!({"allow": true, "user": "42"}),
            _ => json!({"allow": false}),
        };
        (200, reply.to_string())
    });
    let url = service.url("/");
    (service, format!("dialect.im.hook.url = \"{url}\""))
}

#[tokio::test]
async fn a_page_as_the_document_describes_it_works_from_another_origin() {
    let (mut told, shown) = site();
    let (_application, hook) = application();
    let toml = format!("listen.origins = [\"{}\"]\n{hook}", told.url(""));
    let gateway = Gateway::start(&toml);
    befriend(&gateway, 7, 42).await;
    let mut friend = login(&gateway, 7).await;
    friend.say("1", 42, "before").await;
    let page = PAGE
        .replace("{token_host}", &gateway.public().to_string())
        .replace("{host}", &gateway.public().to_string())
        .replace("{http_token}", HTTP_TOKEN)
        .replace("{history_delay}", HISTORY_DELAY);
    shown.set(page).unwrap();
    let _browser = Browser::open(told.address);
    expect(&mut told, "token 120").await;
    expect(&mut told, "L 0 login in").await;
    expect(&mut told, "pong pong").await;
    expect(&mut told, "history 7 before false").await;
    expect(&mut told, "answer A success").await;
    let came = friend.packet().await;
    assert_eq!(
        (&came["from"], &came["msg"]),
        (&json!(42), &json!("你好 \"7\" 😀"))
    );
    // Timestamp in milliseconds, and random digits.
    assert_eq!(came["id"].as_str().unwrap().len(), 13 + 8);
    expect(&mut told, "answer You are not friends").await;
    friend.say("2", 42, "在吗").await;
    expect(&mut told, "t 7 在吗").await;

    let mut elsewhere = login(&gateway, 42).await;
    expect(&mut told, "C 0 Server closes websocket").await;
    expect(&mut told, "closed 1008 superseded").await;
    friend.say("3", 42, "and now").await;
    assert_eq!(elsewhere.packet().await["msg"], "and now");
}
