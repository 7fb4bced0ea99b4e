use super::*;
use crate::config::{Algorithm, TokenKey};

/// The key of the document, and when its sample credentials were made.
const KEY: &str = "kfw001-websocket";
const MADE: u64 = 1_503_648_000;
const WEEK: Duration = Duration::from_secs(604_800);

/// Sealed by other programs.
const TOM: &str = "qXZAxvfsHzK7DkCw*XDV6YnE:1CBtLXTqAK7L04jN*2zfLT2j14Fwwy2xNylldS4Btm6zH*oCC8XWKYG7wjnDjIpswKW0I40BfFopKdarbs_";
const WALL: &str = "TF5m4nZrP:zmGOqrYAI7qEm72yKdkkH*SQGCe0*UHexy8S6Wj3M0R89HVUWxv3jk6tm9pgSPcsD1CMDcQkLWSncX81T8TGy43BQSRPnHUbE_";
const ZHANG: &str = "qXZAxvfsHzK7DkCw*XDV6YnE:1CBtLXTqAK7L04jN*2zfLT2j14Fwwy2xNylldS4DmoFIomLtm4O6*VcU38BmfJPDGkLSJwJP2jQFGr6cqupu6iaAsTJig__";
const DIGITS: &str = "g4jRM14HUPc5G3PEgt*twA__";

const TOM_TEXT: &str =
    r#"{"id":1,"type":"wechatUser","code":"room1","nickname":"Tom","ctime":1503648000}"#;

fn passes(max_age: Duration) -> LivePasses {
    let mut settings = Live::default();
    settings.key = Some(Secret::new(KEY.to_owned()));
    settings.max_age = max_age;
    LivePasses::new(&settings)
}

/// Seals a text, and reads it as a credential without a limit of its age.
fn read(text: &str) -> Option<Party> {
    passes(Duration::ZERO).read(&Cipher::new(KEY).encode(text), MADE)
}

#[test]
fn what_other_programs_have_sealed_is_opened() {
    let passes = passes(WEEK);
    let tom = passes.read(TOM, MADE).unwrap();
    assert_eq!((&*tom.id, tom.user.as_str()), ("1", "1"));
    assert_eq!(
        (&*tom.kind, &*tom.code, &*tom.nickname),
        ("wechatUser", "room1", "Tom")
    );
    let wall = passes.read(WALL, MADE).unwrap();
    assert_eq!((&*wall.id, wall.user.as_str()), ("\"9\"", "9"));
    assert_eq!((&*wall.kind, &*wall.nickname), ("wall", "wall-1"));
    assert_eq!(&*passes.read(ZHANG, MADE).unwrap().nickname, "张三");
}

#[test]
fn what_is_sealed_here_is_what_other_programs_seal() {
    let cipher = Cipher::new(KEY);
    assert_eq!(cipher.encode(TOM_TEXT), TOM);
    assert_eq!(cipher.encode(&TOM_TEXT.replace("Tom", "张三")), ZHANG);
    assert_eq!(cipher.encode("12345678"), DIGITS);
}

#[test]
fn base64_is_read_as_leniently_as_by_the_original() {
    let passes = passes(WEEK);
    for auth in [
        TOM.trim_end_matches('_'),
        &TOM.replace('*', "+").replace(':', "/").replace('_', "="),
        &format!(" {}\n~", &TOM[..50]).replace('~', &TOM[50..]),
    ] {
        assert!(passes.read(auth, MADE).is_some(), "{auth}");
    }
}

#[test]
fn a_cipher_that_is_good_but_no_object_is_refused() {
    assert!(passes(Duration::ZERO).read(DIGITS, MADE).is_none());
    for text in [
        "[]",
        "[1]",
        "null",
        "\"x\"",
        "{",
        "{}{}",
        "\u{feff}{}",
        "{\"id\":1,\"type\":\"a\"",
    ] {
        assert!(read(text).is_none(), "{text}");
    }
}

