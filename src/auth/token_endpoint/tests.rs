use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{
        tests::{http, parts, service},
        wstoken::MemoryCredentials,
    },
    config::{ApiKey, Dialects, LoginHook as HookSettings, Secret, rsa::PrivateKey},
};

fn settings() -> Dialects {
    let mut settings = Dialects::default();
    let pair = PrivateKey::make(2048).unwrap().to_pem().unwrap();
    settings.im.private_key = Some(pair.private);
    settings
}

fn endpoint(settings: &Dialects) -> TokenEndpoint {
    let parts = parts(Arc::<MemoryCredentials>::default());
    let authenticator = Arc::new(Authenticator::new(settings, parts));
    let key = |key: &str, scope| ApiKey {
        key: Secret::new(key),
        scopes: vec![scope],
        ..ApiKey::default()
    };
    let keys = [key("asks", Scope::Token), key("rules", Scope::Admin)];
    TokenEndpoint::new(authenticator, Arc::new(ApiKeys::new(&keys)))
}

async fn call(endpoint: &TokenEndpoint, authorization: &str, body: &str) -> (u16, Value) {
    let reply = endpoint
        .call(Call {
            remote: [192, 0, 2, 1].into(),
            authorization: Some(authorization.into()),
            body: body.to_owned().into(),
        })
        .await;
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

/// A service that answers every request so.
fn hook(reply: &str) -> HookSettings {
    let service = service(http("200 OK", reply));
    HookSettings {
        url: service.url.parse().unwrap(),
        timeout: Duration::from_secs(5),
        secret: None,
    }
}

#[tokio::test]
async fn an_application_gets_a_token_for_whomever_it_names() {
    let endpoint = endpoint(&settings());
    for body in [
        r#"{"id":42}"#,
        r#"{"id":"42","more":[1]}"#,
        " {\"id\": 42}\n",
    ] {
        let (status, answer) = call(&endpoint, "Bearer asks", body).await;
        assert_eq!(
            (status, &answer["expires_in"]),
            (200, &json!(120)),
            "{body}"
        );
        let token = answer["token"].as_str().unwrap();
        let login = endpoint.0.authenticator.login_im(token.into());
        let crate::services::Asked::Now(Answer::Granted(grant)) = login else {
            panic!("{login:?}");
        };
        assert_eq!(grant.user.unwrap().as_str(), "42");
    }
}

#[tokio::test]
async fn nobody_else_does() {
    let endpoint = endpoint(&settings());
    for (authorization, expect) in [
        ("", 401),
        ("asks", 401),
        ("Basic asks", 401),
        ("Bearer ", 401),
        ("Bearer wrong", 401),
        ("bearer rules", 403),
    ] {
        // What the body says does not matter yet.
        for body in [r#"{"id":42}"#, "{"] {
            let (status, answer) = call(&endpoint, authorization, body).await;
            assert_eq!(status, expect, "{authorization:?} {answer}");
            assert_eq!(answer["status"], expect);
        }
    }
}

#[tokio::test]
async fn a_bad_body_is_told_with_its_field() {
    let endpoint = endpoint(&settings());
    let cases = [
        (r#"{"id":0}"#, Some("id")),
        (r#"{"id":-1}"#, Some("id")),
        (r#"{"id":"x"}"#, Some("id")),
        (r#"{"id":true}"#, Some("id")),
        (r#"{"id":null}"#, Some("id")),
        ("{}", Some("id")),
        ("", None),
        ("[42]", None),
        ("42", None),
        ("id=42", None),
        (r#"{"id":42} x"#, None),
    ];
    for (body, field) in cases {
        let (status, answer) = call(&endpoint, "Bearer asks", body).await;
        assert_eq!(status, 422, "{body}");
        assert_eq!(answer["field"].as_str(), field, "{body}");
    }
}

#[tokio::test]
async fn a_user_gets_a_token_of_their_own_if_the_hook_knows_them() {
    let mut settings = settings();
    settings.im.hook = Some(hook(r#"{"allow":true,"user":7}"#));
    let endpoint = endpoint(&settings);
    for body in ["", "{}", r#"{"id":7}"#] {
        let (status, answer) = call(&endpoint, "Bearer session-1", body).await;
        assert_eq!(status, 200, "{body} {answer}");
    }
    let (status, _) = call(&endpoint, "Bearer session-1", r#"{"id":8}"#).await;
    assert_eq!(status, 403);
    // A key of ours is no token of the application's.
    let (status, _) = call(&endpoint, "Bearer rules", r#"{"id":7}"#).await;
    assert_eq!(status, 403);
}

#[tokio::test]
async fn a_hook_that_refuses_or_names_nobody_gives_no_token() {
    for (reply, expect) in [
        (r#"{"allow":false}"#, 401),
        (r#"{"allow":true}"#, 503),
        (r#"{"allow":true,"user":"bob"}"#, 503),
        ("oops", 503),
    ] {
        let mut settings = settings();
        settings.im.hook = Some(hook(reply));
        let (status, _) = call(&endpoint(&settings), "Bearer session-1", "").await;
        assert_eq!(status, expect, "{reply}");
    }
}

#[tokio::test]
async fn without_a_key_to_sign_with_there_is_no_token() {
    let mut settings = settings();
    let pair = PrivateKey::make(2048).unwrap().to_pem().unwrap();
    settings.im.private_key = None;
    settings.im.public_keys = vec![pair.public];
    let (status, answer) = call(&endpoint(&settings), "Bearer asks", r#"{"id":1}"#).await;
    assert_eq!(status, 503, "{answer}");
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let mut settings = settings();
    settings.im.tokens_per_second = 1;
    let endpoint = endpoint(&settings);
    // Guesses count too.
    for expect in [401, 401, 429] {
        assert_eq!(call(&endpoint, "Bearer guess", "").await.0, expect);
    }
    let reply = endpoint.call(Call {
        remote: [192, 0, 2, 1].into(),
        authorization: None,
        body: "".into(),
    });
    let headers = reply.await.headers;
    assert_eq!(headers, [("retry-after", "1".into())]);
}
