use std::sync::LazyLock;

use jsonwebtoken::{EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::*;
use crate::{auth::signed::TOKEN_BYTES_MAX, config::Secret, topic::Topic};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: u64 = 1_700_000_000;

static RSA: LazyLock<KeyPair> = LazyLock::new(rsa);

fn rsa() -> KeyPair {
    KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap()
}

fn shared(secret: &str) -> TokenKey {
    TokenKey {
        alg: Algorithm::Hs256,
        secret: Some(Secret::new(secret)),
        public_key: None,
    }
}

fn public(pair: &KeyPair) -> TokenKey {
    TokenKey {
        alg: Algorithm::Rs256,
        secret: None,
        public_key: Some(Secret::new(pair.public_key_pem())),
    }
}

fn hs256(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(jsonwebtoken::Algorithm::HS256), claims, &key).unwrap()
}

fn rs256(claims: &Value, pair: &KeyPair) -> String {
    let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    encode(&Header::new(jsonwebtoken::Algorithm::RS256), claims, &key).unwrap()
}

#[track_caller]
fn check(claims: Value, expect: Result<&str, &'static str>) {
    let verifier = Verifier::new(&[shared(SECRET)]);
    let result = verifier.verify(&hs256(&claims, SECRET), NOW);
    let user = result.as_ref().map(|grant| grant.user.as_ref().unwrap());
    let user = user.map(|user| user.as_str()).map_err(|refused| *refused);
    assert_eq!(user, expect.map_err(Refused::Token), "{claims}");
}

#[test]
fn the_claims_become_a_grant() {
    let verifier = Verifier::new(&[shared(SECRET)]);
    let claims = json!({
        "sub": "42", "devices": ["d1", 7], "rooms": ["x", "agents"],
        "publish": ["room:x", "user:*"], "role": "anything", "iat": 1,
    });
    let grant = verifier.verify(&hs256(&claims, SECRET), NOW).unwrap();
    assert_eq!(grant.user.unwrap().as_str(), "42");
    assert_eq!(grant.devices, ["d1", "7"].map(Box::from));
    let rooms = ["x", "agents"].map(|room| Topic::room(room).unwrap());
    assert_eq!(grant.rooms, rooms);
    assert_eq!(grant.publish, ["room:x", "user:*"].map(Box::from));
}

#[test]
fn the_subject_is_a_text_or_a_whole_number() {
    const CLAIMS: Result<&str, &'static str> = Err("the claims of the token are not usable");
    check(json!({"sub": "user/张三"}), Ok("user/张三"));
    check(json!({"sub": 42}), Ok("42"));
    check(json!({"sub": -1}), Ok("-1"));
    for sub in [
        json!(""),
        json!(null),
        json!(1.5),
        json!(["a"]),
        json!("a\n"),
        json!(true),
    ] {
        check(json!({"sub": sub}), CLAIMS);
    }
    check(json!({}), CLAIMS);
    check(json!({"sub": "x".repeat(1025)}), CLAIMS);
}

#[test]
fn claims_that_name_nothing_are_refused() {
    for (claim, value) in [
        ("rooms", json!([""])),
        ("rooms", json!(["x".repeat(101)])),
        ("rooms", json!("x")),
        ("devices", json!([""])),
        ("devices", json!(["a\u{0}"])),
        ("devices", json!([{}])),
        ("publish", json!([1])),
        ("publish", json!(["room:x", "x"])),
        ("publish", json!(["node:*"])),
    ] {
        let claims = json!({"sub": "1", claim: value});
        check(claims, Err("the claims of the token are not usable"));
    }
}

#[test]
fn times_are_checked_with_five_seconds_of_leeway() {
    let expired = Err("the token has expired");
    check(json!({"sub": "1", "exp": NOW + 1}), Ok("1"));
    check(json!({"sub": "1", "exp": NOW - 4}), Ok("1"));
    check(json!({"sub": "1", "exp": NOW - 5}), expired);
    check(json!({"sub": "1", "exp": 0}), expired);
    check(json!({"sub": "1", "exp": (NOW as f64) - 5.5}), expired);
    check(json!({"sub": "1", "nbf": NOW + 5}), Ok("1"));
    check(
        json!({"sub": "1", "nbf": NOW + 6}),
        Err("the token is not valid yet"),
    );
    check(
        json!({"sub": "1", "exp": "tomorrow"}),
        Err("the claims of the token are not usable"),
    );
}

