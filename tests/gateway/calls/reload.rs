//! Services change while sessions live.

use serde_json::json;

use super::{Application, device, shop_toml};
use crate::support::Gateway;

const CALLS: &str = "tidegate_method_calls_total";

#[tokio::test]
async fn services_come_change_and_go_for_sessions_that_live() {
    let (first, second) = (
        Application::echo(),
        Application::start(|_, _| Some((200, "\"second\"".to_owned()))),
    );
    let gateway = Gateway::start("");
    let mut client = device(&gateway, "anna").await;
    let refused = client.call("shop.x", json!({"a": 1})).await;
    assert_eq!(refused["data"]["code"], 403);
    let reloaded = gateway.reload(&shop_toml(&first.url, ""));
    assert_eq!(reloaded.applied, ["backend.methods"]);
    let answer = client.call("shop.x", json!({"a": 1})).await;
    assert_eq!(answer["data"], json!({"a": 1}));
    gateway.reload(&shop_toml(&second.url, ""));
    let answer = client.call("shop.x", json!({"a": 1})).await;
    assert_eq!(answer["data"], "second");
    // Its figures go on.
    assert_eq!(gateway.metric(CALLS, "answered").await, 2.0);
    gateway.reload("");
    let refused = client.call("shop.x", json!({"a": 1})).await;
    assert_eq!(refused["data"]["code"], 403);
    assert_eq!(
        gateway.metric(CALLS, "").await,
        0.0,
        "nothing is left of it"
    );
}

#[tokio::test]
async fn what_is_under_way_ends_as_it_began_and_counts_for_the_bound() {
    let mut old = Application::hanging();
    let new = Application::echo();
    let more = ", timeout = \"15s\", concurrency_max = 1";
    let gateway = Gateway::start_alone(&shop_toml(&old.url, more));
    let mut client = device(&gateway, "anna").await;
    client.send(r#"{"type":"shop.x","data":[],"id":1}"#).await;
    old.request().await;
    gateway.reload(&shop_toml(&new.url, more));
    client.call_fails("shop.x", json!([]), 429).await;
    old.open();
    let answer = client.frame().await;
    assert_eq!(answer["data"], json!({"late": true}));
    let answer = client.call("shop.x", json!([5])).await;
    assert_eq!(answer["data"], json!([5]));
}

#[tokio::test]
async fn a_service_at_another_address_has_a_clean_slate() {
    let (broken, mended) = (
        Application::start(|_, _| Some((500, String::new()))),
        Application::echo(),
    );
    let more = ", failures_max = 1, pause = \"1h\"";
    let gateway = Gateway::start_alone(&shop_toml(&broken.url, more));
    let mut client = device(&gateway, "anna").await;
    client.call_fails("shop.x", json!([]), 503).await;
    client.call_fails("shop.x", json!([]), 503).await;
    assert_eq!(gateway.metric(CALLS, "\"open\"").await, 1.0);
    // The same one stays as it is, with other limits too.
    gateway.reload(&shop_toml(
        &broken.url,
        ", failures_max = 2, pause = \"1h\"",
    ));
    client.call_fails("shop.x", json!([]), 503).await;
    assert_eq!(gateway.metric(CALLS, "\"open\"").await, 2.0);
    gateway.reload(&shop_toml(&mended.url, more));
    let answer = client.call("shop.x", json!([5])).await;
    assert_eq!(answer["data"], json!([5]));
}
