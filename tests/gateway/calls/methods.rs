//! Methods: what is sent to an application, and what comes of its answer.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Application, device, shop};
use crate::support::{Gateway, client::code, machine::free_port};

#[tokio::test]
async fn a_frame_is_answered_by_the_application_that_its_type_begins_with() {
    let mut app = Application::echo();
    let gateway = shop(&app.url, ", secret = \"hush\"");
    let mut client = device(&gateway, "anna b/\u{5f20}").await;
    let frame = r#"{"type":"shop.order","data":{"n":[1, 2]},"seq":"a","more":true,"id":7}"#;
    client.send(format!(" {frame}\n")).await;
    let text = client.text().await;
    let begin = r#"{"type":"shop.order","data":{"n":[1,2]},"time":"#;
    assert!(text.starts_with(begin), "{text}");
    assert!(text.ends_with(r#","id":7,"seq":"a"}"#), "{text}");
    let request = app.request().await;
    assert_eq!(request.body, frame, "the frame as it came");
    assert_eq!((&*request.method, &*request.path), ("POST", "/app"));
    let header = |name| request.header(name).unwrap_or_default();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!(header("x-tidegate-user"), "anna%20b/%E5%BC%A0");
    assert_eq!(header("x-tidegate-room"), "device/d1");
    assert_eq!(header("x-tidegate-room-count"), "1");
    assert_eq!(header("x-tidegate-dialect"), "device");
    let session = header("x-tidegate-session");
    assert_eq!(session.split('.').count(), 3, "{session}");
    let signature = header("x-tidegate-signature");
    assert!(
        signature.starts_with("t=") && signature.contains(",v1="),
        "{signature}"
    );
    let mut ids = BTreeSet::from([header("x-tidegate-request-id").to_owned()]);
    for _ in 0..3 {
        client.call("shop.order", json!([])).await;
        let request = app.request().await;
        ids.insert(request.header("x-tidegate-request-id").unwrap().to_owned());
    }
    assert_eq!(ids.len(), 4, "each has its own");
    let labels = "prefix=\"shop.\",outcome=\"answered\"";
    gateway
        .until_metric("tidegate_method_calls_total", labels, 4.0)
        .await;
    let under_way = "tidegate_method_calls_under_way";
    assert_eq!(gateway.metric(under_way, "").await, 0.0);
}

#[tokio::test]
async fn the_longest_prefix_counts_and_other_types_are_as_before() {
    let (shop, cart) = (
        Application::echo(),
        Application::start(|_, _| Some((200, "\"cart\"".to_owned()))),
    );
    let gateway = Gateway::start(&format!(
        "backend.methods = [{{ prefix = \"shop.\", url = \"{}\" }}, \
         {{ prefix = \"shop.cart.\", url = \"{}\" }}, \
         {{ prefix = \"live.\", url = \"{}\", dialects = [\"live\"] }}]",
        shop.url, cart.url, shop.url
    ));
    let mut client = device(&gateway, "anna").await;
    let answer = client.call("shop.cart", json!({"a": 1})).await;
    assert_eq!(answer, json!({"type": "shop.cart", "data": {"a": 1}}));
    let answer = client.call("shop.cart.add", json!({"a": 1})).await;
    assert_eq!(answer, json!({"type": "shop.cart.add", "data": "cart"}));
    for kind in ["shop", "Shop.order", "live.user", "order"] {
        let answer = client.call(kind, json!({"a": 1})).await;
        assert_eq!(answer["data"]["code"], 403, "{kind}: it is a publish");
    }
    let to_self = json!({"to": "user:anna"});
    let answer = client.call("order", to_self.clone()).await;
    assert_eq!(answer, json!({"type": "order", "data": to_self}));
}

#[tokio::test]
async fn whatever_is_no_answer_is_an_error_and_ends_nothing() {
    let app = Application::start(|_, body| {
        let data = &body["data"];
        let text = data["text"].as_str().unwrap().to_owned();
        Some((data["status"].as_u64().unwrap() as u16, text))
    });
    let gateway = shop(&app.url, ", failures_max = 0, answer_bytes_max = 100");
    let mut client = device(&gateway, "anna").await;
    let long = format!("[{}1]", "1,".repeat(50));
    for (status, text, code) in [
        (200, "<html>", 502),
        (200, "{\"a\":1", 502),
        (200, "\"a\" \"b\"", 502),
        (200, &*long, 502),
        (302, "", 502),
        (400, "{}", 400),
        (404, "", 404),
        (429, "", 429),
        (500, "{}", 503),
        (503, "", 503),
    ] {
        let data = json!({"status": status, "text": text});
        client.call_fails("shop.x", data, code).await;
    }
    for (status, text, expect) in [
        (200, " null ", json!(null)),
        (200, "", json!(null)),
        (201, "{\"a\":\"\u{5f20}\"}\n", json!({"a": "\u{5f20}"})),
        (200, "5", json!(5)),
    ] {
        let answer = client
            .call("shop.x", json!({"status": status, "text": text}))
            .await;
        assert_eq!(answer, json!({"type": "shop.x", "data": expect}));
    }
    for (outcome, count) in [("malformed", 5.0), ("refused", 3.0), ("failed", 2.0)] {
        let labels = format!("outcome=\"{outcome}\"");
        let name = "tidegate_method_calls_total";
        assert_eq!(gateway.metric(name, &labels).await, count, "{outcome}");
    }
}

#[tokio::test]
async fn a_name_of_a_frame_that_cannot_come_back_is_an_error() {
    let app = Application::echo();
    let gateway = shop(&app.url, "");
    let mut client = device(&gateway, "anna").await;
    let long = format!("\"{}\"", "x".repeat(127));
    for id in ["{}", "[1]", "true", &long, "1,\"id\":2"] {
        let text = format!(r#"{{"type":"shop.x","data":[],"id":{id}}}"#);
        client.send(text).await;
        let answer = client.frame().await;
        assert_eq!(answer["data"]["code"], 400, "{id}");
        assert_eq!(answer["data"]["type"], "shop.x", "{id}");
    }
    for id in ["null", "-1.5e3", "\"\\u0000\"", &long.replacen('x', "", 1)] {
        let text = format!(r#"{{"type":"shop.x","data":[],"id":{id}}}"#);
        client.send(text).await;
        let answer = client.text().await;
        assert_eq!(answer.contains(",\"id\":"), id != "null", "{answer}");
        assert!(
            id == "null" || answer.ends_with(&format!("{id}}}")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_frame_without_data_is_malformed_as_every_other() {
    let app = Application::echo();
    let gateway = shop(&app.url, "");
    let mut client = device(&gateway, "anna").await;
    client.send(r#"{"type":"shop.x"}"#).await;
    assert_eq!(client.frame().await["data"]["code"], 400);
    assert_eq!(client.closed().await, code(1008, "violation"));
}

#[tokio::test]
async fn an_application_that_is_not_there_is_an_error_at_once() {
    let nobody = free_port();
    let gateway = shop(
        &format!("http://127.0.0.1:{nobody}/"),
        ", timeout = \"20s\"",
    );
    let mut client = device(&gateway, "anna").await;
    client.call_fails("shop.x", json!([]), 503).await;
}