#[test]
fn a_token_for_others_is_refused() {
    let expect = Err("the token is for another audience");
    check(json!({"sub": "1", "aud": "shop"}), expect);
    check(json!({"sub": "1", "aud": ["shop"]}), expect);
}

#[test]
fn critical_headers_that_nobody_understands_are_refused() {
    let mut header = Header::new(jsonwebtoken::Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = encode(&header, &json!({"sub": "1"}), &key).unwrap();
    let result = Verifier::new(&[shared(SECRET)]).verify(&token, NOW);
    let expect = Refused::Token("the token has critical headers");
    assert_eq!(result.unwrap_err(), expect);
}

#[test]
fn several_keys_are_valid_at_once() {
    let other = "another secret of thirty-two bytes";
    let verifier = Verifier::new(&[shared(SECRET), public(&RSA), shared(other)]);
    let claims = json!({"sub": "1"});
    for token in [
        hs256(&claims, SECRET),
        hs256(&claims, other),
        rs256(&claims, &RSA),
    ] {
        assert!(verifier.verify(&token, NOW).is_ok());
    }
    for token in [hs256(&claims, "wrong"), rs256(&claims, &rsa())] {
        assert_eq!(verifier.verify(&token, NOW), Err(Refused::NoKeyFits));
    }
}

#[test]
fn a_key_is_used_with_its_own_algorithm_only() {
    let verifier = Verifier::new(&[public(&RSA)]);
    let claims = json!({"sub": "1"});
    // The classic: the public key, which everybody may know, taken for a shared secret.
    for secret in [RSA.public_key_pem(), RSA.public_key_pem().trim().to_owned()] {
        let token = hs256(&claims, &secret);
        assert_eq!(verifier.verify(&token, NOW), Err(Refused::NoKeyFits));
    }
    let secrets = Verifier::new(&[shared(SECRET)]);
    assert_eq!(
        secrets.verify(&rs256(&claims, &RSA), NOW),
        Err(Refused::NoKeyFits)
    );
    for algorithm in [
        jsonwebtoken::Algorithm::HS384,
        jsonwebtoken::Algorithm::HS512,
    ] {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let token = encode(&Header::new(algorithm), &claims, &key).unwrap();
        assert_eq!(secrets.verify(&token, NOW), Err(Refused::NoKeyFits));
    }
}

#[test]
fn what_is_not_signed_is_refused() {
    let verifier = Verifier::new(&[shared(SECRET), public(&RSA)]);
    let good = hs256(&json!({"sub": "1"}), SECRET);
    let parts: Vec<&str> = good.split('.').collect();
    let [_, claims, signature] = parts[..] else {
        unreachable!()
    };
    // {"alg":"none","typ":"JWT"} and {"alg":"None"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";
    let none_too = "eyJhbGciOiJOb25lIn0";
    let other = hs256(&json!({"sub": "2"}), SECRET);
    let swapped = other.rsplit_once('.').unwrap().0;
    for token in [
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{none_too}.{claims}."),
        format!("{swapped}.{signature}"),
        String::new(),
        good[..good.len() - 1].to_owned(),
        format!("{good}.{signature}"),
        "a.b.c".to_owned(),
        "token".to_owned(),
        "x".repeat(100_000),
    ] {
        assert_eq!(
            verifier.verify(&token, NOW),
            Err(Refused::NoKeyFits),
            "{token}"
        );
    }
    assert_eq!(
        Verifier::new(&[]).verify(&good, NOW),
        Err(Refused::NoKeyFits)
    );
}

#[test]
fn a_verifier_does_not_show_its_keys() {
    let text = format!("{:?}", Verifier::new(&[shared(SECRET)]));
    assert_eq!(text, "Verifier(1 keys)");
}

#[test]
fn a_token_that_is_too_long_is_refused_without_being_read() {
    let verifier = Verifier::new(&[shared(SECRET)]);
    let of = |bytes| hs256(&json!({"sub": "42", "x": "x".repeat(bytes)}), SECRET);
    assert!(verifier.verify(&of(5000), NOW).is_ok());
    let refused = verifier.verify(&of(TOKEN_BYTES_MAX), NOW).err();
    assert_eq!(refused, Some(Refused::NoKeyFits));
}
