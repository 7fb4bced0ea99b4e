//! Which endpoints there are, and what operators see of them.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_reload_changes_who_is_told_and_what_waits_for_others_is_kept() {
    let mut first = Service::start(|_| (503, ""));
    let mut second = Service::taking();
    let of_first = hooks(&[hook(&first.url("/"), "")]);
    for gateway in forms(&of_first) {
        keep_of(&gateway, 1, 0..1).await;
        first.next().await;
        let reloaded = gateway.reload(&hooks(&[hook(&second.url("/"), "")]));
        assert!(reloaded.applied.contains(&"backend.hooks".to_owned()));
        keep_of(&gateway, 1, 1..2).await;
        assert_eq!(taken(&mut second, 1).await, ["1-1"]);
        let states = hooks_of(&gateway).await;
        assert_eq!(states.as_array().unwrap().len(), 2, "{states}");
        assert_eq!(
            (&states[1]["configured"], &states[1]["pending"]),
            (&json!(false), &json!(1))
        );
        while first.next_within(SHORT).await.is_some() {}
        gateway.reload(&of_first);
        // It did not come while nobody was to be told.
        assert_eq!(id(&first.next().await), "1-0");
        assert!(second.next_within(SHORT).await.is_none());
        while first.next_within(SHORT).await.is_some() {}
    }
}

#[tokio::test]
async fn a_sample_is_sent_at_once_and_its_answer_told() {
    let mut receiver = Service::start(|heard| match &*heard.path {
        "/good" => (204, ""),
        _ => (500, ""),
    });
    let toml = hooks(&[
        hook(&receiver.url("/good"), ""),
        hook(&receiver.url("/bad"), ""),
    ]);
    let gateway = Gateway::start_alone(&toml);
    let test = async |body: Value| {
        let answer = gateway.api("POST", "/api/hooks/test", &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    let tested = test(json!({"url": receiver.url("/good"), "event": "session.closed"})).await;
    assert_eq!(
        (&tested["status"], &tested["error"]),
        (&json!(204), &Value::Null)
    );
    assert!(0.0 < tested["seconds"].as_f64().unwrap());
    let heard = receiver.next().await;
    assert_eq!(
        (&heard.json()["event"], &heard.json()["id"]),
        (&json!("session.closed"), &tested["id"])
    );
    let signature = heard.header("x-tidegate-signature").unwrap();
    assert!(signature.contains(",v1="), "{signature}");
    let tested = test(json!({"hook": 1})).await;
    assert_eq!(tested["status"], 500);
    assert_eq!(receiver.next().await.json()["event"], "message.received");
    // It is no happening.
    assert!(receiver.next_within(SHORT).await.is_none());
    assert_eq!(counted(&gateway, "kept").await, 0.0);
}

#[tokio::test]
async fn a_redirection_is_not_followed() {
    let mut other = Service::taking();
    let there = other.url("/");
    let mut receiver = Service::start(move |_| (307, there.clone()));
    let gateway = Gateway::start_alone(&hooks(&[hook(&receiver.url("/"), "")]));
    let answer = gateway
        .api("POST", "/api/hooks/test", &json!({"hook": 0}))
        .await;
    let tested: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(tested["status"], 307, "{answer:?}");
    receiver.next().await;
    assert!(other.try_next().is_none());
}

#[tokio::test]
async fn what_nobody_wants_is_not_kept() {
    let receiver = Service::taking();
    let toml = format!(
        "backend.hooks = [{{ url = \"{}\", events = [\"message.received\"], \
         messages = [\"order_*\"], dialects = [\"ride\"] }}]",
        receiver.url("/")
    );
    let gateway = Gateway::start_alone(&toml);
    let herald = gateway.herald();
    assert!(herald.wants_message(DialectId::Ride, "order_new"));
    assert!(!herald.wants_message(DialectId::Ride, "other"));
    assert!(!herald.wants_message(DialectId::Device, "order_new"));
    keep_of(&gateway, 1, 0..1).await;
    assert_eq!(counted(&gateway, "kept").await, 0.0);
}

/// A call that a session owed, and where it goes.
fn due(url: &str, number: u64) -> Happening {
    let mut due = message(1, number);
    let What::MessageReceived { who, .. } = due.what else {
        unreachable!()
    };
    due.what = What::CallDue {
        who,
        url: url.into(),
        method: "bye".into(),
        params: "{}".into(),
    };
    due
}

#[tokio::test]
async fn a_call_waits_for_a_configuration_that_has_its_address() {
    let mut first = Service::taking();
    let mut second = Service::taking();
    let of_first = hooks(&[hook(&first.url("/"), "")]);
    let of_second = hooks(&[hook(&second.url("/"), "")]);
    for gateway in forms(&of_first) {
        let calls = vec![due(&second.url("/"), 1), due(&first.url("/"), 2)];
        assert_eq!(keep(&gateway, calls).await.dropped, 0);
        let heard = first.next().await;
        assert_eq!(
            (
                &heard.json()["id"],
                &heard.json()["event"],
                &heard.json()["method"]
            ),
            (&json!("1-2"), &json!("call.due"), &json!("bye"))
        );
        assert!(second.next_within(SHORT).await.is_none());
        let states = hooks_of(&gateway).await;
        assert_eq!(
            (&states[1]["configured"], &states[1]["pending"]),
            (&json!(false), &json!(1))
        );
        gateway.reload(&of_second);
        assert_eq!(second.next().await.json()["id"], "1-1");
        until_told(&gateway).await;
    }
}
