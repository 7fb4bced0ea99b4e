//! `POST /IM/token`: who gets tokens of the `im` dialect, and how the answers look.

mod command;
mod limits;
mod login;
mod redis;
mod shared;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::{Value, json};
use tidegate::config::rsa::{BITS, PemPair, PrivateKey};

use crate::{
    handshake::tls,
    support::{
        Client, Gateway, Raw,
        http::{self, Answer},
        machine::Folder,
        service::{Reply, Service},
    },
};

const PATH: &str = "/IM/token";
const BODY: &str = r#"{"id":42}"#;
/// An API key that may ask, and one that may do all but that.
const KEYS: &str = "api.keys = [{ key = \"asks\", scopes = [\"token\"] }, \
                    { key = \"rules\", scopes = [\"admin\"] }]\n";

fn pair() -> PemPair {
    PrivateKey::make(BITS).unwrap().to_pem().unwrap()
}

/// The setting of a key that signs.
fn signs(pair: &PemPair) -> String {
    format!("dialect.im.private_key = '''{}'''\n", pair.private.expose())
}

fn start(toml: &str) -> Gateway {
    Gateway::start_in(Folder::new(), &format!("{KEYS}{toml}"))
}

/// One node, for what each of them has of its own.
fn start_alone(toml: &str) -> Gateway {
    Gateway::start_alone(&format!("{KEYS}{toml}"))
}

async fn post(gateway: &Gateway, bearer: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {bearer}");
    let headers = [("authorization", authorization.as_str())];
    http::call(gateway.public(), "POST", PATH, &headers, body).await
}

/// The token of an answer that gives one.
#[track_caller]
fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["expires_in"], 120);
    body["token"].as_str().unwrap().to_owned()
}

/// The claims of a token, if this key has signed it.
fn claims(token: &str, public: &str) -> Option<Value> {
    let key = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
    let validation = Validation::new(Algorithm::RS256);
    let decoded = decode::<Value>(token, &key, &validation);
    decoded.ok().map(|decoded| decoded.claims)
}

#[track_caller]
fn check_problem(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{answer:?}");
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].is_string());
    check_header(answer, "content-type", "application/problem+json");
    check_header(answer, "cache-control", "no-store");
}

