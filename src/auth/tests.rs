use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{wstoken::MemoryCredentials, *};
use crate::{
    config::{Algorithm, LoginHook as Settings, Secret, TokenKey},
    dialect::Grant,
    stats::HookOutcome,
};

/// Something that answers one request per connection.
pub(super) struct Service {
    pub(super) url: String,
    requests: mpsc::Receiver<(String, String)>,
}

pub(super) fn service(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Service {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/login", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let Some(request) = read_request(&mut stream) else {
                continue;
            };
            // Not every test looks at them.
            let _ = sender.send(request);
            answer(&mut stream);
        }
    });
    Service { url, requests }
}

fn read_request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut request = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).ok().filter(|length| 0 < *length)?;
        request.extend_from_slice(&chunk[..length]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let (_, rest) = head.split_once("content-length: ")?;
            let length: usize = rest.lines().next()?.parse().ok()?;
            if length <= body.len() {
                return Some((head, body.to_owned()));
            }
        }
    }
}

pub(super) fn http(status: &str, body: &str) -> impl Fn(&mut TcpStream) + Send + use<> {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    move |stream| {
        let _ = stream.write_all(answer.as_bytes());
    }
}

fn settings(url: &str, timeout: Duration) -> Dialects {
    let mut dialects = Dialects::default();
    dialects.device.hook = Some(Settings {
        url: url.parse().unwrap(),
        timeout,
        secret: Some(Secret::new("hook-secret")),
    });
    dialects
}

fn authenticator(settings: &Dialects) -> Authenticator {
    Authenticator::new(settings, parts(Arc::<MemoryCredentials>::default()))
}

pub(super) fn parts(credentials: Arc<dyn Credentials>) -> Parts {
    Parts {
        client: HttpClient::new().unwrap(),
        clock: Clock::start(),
        stats: Arc::default(),
        credentials,
        makes_keys: false,
    }
}

fn question(token: &str) -> Question {
    Question::Login {
        token: token.into(),
        client_id: Some("phone-1".into()),
    }
}

async fn ask(authenticator: &Authenticator, token: &str) -> Answer {
    match authenticator.ask(DialectId::Device, question(token)) {
        Asked::Now(answer) => answer,
        Asked::Later(answer) => answer.await,
    }
}

#[track_caller]
fn check_counts(authenticator: &Authenticator, login: LoginOutcome, hook: HookOutcome) {
    let stats = authenticator.stats();
    let logins = &stats.logins[DialectId::Device.index()];
    assert_eq!(logins[login as usize].load(), 1);
    assert_eq!(stats.hooks[hook as usize].load(), 1);
    assert_eq!(stats.hooks.iter().map(|count| count.load()).sum::<u64>(), 1);
    assert_eq!(stats.hook.buckets().iter().sum::<u64>(), 1);
}

/// One question to a service that answers in this way.
async fn check(
    answer: impl Fn(&mut TcpStream) + Send + 'static,
    expect: Answer,
    outcome: HookOutcome,
) {
    let service = service(answer);
    let authenticator = authenticator(&settings(&service.url, Duration::from_millis(500)));
    assert_eq!(ask(&authenticator, "opaque").await, expect);
    let login = match expect {
        Answer::Granted(_) => LoginOutcome::Granted,
        Answer::Denied(_) => LoginOutcome::Denied,
        Answer::Unavailable => LoginOutcome::Unavailable,
    };
    check_counts(&authenticator, login, outcome);
}

const DENIED: Answer = Answer::denied("the login was refused");