#[test]
fn what_is_malformed_is_refused() {
    let passes = passes(Duration::ZERO);
    let sealed = Cipher::new("another").encode(TOM_TEXT);
    let long = "A".repeat(TOKEN_BYTES_MAX + 1);
    for auth in [
        "",
        "_",
        "x",
        "xx",
        "AAAA",
        "AAAAAAAAAAA_",
        &TOM[1..],
        &TOM[..TOM.len() - 4],
        &sealed,
        &long,
    ] {
        assert!(passes.read(auth, MADE).is_none(), "{auth}");
    }
}

#[test]
fn without_an_id_or_a_type_nobody_comes_in() {
    for text in [
        "{}",
        r#"{"type":"wall"}"#,
        r#"{"id":1}"#,
        r#"{"id":null,"type":"wall"}"#,
        r#"{"id":"","type":"wall"}"#,
        r#"{"id":0,"type":"wall"}"#,
        r#"{"id":-1,"type":"wall"}"#,
        r#"{"id":1.5,"type":"wall"}"#,
        r#"{"id":[1],"type":"wall"}"#,
        r#"{"id":true,"type":"wall"}"#,
        r#"{"id":"a\u0000","type":"wall"}"#,
        r#"{"id":1,"type":""}"#,
        r#"{"id":1,"type":null}"#,
        r#"{"id":1,"type":{}}"#,
        r#"{"id":1,"id":2,"type":"wall"}"#,
        r#"{"id":1,"type":"wall","type":"wechatUser"}"#,
        r#"{"id":1,"type":"wall","nickname":["a"]}"#,
        r#"{"id":1,"type":"wall","code":["a"]}"#,
        r#"{"id":1,"type":"wall","code":"a","code":"b"}"#,
    ] {
        assert!(read(text).is_none(), "{text}");
    }
    for text in [
        r#"{"id":1,"type":"wall"}"#,
        r#"{"id":"a b","type":"wall","code":7,"nickname":8,"more":[]}"#,
        r#"{"id":1,"type":"wall","code":null,"nickname":null}"#,
    ] {
        assert!(read(text).is_some(), "{text}");
    }
    let party = read(r#"{"id":"a&b","type":"wall","code":"<c>","nickname":"\"n'>"}"#).unwrap();
    assert_eq!((&*party.id, party.user.as_str()), ("\"a&amp;b\"", "a&b"));
    assert_eq!((&*party.code, &*party.nickname), ("<c>", "&quot;n'&gt;"));
    let long = |length: usize| {
        let nickname = "张".repeat(length);
        read(&format!(
            r#"{{"id":1,"type":"wall","nickname":"{nickname}"}}"#
        ))
    };
    assert!(long(256).is_some());
    assert!(long(257).is_none());
}

#[test]
fn a_credential_is_as_old_as_it_may_be() {
    for (max_age, now, expect) in [
        (WEEK, MADE, true),
        (WEEK, MADE + 604_800, true),
        (WEEK, MADE + 604_801, false),
        (WEEK, MADE - 300, true),
        (WEEK, MADE - 301, false),
        (Duration::ZERO, 0, true),
        (Duration::ZERO, u64::MAX, true),
    ] {
        let is_good = passes(max_age).read(TOM, now).is_some();
        assert_eq!(is_good, expect, "{max_age:?} {now}");
    }
}

#[test]
fn the_time_of_a_credential_is_a_number_or_the_text_of_one_and_has_to_be_there() {
    let read = |ctime: &str| {
        let text = format!(r#"{{"id":1,"type":"wall"{ctime}}}"#);
        passes(WEEK).read(&Cipher::new(KEY).encode(&text), MADE)
    };
    for ctime in [
        ",\"ctime\":1503648000",
        ",\"ctime\":\"1503648000\"",
        ",\"ctime\":1503648000.5",
    ] {
        assert!(read(ctime).is_some(), "{ctime}");
    }
    for ctime in [
        "",
        ",\"ctime\":null",
        ",\"ctime\":\"\"",
        ",\"ctime\":\"now\"",
        ",\"ctime\":[1503648000]",
        ",\"ctime\":\"nan\"",
        ",\"ctime\":\"inf\"",
        ",\"ctime\":1503648000,\"ctime\":1503648000",
    ] {
        assert!(read(ctime).is_none(), "{ctime}");
    }
}

#[test]
fn a_padding_may_be_longer_than_a_block_and_as_long_as_all() {
    // What is sealed is "x", and as many of 15 as make two blocks.
    let cipher = Cipher::new(KEY);
    let sealed = |text: &[u8]| {
        // The blocks of a text that ends with a block of its own padding.
        let text = std::str::from_utf8(text).unwrap();
        let whole = cipher.encode(text);
        let bytes = cipher::of_base64(&whole);
        cipher::to_base64(&bytes[..text.len()])
    };
    let mut text = vec![15; 16];
    text[0] = b'x';
    assert_eq!(cipher.decode(&sealed(&text)).unwrap(), b"x");
    // The whole is padding: an empty text is none.
    assert_eq!(cipher.decode(&sealed(&[16; 16])), None);
    // Longer than the whole.
    assert_eq!(cipher.decode(&sealed(&[17; 16])), None);
    // None at all.
    assert_eq!(cipher.decode(&sealed(&[0; 8])), None);
    text[5] = 14;
    assert_eq!(cipher.decode(&sealed(&text)), None);
}

#[test]
fn a_key_is_filled_up_with_zeros_and_cut() {
    let text = "{}";
    let sealed = Cipher::new("abc").encode(text);
    assert_eq!(Cipher::new("abc0").encode(text), sealed);
    let long = "x".repeat(24);
    assert_eq!(
        Cipher::new(&long).encode(text),
        Cipher::new(&format!("{long}y")).encode(text)
    );
}

#[test]
fn a_signed_token_is_the_other_way() {
    let secret = "0123456789abcdef0123456789abcdef";
    let mut settings = Live::default();
    settings.auth = LiveAuth::Jwt;
    settings.key = Some(Secret::new(KEY.to_owned()));
    settings.keys.push(TokenKey {
        alg: Algorithm::Hs256,
        secret: Some(Secret::new(secret.to_owned())),
        public_key: None,
    });
    let passes = LivePasses::new(&settings);
    let token = |claims: &serde_json::Value, secret: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
    };
    let claims = serde_json::json!({
        "sub": "7", "type": "wechatUser", "code": "room1", "nickname": "a<b", "exp": MADE + 10,
    });
    let party = passes.read(&token(&claims, secret), MADE).unwrap();
    assert_eq!((&*party.id, party.user.as_str()), ("\"7\"", "7"));
    assert_eq!(
        (&*party.kind, &*party.code, &*party.nickname),
        ("wechatUser", "room1", "a&lt;b")
    );
    assert!(passes.read(&token(&claims, "another"), MADE).is_none());
    assert!(passes.read(&token(&claims, secret), MADE + 60).is_none());
    let untyped = serde_json::json!({"sub": "7", "exp": MADE + 10});
    assert!(passes.read(&token(&untyped, secret), MADE).is_none());
    assert!(passes.read(TOM, MADE).is_none());
}

#[test]
fn without_a_key_nobody_comes_in_and_nothing_shows_one() {
    assert!(LivePasses::new(&Live::default()).read(TOM, MADE).is_none());
    let shown = format!("{:?} {:?}", passes(WEEK), Cipher::new(KEY));
    assert_eq!(shown, "LivePasses(..) Cipher(..)");
}

proptest::proptest! {
    #[test]
    fn whatever_is_sealed_is_opened(text in ".{1,40}", key: String) {
        let cipher = Cipher::new(&key);
        let opened = cipher.decode(&cipher.encode(&text));
        proptest::prop_assert_eq!(opened.unwrap(), text.into_bytes());
    }

    #[test]
    fn nothing_that_comes_can_panic(auth: String) {
        passes(WEEK).read(&auth, MADE);
    }
}