#[track_caller]
fn check_header(answer: &Answer, name: &str, expect: &str) {
    assert_eq!(header(answer, name), Some(expect), "{answer:?}");
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[tokio::test]
async fn an_application_gets_a_token_for_a_user() {
    let pair = pair();
    let gateway = start(&signs(&pair));
    let answer = post(&gateway, "asks", BODY).await;
    check_header(&answer, "content-type", "application/json");
    check_header(&answer, "cache-control", "no-store");
    let mut claims = claims(&token(&answer), &pair.public).unwrap();
    let begin = claims["iat"].as_u64().unwrap();
    assert!(begin.abs_diff(gateway.now()) <= 2);
    // Another one in each token.
    assert!(!claims["jti"].take().as_str().unwrap().is_empty());
    let expect = json!({
        "id": 42, "type": "websocket", "iat": begin, "exp": begin + 120, "jti": null,
    });
    assert_eq!(claims, expect);
}

#[tokio::test]
async fn nobody_else_gets_one_and_is_told_why() {
    let gateway = start(&signs(&pair()));
    let answer = http::call(gateway.public(), "POST", PATH, &[], BODY).await;
    check_problem(&answer, 401);
    check_header(&answer, "www-authenticate", "Bearer realm=\"tidegate\"");
    let answer = post(&gateway, "wrong", BODY).await;
    check_problem(&answer, 401);
    assert!(
        header(&answer, "www-authenticate")
            .unwrap()
            .contains("invalid_token")
    );
    check_problem(&post(&gateway, "rules", BODY).await, 403);
    let answer = post(&gateway, "asks", r#"{"id":"x"}"#).await;
    check_problem(&answer, 422);
    assert!(answer.body.contains(r#""field":"id""#), "{answer:?}");
    check_problem(&post(&gateway, "asks", "{").await, 422);
    for (outcome, count) in [("unauthorized", 2.0), ("forbidden", 1.0), ("invalid", 2.0)] {
        let counted = gateway.metric("tidegate_im_tokens_total", outcome).await;
        assert_eq!(counted, count, "{outcome}");
    }
    assert_eq!(gateway.metric("tidegate_rejections_total", "").await, 0.0);
}

#[tokio::test]
async fn other_methods_are_refused_with_those_there_are() {
    let gateway = start("");
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let answer = http::call(gateway.public(), method, PATH, &[], "").await;
        assert_eq!(answer.status, 405, "{method}");
        check_header(&answer, "allow", "POST, OPTIONS");
    }
    let upgrade = Client::try_connect(&gateway, PATH, &[]).await;
    assert_eq!(crate::support::client::status(upgrade), 405);
    for path in ["/IM/token/", "/im/token", "/IM/tokens"] {
        let answer = http::call(gateway.public(), "POST", path, &[], BODY).await;
        assert_ne!(answer.status, 200, "{path}");
        assert_ne!(answer.status, 401, "{path}");
    }
}

#[tokio::test]
async fn where_the_dialect_is_off_there_is_nothing() {
    let gateway = Gateway::start(&format!("{KEYS}dialect.im.enabled = false"));
    let answer = post(&gateway, "asks", BODY).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn without_a_key_that_signs_there_are_no_tokens() {
    let gateway = start(&format!(
        "dialect.im.public_keys = ['''{}''']",
        pair().public
    ));
    let answer = post(&gateway, "asks", BODY).await;
    check_problem(&answer, 503);
    check_header(&answer, "retry-after", "1");
    let counted = gateway
        .metric("tidegate_im_tokens_total", "unavailable")
        .await;
    assert_eq!(counted, 1.0);
}

#[tokio::test]
async fn keys_change_by_a_reload() {
    let (old, new) = (pair(), pair());
    let gateway = start(&signs(&old));
    let before = token(&post(&gateway, "asks", BODY).await);
    assert!(claims(&before, &old.public).is_some());
    let both = format!("dialect.im.public_keys = ['''{}''']\n", old.public);
    let broken = format!("{KEYS}{both}dialect.im.private_key = \"text\"\n");
    let reloaded = gateway.reload(&broken);
    assert_eq!(reloaded.errors.len(), 1, "{reloaded:?}");
    assert!(reloaded.errors[0].starts_with("dialect.im.private_key: is not usable"));
    let reloaded = gateway.reload(&format!("{KEYS}{both}{}", signs(&new)));
    assert_eq!(
        reloaded.applied,
        ["dialect.im.private_key", "dialect.im.public_keys"]
    );
    let after = token(&post(&gateway, "asks", BODY).await);
    assert!(claims(&after, &new.public).is_some());
    assert!(claims(&after, &old.public).is_none());
}

#[tokio::test]
async fn a_user_whom_the_hook_knows_gets_a_token_of_their_own() {
    let mut service = Service::start(|request| {
        let question = request.json();
        let reply = match question["token"].as_str().unwrap() {
            "session-7" => json!({"allow": true, "user": "7"}),
            _ => json!({"allow": false}),
        };
        (200, reply.to_string())
    });
    let pair = pair();
    let hook = format!("dialect.im.hook = {{ url = \"{}\" }}\n", service.url("/"));
    let gateway = start(&(signs(&pair) + &hook));
    for body in ["", "{}", r#"{"id":7}"#] {
        let token = token(&post(&gateway, "session-7", body).await);
        assert_eq!(claims(&token, &pair.public).unwrap()["id"], 7, "{body}");
        let question = service.next().await.json();
        assert_eq!(question["dialect"], "im");
        assert_eq!(question["event"], "login");
    }
    check_problem(&post(&gateway, "session-7", BODY).await, 403);
    check_problem(&post(&gateway, "session-8", BODY).await, 401);
    // An application needs no hook.
    token(&post(&gateway, "asks", BODY).await);
}

#[tokio::test]
async fn a_hook_that_does_not_answer_gives_no_token() {
    let service = Service::start(|_| Reply::Never);
    let hook = format!(
        "dialect.im.hook = {{ url = \"{}\", timeout = \"60s\" }}\n\
         limits.handshake_timeout = \"1s\"\n",
        service.url("/")
    );
    let gateway = start(&(signs(&pair()) + &hook));
    let answer = post(&gateway, "session-7", "").await;
    check_problem(&answer, 503);
    // The time of the connection has not run out without a word.
    assert_eq!(gateway.metric("tidegate_rejections_total", "").await, 0.0);
}

#[tokio::test]
async fn pages_of_the_listed_origins_may_ask() {
    const APP: &str = "https://app.example";
    let gateway = start(&format!("{}listen.origins = [{APP:?}]\n", signs(&pair())));
    let ask = async |method: &str, origin: &str| {
        let headers = [("origin", origin), ("authorization", "Bearer asks")];
        http::call(gateway.public(), method, PATH, &headers, BODY).await
    };
    let preflight = ask("OPTIONS", APP).await;
    assert_eq!(preflight.status, 204);
    check_header(&preflight, "access-control-allow-methods", "POST");
    let allowed = header(&preflight, "access-control-allow-headers");
    assert_eq!(allowed, Some("authorization, content-type"));
    let answer = ask("POST", APP).await;
    token(&answer);
    for answer in [&preflight, &answer] {
        check_header(answer, "access-control-allow-origin", APP);
        check_header(answer, "vary", "origin");
    }
    for method in ["OPTIONS", "POST"] {
        let refused = ask(method, "https://other.example").await;
        check_problem(&refused, 403);
        assert_eq!(header(&refused, "access-control-allow-origin"), None);
        check_header(&refused, "vary", "origin");
    }
    // No browser says nothing.
    let answer = post(&gateway, "asks", BODY).await;
    token(&answer);
    assert_eq!(header(&answer, "access-control-allow-origin"), None);
    // A browser that asks whether it may is none who was answered.
    let invalid = gateway.metric("tidegate_im_tokens_total", "invalid").await;
    assert_eq!(invalid, 0.0);
    assert_eq!(gateway.metric("tidegate_rejections_total", "").await, 0.0);
}

#[tokio::test]
async fn without_a_list_any_page_may_ask_and_read_why_not() {
    let gateway = start(&signs(&pair()));
    let headers = [("origin", "null")];
    for (method, expect) in [("OPTIONS", 204), ("POST", 401)] {
        let answer = http::call(gateway.public(), method, PATH, &headers, BODY).await;
        assert_eq!(answer.status, expect);
        check_header(&answer, "access-control-allow-origin", "*");
    }
}

#[tokio::test]
async fn a_node_that_drains_gives_no_tokens() {
    let gateway = start_alone(&format!("{}drain.delay = \"60s\"\n", signs(&pair())));
    // Whoever is there makes the drain wait.
    let _session = Raw::ride(&gateway, "c", "me").await;
    gateway.stop();
    gateway.until_metric("tidegate_ready", "", 0.0).await;
    let answer = post(&gateway, "asks", BODY).await;
    check_problem(&answer, 503);
    check_header(&answer, "retry-after", "1");
}

#[tokio::test]
async fn tokens_are_given_out_over_tls() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let (folder, toml) = tls::certified();
    let toml = format!("{KEYS}{toml}{}", signs(&pair()));
    let gateway = Gateway::start_in(folder, &toml);
    let mut stream = tls::connect(&gateway, false).await;
    let length = BODY.len();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer asks\r\n\
         content-length: {length}\r\n\r\n{BODY}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    assert!(answer.contains("expires_in"), "{answer}");
}
