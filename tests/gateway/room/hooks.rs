//! What applications are told of `room` clients.

use serde_json::{Value, json};

use super::{join, join_as};
use crate::support::{Gateway, service::Service};

async fn next(service: &mut Service) -> Value {
    service.next().await.json()
}

#[tokio::test]
async fn messages_and_envelopes_are_told_of_whoever_sends_them() {
    let mut service = Service::taking();
    let toml = format!(
        "backend.hooks = [{{ events = [\"message.received\"], url = \"{}\", \
         messages = [\"message\", \"group\"], concurrency_max = 1 }}]",
        service.url("/hook")
    );
    let gateway = Gateway::start(&toml);
    let mut nobody = join(&gateway, "/room/a/").await;
    // What it joins with is told of, too.
    next(&mut service).await;
    for (text, data) in [
        ("23423423", json!(23_423_423)),
        ("你好", json!("你好")),
        (
            r#"{"message":"x","from":"a"}"#,
            json!({"message": "x", "from": "a"}),
        ),
    ] {
        nobody.send(text).await;
        let told = next(&mut service).await;
        assert_eq!(
            (
                &told["kind"],
                &told["data"],
                &told["user"],
                &told["dialect"]
            ),
            (&json!("message"), &data, &Value::Null, &json!("room"))
        );
    }
    let mut one = join_as(&gateway, "a", "7").await;
    next(&mut service).await;
    one.send(r#"{"type":1,"to":"8","message":1}"#).await;
    one.send(r#"{"type":2,"to":"a","message":1}"#).await;
    let told = next(&mut service).await;
    assert_eq!(
        (&told["kind"], &told["user"], &told["data"]["to"]),
        (&json!("group"), &json!("7"), &json!("a"))
    );
}

#[tokio::test]
async fn who_comes_and_goes_is_told_of_also_if_it_is_nobody() {
    let mut service = Service::taking();
    let toml = format!(
        "backend.hooks = [{{ events = [\"session.opened\", \"session.closed\"], url = \"{}\" }}]",
        service.url("/hook")
    );
    let gateway = Gateway::start(&toml);
    for (path, user) in [("/room/a/", Value::Null), ("/room/a/?user=7", json!("7"))] {
        let mut client = join(&gateway, path).await;
        let opened = next(&mut service).await;
        assert_eq!(
            (&opened["event"], &opened["user"]),
            (&json!("session.opened"), &user)
        );
        client.close().await;
        let closed = next(&mut service).await;
        assert_eq!(
            (&closed["event"], &closed["user"], &closed["rooms"]),
            (&json!("session.closed"), &user, &json!(["a"]))
        );
    }
}
