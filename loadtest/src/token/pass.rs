//! Credentials of the `live` dialect where it takes JSON Web Tokens.

use std::fmt;
use std::time::SystemTime;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key::ApiKey;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
/// Seconds that a credential is good for.
const LIFE: u64 = 24 * 60 * 60;

/// Signs the credentials of a room: the first connections are walls, the others phones.
pub struct Passes {
    key: hmac::Key,
    header: String,
    code: String,
    walls: usize,
    expires: u64,
}

impl Passes {
    /// For the room `code`, with so many walls.
    #[must_use]
    pub fn new(secret: &ApiKey, code: &str, walls: usize) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret.text().as_bytes()),
            header: URL_SAFE_NO_PAD.encode(HEADER),
            code: serde_json::Value::from(code).to_string(),
            walls,
            expires: now.unwrap_or_default().as_secs() + LIFE,
        }
    }

    /// The credential of a connection.
    #[must_use]
    pub fn pass(&self, index: usize) -> String {
        let (id, kind) = match index < self.walls {
            true => (format!("w{index}"), "wall"),
            false => (format!("p{index}"), "wechatUser"),
        };
        let (code, expires) = (&self.code, self.expires);
        let claims = format!(
            r#"{{"sub":"{id}","type":"{kind}","code":{code},"nickname":"{id}","exp":{expires}}}"#
        );
        let signed = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for Passes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passes").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walls_come_first_and_signatures_fit() {
        let secret = ApiKey::new("secret").unwrap();
        let passes = Passes::new(&secret, "a\"b", 1);
        for (index, kind) in [(0, "wall"), (1, "wechatUser")] {
            let pass = passes.pass(index);
            let (signed, signature) = pass.rsplit_once('.').unwrap();
            let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            assert!(hmac::verify(&passes.key, signed.as_bytes(), &signature).is_ok());
            let claims = URL_SAFE_NO_PAD
                .decode(signed.rsplit_once('.').unwrap().1)
                .unwrap();
            let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
            assert_eq!(
                (&claims["type"], &claims["code"]),
                (&kind.into(), &"a\"b".into())
            );
        }
        assert!(!format!("{passes:?}").contains("secret"));
    }
}
