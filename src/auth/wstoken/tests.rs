use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use jsonwebtoken::Algorithm;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::{Authenticator, Parts, tests::parts},
    config::{
        Dialects, Secret,
        rsa::{BITS, PemPair},
    },
    credentials::{Credentials, CredentialsError, KeyHalf, KeyTexts, Pending},
    dialect::{Answer, DialectId, Question},
    services::Asked,
    stats::LoginOutcome,
};

const NOW: u64 = 1_700_000_000;
const MAX_AGE: Duration = Duration::from_secs(120);
const INVALID: &str = "the token is not valid";

static FIRST: LazyLock<PemPair> = LazyLock::new(pair);
static SECOND: LazyLock<PemPair> = LazyLock::new(pair);

fn pair() -> PemPair {
    PrivateKey::make(BITS).unwrap().to_pem().unwrap()
}

fn keys() -> KeySet {
    KeySet::new([FIRST.public.as_str()], None)
}

fn signed_as(algorithm: Algorithm, claims: &Value, pair: &PemPair) -> String {
    let key = EncodingKey::from_rsa_pem(pair.private.expose().as_bytes()).unwrap();
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

fn signed(claims: &Value) -> String {
    signed_as(Algorithm::RS256, claims, &FIRST)
}

fn good() -> Value {
    json!({"id": 42, "type": "websocket", "iat": NOW, "exp": NOW + 120})
}

/// Good claims, with one of them changed or, for null, left out.
fn with(claim: &str, value: Value) -> Value {
    let mut claims = good();
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(claim)),
        value => claims[claim] = value,
    }
    claims
}

#[track_caller]
fn check(claims: &Value, now: u64, expect: Result<u64, &'static str>) {
    let result = keys().verify(&signed(claims), now, MAX_AGE);
    let expect = expect.map_err(Refused::Token);
    assert_eq!(result.map(Person::number), expect, "{claims} at {now}");
}

#[track_caller]
fn check_no_key_fits(token: &str) {
    assert_eq!(keys().verify(token, NOW, MAX_AGE), Err(NO_KEY_FITS));
}

const NOT_USABLE: Result<u64, &'static str> = Err("the claims of the token are not usable");

#[test]
fn a_good_token_names_its_user() {
    check(&good(), NOW, Ok(42));
    check(&with("id", json!("42")), NOW, Ok(42));
    check(&with("more", json!([1])), NOW, Ok(42));
}

#[test]
fn an_id_is_a_whole_number_greater_than_0() {
    for id in [
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!("abc"),
        json!("0"),
        json!("-1"),
        json!("1.5"),
        json!(" 1"),
        json!(""),
        json!(true),
        json!([1]),
        json!({"id": 1}),
        json!(null),
    ] {
        check(&with("id", id), NOW, NOT_USABLE);
    }
}

#[test]
fn every_claim_must_be_there() {
    for claim in ["id", "type", "iat", "exp"] {
        check(&with(claim, Value::Null), NOW, NOT_USABLE);
    }
    for claim in ["type", "iat", "exp"] {
        check(&with(claim, json!({"x": 1})), NOW, NOT_USABLE);
    }
    check(&with("exp", json!("2099-01-01")), NOW, NOT_USABLE);
}

#[test]
fn the_type_is_websocket() {
    let expect = Err("the token is for something else");
    for other in ["", "http", "Websocket", "websocket "] {
        check(&with("type", json!(other)), NOW, expect);
    }
    let expect = Err("the token is for another audience");
    check(&with("aud", json!("shop")), NOW, expect);
}

#[test]
fn a_token_ends_with_five_seconds_of_leeway() {
    let expired = Err("the token has expired");
    check(&good(), NOW + 120, Ok(42));
    check(&good(), NOW + 124, Ok(42));
    check(&good(), NOW + 125, expired);
    check(&with("exp", json!(NOW - 4)), NOW, Ok(42));
    check(&with("exp", json!(NOW - 5)), NOW, expired);
    check(&with("exp", json!(0)), NOW, expired);
}

#[test]
fn a_token_begins_with_five_seconds_of_leeway() {
    let early = Err("the token is not valid yet");
    check(&good(), NOW - 5, Ok(42));
    check(&good(), NOW - 6, early);
    check(&with("nbf", json!(NOW + 5)), NOW, Ok(42));
    check(&with("nbf", json!(NOW + 6)), NOW, early);
}

