//! API keys and their rates, and whom a message leaves out.

use serde_json::json;

use crate::support::{Gateway, http};

async fn status(gateway: &Gateway, key: &str) -> u16 {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str())];
    http::call(gateway.admin(), "GET", "/api/nodes", &headers, "")
        .await
        .status
}

fn keys(keys: &[(&str, u32)]) -> String {
    let keys = keys.iter().map(|(key, rate)| {
        format!("{{ key = \"{key}\", scopes = [\"read\", \"publish\"], name = \"app\", requests_per_second = {rate} }}")
    });
    format!("api.keys = [{}]", keys.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
async fn keys_and_their_rates_change_while_the_node_runs() {
    let gateway = Gateway::start_alone(&keys(&[("first-key-of-the-app", 0)]));
    assert_eq!(status(&gateway, "first-key-of-the-app").await, 200);
    assert_eq!(status(&gateway, "second-key-of-the-app").await, 401);
    let both = [("first-key-of-the-app", 1), ("second-key-of-the-app", 0)];
    let reloaded = gateway.reload(&keys(&both));
    assert_eq!(reloaded.applied, ["api.keys"]);
    // A batch has to be paid for by who comes next.
    let messages = json!({"messages": vec![json!({"to": "all"}); 100]});
    let headers = [("authorization", "Bearer first-key-of-the-app")];
    let path = "/api/publish/batch";
    let body = messages.to_string();
    let batch = http::call(gateway.admin(), "POST", path, &headers, &body).await;
    assert_eq!(batch.status, 200);
    assert_eq!(status(&gateway, "first-key-of-the-app").await, 429);
    let limited = "outcome=\"limited\"";
    assert_eq!(
        gateway.metric("tidegate_api_requests_total", limited).await,
        1.0
    );
    assert_eq!(status(&gateway, "second-key-of-the-app").await, 200);
    gateway.reload(&keys(&both[1..]));
    assert_eq!(status(&gateway, "first-key-of-the-app").await, 401);
    assert_eq!(status(&gateway, "second-key-of-the-app").await, 200);
}

#[tokio::test]
async fn who_was_excepted_hears_nothing_on_any_node() {
    for gateway in super::gateways("") {
        let (mut one, id) = super::login(&gateway, "1").await;
        let (mut two, _) = super::login(&gateway, "2").await;
        let (mut three, other) = super::login(&gateway, "3").await;
        let except = [format!("session:{id}"), format!("session:{other}")];
        let message = json!({"to": "all", "event": "e", "data": 1, "except": except});
        gateway.publish(&message).await;
        super::say(&gateway, "all", 2).await;
        assert_eq!(super::heard(&mut two).await, 1);
        for client in [&mut one, &mut two, &mut three] {
            assert_eq!(super::heard(client).await, 2);
        }
    }
}
