//! Couriers: their positions, and the orders that they take.

use serde_json::{Value, json};

use super::{error, login};
use crate::support::{Gateway, service::Service};

pub(super) async fn enlist(gateway: &Gateway, courier: u64) {
    let path = format!("/api/im/couriers/{courier}");
    let answer = gateway.api("PUT", &path, &Value::Null).await;
    assert_eq!(answer.status, 204, "{answer:?}");
}

#[tokio::test]
async fn only_couriers_have_positions() {
    let gateway = Gateway::start("");
    let mut client = login(&gateway, 7).await;
    let here = |longitude: &str| json!({"id": 1, "to": 0, "type": "S", "msg": {longitude: 121.5, "latitude": "31.2"}});
    let refused = error(1, "You have no right to do");
    assert_eq!(client.ask(&here("longitude")).await, refused);
    enlist(&gateway, 7).await;
    for spelling in ["longitude", "longtitude"] {
        let answer = client.ask(&here(spelling)).await;
        let expect = json!({"id": 1, "from": 0, "type": "A", "msg": "updated position"});
        assert_eq!(answer, expect);
    }
    let answer = gateway.api("GET", "/api/im/couriers", &Value::Null).await;
    assert_eq!(answer.body, r#"{"couriers":[7]}"#);
    gateway
        .api("DELETE", "/api/im/couriers/7", &Value::Null)
        .await;
    assert_eq!(client.ask(&here("longitude")).await, refused);
}

/// Orders 17 and 19 of customer 42 are courier 7's, and 18 is courier 8's.
pub(crate) fn order_hook() -> (Service, String) {
    let service = Service::start(|request| {
        let asked = request.json();
        match asked["order"].as_str().unwrap() {
            "17" | "19" => (200, json!({"customer": 42, "courier": "7"}).to_string()),
            "18" => (200, json!({"customer": 42, "courier": 8}).to_string()),
            "broken" => (500, "{}".to_owned()),
            _ => (404, "{}".to_owned()),
        }
    });
    let url = service.url("/orders");
    (service, format!("dialect.im.orders.hook.url = \"{url}\""))
}

#[tokio::test]
async fn who_takes_an_order_becomes_a_friend_of_its_customer_who_is_told() {
    let (_service, orders) = order_hook();
    let gateway = Gateway::start(&orders);
    let mut courier = login(&gateway, 7).await;
    let mut customer = login(&gateway, 42).await;
    let take = |id: Value| json!({"id": "t", "to": 0, "type": "T", "msg": id});
    let taken = json!({"id": "t", "from": 0, "type": "A", "msg": "success", "uid": 42});
    assert_eq!(courier.ask(&take(json!(17))).await, taken);
    let told = customer.packet().await;
    assert_eq!((&told["type"], &told["from"]), (&json!("s"), &json!(7)));
    assert_eq!(told["msg"], "17");
    courier.say("1", 42, "on my way").await;
    assert_eq!(customer.packet().await["msg"], "on my way");
    customer.say("2", 7, "thanks").await;
    assert_eq!(courier.packet().await["msg"], "thanks");
    for (order, text) in [
        (json!("17"), "Already send!"),
        (json!(18), "You have no right to do"),
        (json!(20), "Can't find order"),
        (json!("broken"), "Unknown error"),
    ] {
        assert_eq!(courier.ask(&take(order)).await, error("t", text));
    }
    // Another order of the same customer is another order.
    assert_eq!(courier.ask(&take(json!(19))).await, taken);
    assert_eq!(customer.packet().await["msg"], "19");
}

#[tokio::test]
async fn a_customer_who_is_away_is_told_at_the_next_login() {
    let (_service, orders) = order_hook();
    let gateway = Gateway::start(&orders);
    let mut courier = login(&gateway, 7).await;
    courier
        .ask(&json!({"id": "t", "to": 0, "type": "T", "msg": 17}))
        .await;
    let mut customer = login(&gateway, 42).await;
    assert_eq!(customer.packet().await["msg"], "17");
}