#[test]
fn an_old_token_is_refused_though_it_does_not_expire() {
    let far = with("exp", json!(NOW + 1_000_000));
    check(&far, NOW + 120, Ok(42));
    check(&far, NOW + 125, Ok(42));
    check(&far, NOW + 126, Err("the token is too old"));
    check(
        &with("iat", json!(-1e300)),
        NOW,
        Err("the token is too old"),
    );
    let result = keys().verify(&signed(&far), NOW + 40, Duration::from_secs(30));
    assert_eq!(result, Err(Refused::Token("the token is too old")));
}

#[test]
fn other_algorithms_are_refused_though_the_key_is_the_right_one() {
    for algorithm in [
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
    ] {
        check_no_key_fits(&signed_as(algorithm, &good(), &FIRST));
    }
}

#[test]
fn a_header_that_claims_another_algorithm_is_refused() {
    let good = signed(&good());
    let (_, rest) = good.split_once('.').unwrap();
    for header in [
        r#"{"alg":"ES256","typ":"JWT"}"#,
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"PS256"}"#,
        r#"{"alg":"rs256"}"#,
        r#"{"alg":["RS256"]}"#,
        r#"{"typ":"JWT"}"#,
        // The signature is of another header.
        r#"{"alg":"RS256"}"#,
        "",
    ] {
        check_no_key_fits(&format!("{}.{rest}", base64url(header)));
    }
}

fn base64url(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn the_public_key_is_no_shared_secret() {
    let der = PublicKey::from_pem(&FIRST.public).unwrap();
    let texts = [
        FIRST.public.as_bytes(),
        FIRST.public.trim().as_bytes(),
        der.der(),
    ];
    for secret in texts {
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            let key = EncodingKey::from_secret(secret);
            check_no_key_fits(&encode(&Header::new(algorithm), &good(), &key).unwrap());
        }
    }
}