#[tokio::test]
async fn a_hook_is_told_everything_and_signed_for() {
    let service = service(http("200 OK", r#"{"allow":true,"user":7}"#));
    let authenticator = authenticator(&settings(&service.url, Duration::from_secs(2)));
    let answer = ask(&authenticator, "opaque").await;
    let grant = Grant {
        user: Some("7".parse().unwrap()),
        ..Grant::default()
    };
    assert_eq!(answer, Answer::Granted(grant));

    let (head, body) = service.requests.recv().unwrap();
    assert!(head.starts_with("post /login http/1.1"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let (_, signature) = head.split_once("x-tidegate-signature: ").unwrap();
    let signature = signature.lines().next().unwrap();
    let (time, signature) = signature.split_once(",v1=").unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"hook-secret");
    let signed = format!("{}.{body}", time.strip_prefix("t=").unwrap());
    let expect = aws_lc_rs::hmac::sign(&key, signed.as_bytes());
    assert_eq!(signature, crate::digest::hex(expect.as_ref()));

    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["event"], "login");
    assert_eq!(body["dialect"], "device");
    assert_eq!(body["token"], "opaque");
    assert_eq!(body["client_id"], "phone-1");
    assert_eq!(format!("t={}", body["time"]), time);
    assert_eq!(body["id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_hook_grants_or_denies() {
    let body =
        r#"{"allow":true,"user":"u","rooms":["x"],"devices":["d"],"publish":["all"],"more":1}"#;
    let grant = Grant {
        user: Some("u".parse().unwrap()),
        rooms: vec!["room:x".parse().unwrap()],
        devices: vec!["d".into()],
        publish: vec!["all".into()],
        ..Grant::default()
    };
    check(
        http("200 OK", body),
        Answer::Granted(grant),
        HookOutcome::Allowed,
    )
    .await;
    let nobody = Answer::Granted(Grant::default());
    check(
        http("200 OK", r#"{"allow":true}"#),
        nobody,
        HookOutcome::Allowed,
    )
    .await;
    let body = r#"{"allow":false,"reason":"banned"}"#;
    check(http("200 OK", body), DENIED, HookOutcome::Denied).await;
    check(http("401 Unauthorized", ""), DENIED, HookOutcome::Denied).await;
    check(http("403 Forbidden", "no"), DENIED, HookOutcome::Denied).await;
}

#[tokio::test]
async fn a_hook_that_answers_otherwise_is_unavailable() {
    for status in ["500 Oops", "302 Found", "204 No Content", "404 Not Found"] {
        check(http(status, ""), Answer::Unavailable, HookOutcome::Failed).await;
    }
    let long = format!(r#"{{"allow":true,"x":"{}"}}"#, "x".repeat(70_000));
    for body in [
        "",
        "garbage",
        "[]",
        "{}",
        r#"{"allow":"yes"}"#,
        r#"{"allow":true,"user":""}"#,
        r#"{"allow":true,"rooms":[""]}"#,
        r#"{"allow":true} trailing"#,
        &long,
    ] {
        let answer = http("200 OK", body);
        check(answer, Answer::Unavailable, HookOutcome::Malformed).await;
    }
}

#[tokio::test]
async fn a_hook_that_hangs_or_breaks_is_unavailable() {
    let hangs = |_: &mut TcpStream| thread::sleep(Duration::from_secs(2));
    check(hangs, Answer::Unavailable, HookOutcome::Timeout).await;
    let stalls = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{");
        thread::sleep(Duration::from_secs(2));
    };
    check(stalls, Answer::Unavailable, HookOutcome::Timeout).await;
    let resets = |stream: &mut TcpStream| {
        socket2::SockRef::from(&*stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Both);
    };
    check(resets, Answer::Unavailable, HookOutcome::Failed).await;
    let garbage = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n");
    };
    check(garbage, Answer::Unavailable, HookOutcome::Failed).await;
    let cut = |stream: &mut TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"allow\"");
    };
    check(cut, Answer::Unavailable, HookOutcome::Failed).await;
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let url = format!("http://{}/", address.unwrap());
    let authenticator = authenticator(&settings(&url, Duration::from_secs(2)));
    assert_eq!(ask(&authenticator, "opaque").await, Answer::Unavailable);
    check_counts(
        &authenticator,
        LoginOutcome::Unavailable,
        HookOutcome::Failed,
    );
}

#[tokio::test]
async fn more_than_may_wait_for_a_hook_are_answered_at_once() {
    // Accepts in the kernel's queue and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let authenticator = authenticator(&settings(&url, Duration::from_millis(300)));
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let Asked::Later(answer) = authenticator.ask(DialectId::Device, question("t")) else {
            unreachable!()
        };
        waiting.spawn(answer);
    }
    let answers = waiting.join_all().await;
    assert!(answers.iter().all(|answer| *answer == Answer::Unavailable));
    let hooks = &authenticator.stats().hooks;
    assert_eq!(hooks[HookOutcome::Overloaded as usize].load(), 44);
    assert_eq!(hooks.iter().map(|count| count.load()).sum::<u64>(), 300);
}

fn with_key(mut settings: Dialects, secret: &str) -> Dialects {
    settings.device.keys.push(TokenKey {
        alg: Algorithm::Hs256,
        secret: Some(Secret::new(secret)),
        public_key: None,
    });
    settings
}

fn signed(claims: &Value, secret: &str) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

#[tokio::test]
async fn a_hook_is_asked_only_about_tokens_that_no_key_fits() {
    let service = service(http("200 OK", r#"{"allow":true,"user":"of the hook"}"#));
    let settings = with_key(settings(&service.url, Duration::from_secs(2)), "k1");
    let authenticator = authenticator(&settings);
    let user = |answer| match answer {
        Answer::Granted(grant) => grant.user.unwrap().as_str().to_owned(),
        answer => format!("{answer:?}"),
    };
    let token = signed(&json!({"sub": "of the key"}), "k1");
    assert_eq!(user(ask(&authenticator, &token).await), "of the key");
    let token = signed(&json!({"sub": "x", "exp": 1}), "k1");
    let expired = Answer::denied("the token has expired");
    assert_eq!(ask(&authenticator, &token).await, expired);
    let token = signed(&json!({"sub": "x"}), "k2");
    assert_eq!(user(ask(&authenticator, &token).await), "of the hook");
}

#[tokio::test]
async fn nobody_comes_in_where_nothing_is_configured() {
    let authenticator = authenticator(&Dialects::default());
    for dialect in DialectId::ALL {
        let asked = authenticator.ask(dialect, question("t"));
        let Asked::Now(answer) = asked else {
            unreachable!()
        };
        assert_eq!(answer, Answer::denied("the token is not valid"));
    }
}

#[tokio::test]
async fn ride_is_checked_as_its_tokens_key_says() {
    let mut settings = with_key(settings("http://127.0.0.1:9/", Duration::from_secs(2)), "k");
    settings.ride.keys = std::mem::take(&mut settings.device.keys);
    settings.ride.hook = settings.device.hook.take();
    settings.ride.tokens = Some(RideTokens::Any);
    let authenticator = authenticator(&settings);
    let token = signed(&json!({"sub": "driver_1"}), "k");
    let ask = || authenticator.ask(DialectId::Ride, question(&token));
    assert!(matches!(ask(), Asked::Now(Answer::Denied(_))));
    settings.ride.tokens = Some(RideTokens::Jwt);
    authenticator.reload(&settings);
    assert!(matches!(ask(), Asked::Now(Answer::Granted(_))));
    settings.ride.tokens = Some(RideTokens::Hook);
    authenticator.reload(&settings);
    assert!(matches!(ask(), Asked::Later(_)));
}

#[test]
fn a_session_may_wait_on_a_runtime_of_its_own() {
    let service = service(http("200 OK", r#"{"allow":true}"#));
    let process = tokio::runtime::Runtime::new().unwrap();
    let settings = settings(&service.url, Duration::from_secs(2));
    let authenticator = authenticator(&settings);
    authenticator.work_on(process.handle().clone());
    for _ in 0..2 {
        let session = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let answer = session.block_on(ask(&authenticator, "opaque"));
        assert_eq!(answer, Answer::Granted(Grant::default()));
    }
}
