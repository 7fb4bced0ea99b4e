//! Tokens that somebody vouches for: signed ones, and those that a service is asked about.

use std::time::Duration;

use serde_json::json;
use tidegate::auth::issue::{TokenRequest, issue};
use tokio::time;

use super::{PROFILES, ended};
use crate::support::{
    Client, Gateway, Raw,
    client::code,
    raw::{TEXT, frame, text},
    service::{Reply, Service},
};

fn jwt(profile: &str) -> Gateway {
    Gateway::start(&format!(
        "dialect.ride.profile = \"{profile}\"\ndialect.ride.tokens = \"jwt\"\n\
         dialect.ride.keys = [{{ alg = \"HS256\", secret = \"0123456789abcdef\" }}]"
    ))
}

/// A signed token that says that its bearer is `user`, made at this time.
fn token_of(gateway: &Gateway, client_id: &str, user: &str, now: u64) -> String {
    let request = TokenRequest::Ride {
        client_id: client_id.to_owned(),
        token: Some(user.to_owned()),
        ttl_seconds: 60,
    };
    issue(gateway.config(), &request, now).unwrap()
}

/// The path for a client whose signed token says that it is `user`.
fn signed(gateway: &Gateway, client_id: &str, user: &str) -> String {
    let token = token_of(gateway, client_id, user, gateway.now());
    format!("/ws/?client_id={client_id}&token={token}")
}

/// The answer of a service that opens this many rooms.
fn allowing(rooms: usize) -> String {
    let rooms: Vec<_> = (0..rooms).map(|number| format!("r{number}")).collect();
    json!({"allow": true, "user": "anna", "rooms": rooms}).to_string()
}

/// A node whose service takes a while and knows a few tokens.
fn hook(profile: &str) -> (Gateway, Service) {
    let service = Service::start(|request| {
        let question = request.json();
        let allows = |answer: &str| Reply::from((200, answer));
        match question["token"].as_str().unwrap() {
            "good" => allows(r#"{"allow":true,"user":"anna"}"#),
            "slow" => Reply::later(async {
                time::sleep(Duration::from_millis(700)).await;
                (200, r#"{"allow":true}"#.to_owned())
            }),
            "126 rooms" => allows(&allowing(126)),
            "127 rooms" => allows(&allowing(127)),
            "broken" => Reply::from((500, "")),
            _ => allows(r#"{"allow":false}"#),
        }
    });
    let gateway = Gateway::start(&format!(
        "dialect.ride.profile = \"{profile}\"\ndialect.ride.tokens = \"hook\"\n\
         dialect.ride.hook = {{ url = \"{}\" }}\n\
         dialect.ride.login_timeout = \"300ms\"\nlimits.idle = \"400ms\"",
        service.url("/login")
    ));
    (gateway, service)
}

#[tokio::test]
async fn a_signed_token_is_the_user_it_names() {
    for profile in PROFILES {
        let gateway = jwt(profile);
        let path = signed(&gateway, "c1", "anna");
        let mut anna = Client::connect(&gateway, &path).await;
        anna.ping().await;
        let path = signed(&gateway, "driver_1", "bert");
        let mut bert = Client::connect(&gateway, &path).await;
        gateway.settle().await;
        let text = r#"{"flag":"x","token":"bert","target_token":"anna"}"#;
        bert.send(text).await;
        anna.expect(text).await;
    }
}

#[tokio::test]
async fn a_token_that_nobody_signed_is_refused() {
    for profile in PROFILES {
        let gateway = jwt(profile);
        let mut client = Client::connect(&gateway, "/ws/?client_id=c1&token=anna").await;
        assert_eq!(client.closed().await, ended(profile, "auth_failed"));
        let mut client = Client::connect(&gateway, "/websocket").await;
        client.send(r#"{"flag":"login","token":"anna"}"#).await;
        assert_eq!(client.closed().await, ended(profile, "auth_failed"));
    }
}

#[tokio::test]
async fn a_service_says_who_it_is_and_what_came_meanwhile_is_not_lost() {
    for profile in PROFILES {
        let (gateway, mut service) = hook(profile);
        let mut raw = Raw::upgrade(&gateway, "/websocket?client_id=c1").await;
        let to_anna = r#"{"flag":"x","token":"good","target_token":"anna"}"#;
        let login = frame(true, TEXT, br#"{"flag":"login","token":"good"}"#);
        let message = frame(true, TEXT, to_anna.as_bytes());
        raw.write(&[login, message.repeat(5)].concat()).await;
        for _ in 0..5 {
            assert_eq!(raw.receive().await, text(to_anna));
        }
        let question = service.next().await.json();
        assert_eq!(question["event"], "login");
        assert_eq!(question["dialect"], "ride");
        assert_eq!(question["client_id"], "c1");
    }
}

#[tokio::test]
async fn no_clock_of_the_client_runs_while_a_service_takes_its_time() {
    // Slower than the limits for a login and for being idle.
    let (gateway, _service) = hook("documented");
    let mut client = Client::connect(&gateway, "/ws/?client_id=c1&token=slow").await;
    client.ping().await;
    assert_eq!(client.closed().await, code(1000, "idle"));
}

#[tokio::test]
async fn a_refusal_and_a_service_that_is_down_are_told_apart() {
    for profile in PROFILES {
        let (gateway, _service) = hook(profile);
        let mut client = Client::connect(&gateway, "/ws/?client_id=c1&token=bad").await;
        assert_eq!(client.closed().await, ended(profile, "auth_failed"));
        // Worth another try, later.
        let mut client = Client::connect(&gateway, "/ws/?client_id=c1&token=broken").await;
        assert_eq!(client.closed().await, code(1013, "auth_unavailable"));
    }
}

#[tokio::test]
async fn a_session_may_have_128_topics_and_one_more_ends_it() {
    for profile in PROFILES {
        let (gateway, _service) = hook(profile);
        // Its user and that of all riders are two.
        let mut client = Client::connect(&gateway, "/ws/?client_id=c1&token=126%20rooms").await;
        client.ping().await;
        for to in ["room:r0", "room:r125"] {
            gateway.publish(&json!({"to": to, "event": "x"})).await;
            let name = to.strip_prefix("room:").unwrap();
            let expect = format!(r#"{{"flag":"x","target_token":"{name}","data":null}}"#);
            client.expect(&expect).await;
        }
        let mut client = Client::connect(&gateway, "/ws/?client_id=c1&token=127%20rooms").await;
        assert_eq!(client.closed().await, ended(profile, "too_many_topics"));
    }
}

#[tokio::test]
async fn an_expired_token_is_refused() {
    for profile in PROFILES {
        let gateway = jwt(profile);
        let token = token_of(&gateway, "c1", "anna", gateway.now() - 3600);
        let path = format!("/ws/?client_id=c1&token={token}");
        let mut client = Client::connect(&gateway, &path).await;
        assert_eq!(client.closed().await, ended(profile, "auth_failed"));
        let mut client = Client::connect(&gateway, "/websocket").await;
        let login = json!({"flag": "login", "token": token});
        client.send(login.to_string()).await;
        assert_eq!(client.closed().await, ended(profile, "auth_failed"));
    }
}