#[test]
fn what_is_not_signed_is_refused() {
    let good = signed(&good());
    let parts: Vec<&str> = good.split('.').collect();
    let [_, claims, signature] = parts[..] else {
        unreachable!()
    };
    for alg in ["none", "None", "NONE"] {
        let header = base64url(&format!(r#"{{"alg":"{alg}"}}"#));
        check_no_key_fits(&format!("{header}.{claims}."));
        check_no_key_fits(&format!("{header}.{claims}.{signature}"));
    }
    let other = signed(&with("id", json!(43)));
    let (swapped, _) = other.rsplit_once('.').unwrap();
    check_no_key_fits(&format!("{swapped}.{signature}"));
    check_no_key_fits(&format!("{swapped}."));
}

#[test]
fn a_text_that_is_no_token_is_refused() {
    let good = signed(&good());
    let end = good.chars().last().unwrap();
    // The last digit of 256 bytes has four bits that mean nothing, and must be 0: a token has one
    // spelling only.
    let digits: Vec<char> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .chars()
        .collect();
    let place = digits.iter().position(|digit| *digit == end).unwrap();
    let other_spelling = format!("{}{}", &good[..good.len() - 1], digits[place + 1]);
    for token in [
        String::new(),
        "token".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        format!("{good}="),
        format!("{good}A"),
        format!("{good}.{good}"),
        format!("{good} "),
        format!(" {good}"),
        format!("{good}?x=1"),
        good.replacen('.', "!.", 1),
        good[..good.len() - 1].to_owned(),
        "x".repeat(100_000),
        other_spelling,
    ] {
        check_no_key_fits(&token);
    }
}

#[test]
fn a_token_that_is_too_long_is_refused() {
    let of = |bytes: usize| signed(&with("more", json!("x".repeat(bytes))));
    assert!(keys().verify(&of(5000), NOW, MAX_AGE).is_ok());
    assert!(keys().verify(&of(9000), NOW, MAX_AGE).is_err());
}

#[test]
fn critical_headers_that_nobody_understands_are_refused() {
    let mut header = Header::new(Algorithm::RS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let key = EncodingKey::from_rsa_pem(FIRST.private.expose().as_bytes()).unwrap();
    let token = encode(&header, &good(), &key).unwrap();
    let expect = Refused::Token("the token has critical headers");
    assert_eq!(keys().verify(&token, NOW, MAX_AGE), Err(expect));
}

#[test]
fn several_keys_are_valid_at_once_and_a_private_one_has_its_public_half() {
    let token = signed_as(Algorithm::RS256, &good(), &SECOND);
    check_no_key_fits(&token);
    let publics = [FIRST.public.as_str(), SECOND.public.as_str()];
    for keys in [
        KeySet::new(publics, None),
        KeySet::new([], Some(SECOND.private.expose())),
        KeySet::new([FIRST.public.as_str()], Some(SECOND.private.expose())),
    ] {
        assert!(keys.verify(&token, NOW, MAX_AGE).is_ok(), "{keys:?}");
    }
    let both = KeySet::new(publics, Some(SECOND.private.expose()));
    assert_eq!(both.checking.len(), 2);
    assert!(both.verify(&signed(&good()), NOW, MAX_AGE).is_ok());
}

#[test]
fn what_is_signed_is_accepted() {
    let keys = KeySet::new([], Some(FIRST.private.expose()));
    let person = Person::new(7).unwrap();
    let token = keys.sign(person, NOW, MAX_AGE).unwrap();
    assert_eq!(keys.verify(&token, NOW, MAX_AGE), Ok(person));
    assert_eq!(keys.verify(&token, NOW + 124, MAX_AGE), Ok(person));
    assert!(keys.verify(&token, NOW + 125, MAX_AGE).is_err());
    let public = super::KeySet::new([FIRST.public.as_str()], None);
    assert!(matches!(
        public.sign(person, NOW, MAX_AGE),
        Err(IssueError::NoKey(_))
    ));
}

#[test]
fn keys_do_not_show() {
    let keys = KeySet::new([FIRST.public.as_str()], Some(SECOND.private.expose()));
    assert_eq!(format!("{keys:?}"), "KeySet(2 keys)");
}

// === The authenticator ===

/// Shared credentials that can be away, and that count how often they are asked.
#[derive(Debug, Default)]
struct Shared {
    memory: MemoryCredentials,
    replaced: Mutex<Option<KeyTexts>>,
    is_away: AtomicBool,
    fetches: AtomicUsize,
}

impl Shared {
    fn hold(&self, pair: &PemPair) {
        *self.replaced.lock() = Some(KeyTexts {
            public: Some(pair.public.as_str().into()),
            private: Some(pair.private.expose().into()),
        });
    }
}

impl Credentials for Shared {
    fn keys(&self) -> Pending<'_, KeyTexts> {
        self.fetches.fetch_add(1, Relaxed);
        let replaced = self.replaced.lock().clone();
        match replaced {
            _ if self.is_away.load(Relaxed) => away(),
            Some(texts) => Box::pin(std::future::ready(Ok(texts))),
            None => self.memory.keys(),
        }
    }

    fn offer(&self, half: KeyHalf, pem: Box<str>) -> Pending<'_, Box<str>> {
        self.memory.offer(half, pem)
    }

    fn use_once(&self, digest: [u8; 32], keep: Duration) -> Pending<'_, bool> {
        match self.is_away.load(Relaxed) {
            true => away(),
            false => self.memory.use_once(digest, keep),
        }
    }
}

fn away<T: Send + 'static>() -> Pending<'static, T> {
    Box::pin(std::future::ready(Err(CredentialsError("away".into()))))
}

fn configured(one_time: bool) -> Dialects {
    let mut settings = Dialects::default();
    settings.im.public_keys = vec![FIRST.public.clone()];
    settings.im.one_time = one_time;
    settings
}

fn authenticator(settings: &Dialects, shared: &Arc<Shared>, makes_keys: bool) -> Authenticator {
    let parts = Parts {
        makes_keys,
        ..parts(Arc::clone(shared) as Arc<_>)
    };
    Authenticator::new(settings, parts)
}

fn fresh() -> String {
    fresh_of(&FIRST)
}

fn fresh_of(pair: &PemPair) -> String {
    let keys = KeySet::new([], Some(pair.private.expose()));
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    keys.sign(Person::new(42).unwrap(), now, MAX_AGE).unwrap()
}

