//! Credentials of live rooms.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    IssueError, TokenRequest, Validity,
    check::{usable, user_id},
    shared_secret, sign,
};
use crate::{
    auth::live::cipher::Cipher,
    config::{Algorithm, Live, LiveAuth},
    dialect::live::{CODE_CHARS_MAX, NICKNAME_CHARS_MAX},
};

/// The claims of a signed one.
#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    r#type: &'a str,
    code: &'a str,
    nickname: &'a str,
}

/// What goes into the query as `auth`.
pub(super) fn live(
    settings: &Live,
    request: &TokenRequest,
    unix_seconds: u64,
) -> Result<String, IssueError> {
    let TokenRequest::Live {
        user,
        r#type,
        code,
        nickname,
        ttl_seconds,
    } = request
    else {
        return Err(IssueError::Disabled("live"));
    };
    if !settings.mount.enabled {
        return Err(IssueError::Disabled("live"));
    }
    if settings.auth == LiveAuth::Jwt {
        let secret = shared_secret(&settings.keys).ok_or(IssueError::NoKey(
            "dialect.live.keys: has no key of alg \"HS256\", so somebody else signs the tokens",
        ))?;
        let validity = Validity::new(unix_seconds, *ttl_seconds);
        let claims = Claims {
            sub: user,
            iat: validity.from,
            exp: validity.to,
            r#type,
            code,
            nickname,
        };
        return sign(&claims, Algorithm::Hs256, secret);
    }
    let key = settings.key.as_ref();
    let key = key.ok_or(IssueError::NoKey("dialect.live.key: is missing"))?;
    let text = json!({
        "id": id(user), "type": r#type, "code": code, "nickname": nickname, "ctime": unix_seconds,
    });
    Ok(Cipher::new(key.expose()).encode(&text.to_string()))
}

/// Looks for what no node could accept.
pub(super) fn check(request: &TokenRequest) -> Result<(), IssueError> {
    let TokenRequest::Live {
        user,
        r#type,
        code,
        nickname,
        ..
    } = request
    else {
        return Ok(());
    };
    let short = |text: &str, max: usize| match text.chars().count() <= max {
        true => Ok(()),
        false => Err(format!("is longer than {max} characters")),
    };
    usable("--id", user, user_id(user))?;
    let is_there = (!r#type.is_empty()).then_some(()).ok_or("is empty");
    usable("--type", r#type, is_there)?;
    usable("--code", code, short(code, CODE_CHARS_MAX))?;
    usable("--nickname", nickname, short(nickname, NICKNAME_CHARS_MAX))
}

/// A whole number where it is one, as applications write it.
fn id(user: &str) -> Value {
    let number = user.parse::<u64>().ok();
    match number.filter(|number| number.to_string() == user && *number != 0) {
        Some(number) => number.into(),
        None => user.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        auth::live::LivePasses,
        config::{Secret, TokenKey},
        dialect::live::Passes as _,
    };

    fn request(user: &str, kind: &str, code: &str, nickname: &str) -> TokenRequest {
        let value = json!({
            "dialect": "live", "user": user, "type": kind, "code": code, "nickname": nickname,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn what_is_issued_lets_somebody_in_by_either_way() {
        let mut settings = Live::default();
        settings.key = Some(Secret::new("kfw001-websocket".to_owned()));
        settings.keys.push(TokenKey {
            alg: Algorithm::Hs256,
            secret: Some(Secret::new("0123456789abcdef".to_owned())),
            public_key: None,
        });
        for (auth, id) in [(LiveAuth::TripleDes, "7"), (LiveAuth::Jwt, "\"7\"")] {
            settings.auth = auth;
            let wanted = request("7", "wall", "r1", "张三");
            let issued = live(&settings, &wanted, 1000).unwrap();
            let party = LivePasses::new(&settings).read(&issued, 1000).unwrap();
            assert_eq!((&*party.id, party.user.as_str()), (id, "7"));
            assert_eq!(
                (&*party.kind, &*party.code, &*party.nickname),
                ("wall", "r1", "张三")
            );
        }
        settings.mount.enabled = false;
        let off = live(&settings, &request("7", "wall", "", ""), 0);
        assert_eq!(off.unwrap_err(), IssueError::Disabled("live"));
        let none = live(&Live::default(), &request("7", "wall", "", ""), 0);
        assert!(matches!(none.unwrap_err(), IssueError::NoKey(_)));
    }

    #[test]
    fn what_no_node_could_accept_is_refused() {
        for (request, expect) in [
            (request("", "wall", "r", "n"), "--id: "),
            (request("1", "", "r", "n"), "--type: "),
            (request("1", "wall", &"r".repeat(90), "n"), "--code: "),
            (request("1", "wall", "r", &"n".repeat(257)), "--nickname: "),
        ] {
            let error = check(&request).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        }
        check(&request("a b", "wall", &"张".repeat(89), &"n".repeat(256))).unwrap();
        for (user, expect) in [
            ("7", json!(7)),
            ("07", json!("07")),
            ("a", json!("a")),
            ("0", json!("0")),
        ] {
            assert_eq!(id(user), expect);
        }
    }
}