fn ask(authenticator: &Authenticator, token: &str) -> Asked {
    let question = Question::Login {
        token: token.into(),
        client_id: None,
    };
    authenticator.ask(DialectId::Im, question)
}

async fn answer(authenticator: &Authenticator, token: &str) -> Answer {
    match ask(authenticator, token) {
        Asked::Now(answer) => answer,
        Asked::Later(answer) => answer.await,
    }
}

#[track_caller]
fn is_granted(answer: &Answer) {
    let Answer::Granted(grant) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(grant.user.as_ref().unwrap().as_str(), "42");
}

#[test]
fn with_keys_of_the_configuration_nobody_is_asked() {
    let authenticator = authenticator(&configured(false), &Arc::default(), false);
    // Without a runtime, on which something could be waited for.
    for _ in 0..2 {
        let Asked::Now(answer) = ask(&authenticator, &fresh()) else {
            panic!("somebody was asked");
        };
        is_granted(&answer);
    }
    let Asked::Now(Answer::Denied(reason)) = ask(&authenticator, &fresh_of(&SECOND)) else {
        panic!("somebody was asked");
    };
    assert_eq!(reason, INVALID);
    let count = |outcome: LoginOutcome| {
        let logins = &authenticator.stats().logins[DialectId::Im.index()];
        logins[outcome as usize].load()
    };
    assert_eq!(count(LoginOutcome::Granted), 2);
    assert_eq!(count(LoginOutcome::Denied), 1);
}

#[tokio::test]
async fn a_token_is_used_once_if_that_is_asked_for() {
    let shared = Arc::<Shared>::default();
    let first = authenticator(&configured(true), &shared, false);
    let second = authenticator(&configured(true), &shared, false);
    let token = fresh();
    is_granted(&answer(&first, &token).await);
    let again = Answer::denied("the token was used before");
    assert_eq!(answer(&second, &token).await, again);
    assert_eq!(answer(&first, &token).await, again);
    // A bad one is nothing that has to be noted.
    let Asked::Now(Answer::Denied(_)) = ask(&first, &fresh_of(&SECOND)) else {
        panic!("a bad token was asked about");
    };
    first.reload(&configured(false));
    is_granted(&answer(&first, &token).await);
}

#[tokio::test]
async fn nobody_comes_in_while_it_cannot_be_known_whether_a_token_was_used() {
    let shared = Arc::<Shared>::default();
    let authenticator = authenticator(&configured(true), &shared, false);
    shared.is_away.store(true, Relaxed);
    let token = fresh();
    assert_eq!(answer(&authenticator, &token).await, Answer::Unavailable);
    shared.is_away.store(false, Relaxed);
    is_granted(&answer(&authenticator, &token).await);
}

#[tokio::test]
async fn shared_keys_are_fetched_when_they_are_needed_and_kept_for_seconds() {
    let shared = Arc::<Shared>::default();
    let authenticator = authenticator(&Dialects::default(), &shared, false);
    shared.hold(&FIRST);
    is_granted(&answer(&authenticator, &fresh()).await);
    for _ in 0..10 {
        assert!(matches!(ask(&authenticator, &fresh()), Asked::Now(_)));
    }
    assert_eq!(shared.fetches.load(Relaxed), 1);
    // What could be no token is nothing to fetch keys for.
    authenticator.ring.age(ring::REFRESH);
    assert!(matches!(ask(&authenticator, "token"), Asked::Now(_)));
    is_granted(&answer(&authenticator, &fresh()).await);
    assert_eq!(shared.fetches.load(Relaxed), 2);
}

#[tokio::test]
async fn a_change_of_shared_keys_counts_within_ten_seconds_and_tokens_under_way_are_good() {
    let shared = Arc::<Shared>::default();
    let authenticator = authenticator(&Dialects::default(), &shared, false);
    shared.hold(&FIRST);
    is_granted(&answer(&authenticator, &fresh()).await);
    shared.hold(&SECOND);
    authenticator.ring.age(Duration::from_secs(10));
    is_granted(&answer(&authenticator, &fresh_of(&SECOND)).await);
    is_granted(&answer(&authenticator, &fresh_of(&FIRST)).await);
    let token = authenticator
        .issue_im(Person::new(42).unwrap())
        .await
        .unwrap();
    let second = KeySet::new([SECOND.public.as_str()], None);
    let signed = read(&token).unwrap();
    assert!(second.checking[0].has_signed(&signed));
    authenticator.ring.age(MAX_AGE + LEEWAY);
    is_granted(&answer(&authenticator, &fresh_of(&FIRST)).await);
    authenticator.ring.age(LEEWAY + ring::REFRESH);
    let denied = Answer::denied(INVALID);
    assert_eq!(answer(&authenticator, &fresh_of(&FIRST)).await, denied);
    is_granted(&answer(&authenticator, &fresh_of(&SECOND)).await);
}

#[tokio::test]
async fn shared_keys_that_are_known_are_good_for_as_long_as_a_token_while_they_are_away() {
    let shared = Arc::<Shared>::default();
    let authenticator = authenticator(&Dialects::default(), &shared, false);
    shared.hold(&FIRST);
    shared.is_away.store(true, Relaxed);
    assert_eq!(answer(&authenticator, &fresh()).await, Answer::Unavailable);
    shared.is_away.store(false, Relaxed);
    authenticator.ring.age(Duration::from_secs(1));
    is_granted(&answer(&authenticator, &fresh()).await);
    shared.is_away.store(true, Relaxed);
    authenticator.ring.age(MAX_AGE);
    is_granted(&answer(&authenticator, &fresh()).await);
    authenticator.ring.age(LEEWAY);
    assert_eq!(answer(&authenticator, &fresh()).await, Answer::Unavailable);
    let issued = authenticator.issue_im(Person::new(42).unwrap()).await;
    assert!(matches!(issued, Err(IssueError::Unavailable(_))));
}

#[tokio::test]
async fn who_waits_for_keys_that_are_away_is_told_with_the_first() {
    let shared = Arc::<Shared>::default();
    let authenticator = authenticator(&Dialects::default(), &shared, false);
    shared.is_away.store(true, Relaxed);
    let tokens = [(); 50].map(|()| fresh());
    let all = tokens.iter().map(|token| answer(&authenticator, token));
    let all = futures_util::future::join_all(all).await;
    assert!(all.iter().all(|answer| *answer == Answer::Unavailable));
    assert_eq!(shared.fetches.load(Relaxed), 1);
}

#[tokio::test]
async fn without_keys_anywhere_nobody_comes_in() {
    let authenticator = authenticator(&Dialects::default(), &Arc::default(), false);
    let denied = Answer::denied(INVALID);
    assert_eq!(answer(&authenticator, &fresh()).await, denied);
    let issued = authenticator.issue_im(Person::new(42).unwrap()).await;
    assert!(matches!(issued, Err(IssueError::NoKey(_))));
}

#[tokio::test]
async fn in_development_mode_a_pair_is_made_once_for_all_nodes() {
    let shared = Arc::<Shared>::default();
    let nodes = [(); 3].map(|()| authenticator(&Dialects::default(), &shared, true));
    let person = Person::new(42).unwrap();
    let issued = nodes.each_ref().map(|node| node.issue_im(person));
    for token in futures_util::future::join_all(issued).await {
        for node in &nodes {
            is_granted(&answer(node, token.as_ref().unwrap()).await);
        }
    }
    let texts = shared.memory.keys().await.unwrap();
    let private = PrivateKey::from_pem(&texts.private.unwrap()).unwrap();
    let public = PublicKey::from_pem(&texts.public.unwrap());
    assert_eq!(public, Some(private.public()));
}

#[test]
fn nothing_shows_a_token_or_a_key() {
    let mut settings = configured(true);
    settings.im.private_key = Some(Secret::new(FIRST.private.expose()));
    let authenticator = authenticator(&settings, &Arc::default(), false);
    let question = Question::Login {
        token: fresh().into(),
        client_id: None,
    };
    let shown = format!("{authenticator:?} {question:?} {settings:?}");
    let secret = &FIRST.private.expose()[40..100];
    assert!(!shown.contains(secret), "{shown}");
    assert!(!shown.contains("eyJ"), "{shown}");
}
