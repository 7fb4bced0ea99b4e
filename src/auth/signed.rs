//! Signed tokens: JSON Web Tokens in their compact form (RFC 7515, section 3.1), taken apart and checked.
//!
//! The library that makes tokens reads a public key anew for each token that it checks, and its header
//! three times: here a key is read once, and what the key has precomputed serves every token.
//!
//! **Invariant:** a key checks tokens of its own algorithm and of no other, whatever they say about
//! themselves; and nothing of the claims is read before the signature is found good.

use aws_lc_rs::{
    hmac,
    signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use crate::config::Algorithm;

/// Longer texts are no tokens. As long as all headers of an upgrade together may be.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Checks signatures of one algorithm. It is not shown: one of them is a secret.
pub(super) enum Key {
    /// A secret that those share who sign and who check.
    Hs256(Box<hmac::Key>),
    /// The public half of a pair.
    Rs256(ParsedPublicKey),
}

/// A token that can be read, and that nobody has checked yet.
pub(super) struct Token<'a> {
    algorithm: Algorithm,
    /// It says that not everybody may understand it.
    pub(super) is_critical: bool,
    /// Header and claims as they were signed.
    signed: &'a str,
    claims: &'a str,
    signature: Vec<u8>,
}

/// What counts of a header; everything else is the business of those who choose keys by it.
#[derive(Deserialize)]
struct Header {
    alg: Box<str>,
    crit: Option<IgnoredAny>,
}

/// Why there are no claims.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum ClaimsError {
    /// They are no base64, so that no issuer of tokens has signed them.
    NoToken,
    /// They are not those that were expected.
    Other,
}

// === impl Key ===

impl Key {
    /// A shared secret.
    pub(super) fn of_secret(secret: &[u8]) -> Self {
        Self::Hs256(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// A public key, as PKCS #1 or as a certificate has it; `None` if it is none.
    pub(super) fn of_der(der: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
        key.ok().map(Self::Rs256)
    }

    /// Whether the token was signed with this key's other half.
    pub(super) fn has_signed(&self, token: &Token<'_>) -> bool {
        let signed = token.signed.as_bytes();
        let checked = match (self, token.algorithm) {
            (Self::Hs256(key), Algorithm::Hs256) => hmac::verify(key, signed, &token.signature),
            (Self::Rs256(key), Algorithm::Rs256) => key.verify_sig(signed, &token.signature),
            (Self::Hs256(_) | Self::Rs256(_), _) => return false,
        };
        checked.is_ok()
    }
}

// === impl Token ===

impl<'a> Token<'a> {
    /// Takes a text apart; `None` if it can be no token that a key here has signed.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        if TOKEN_BYTES_MAX < text.len() {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        if claims.contains('.') {
            return None;
        }
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let header: Header = serde_json::from_slice(&header).ok()?;
        Some(Self {
            algorithm: match &*header.alg {
                "HS256" => Algorithm::Hs256,
                "RS256" => Algorithm::Rs256,
                _ => return None,
            },
            is_critical: header.crit.is_some(),
            signed,
            claims,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// What the token says that it is signed with.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What it claims; only to be asked once a key has signed it.
    ///
    /// # Errors
    ///
    /// See [`ClaimsError`].
    pub(super) fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        let claims = URL_SAFE_NO_PAD.decode(self.claims);
        let claims = claims.map_err(|_| ClaimsError::NoToken)?;
        serde_json::from_slice(&claims).map_err(|_| ClaimsError::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7515, appendix A.1.
    const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9\
        .eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ\
        .dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const SECRET: &str =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

    fn key() -> Key {
        Key::of_secret(&URL_SAFE_NO_PAD.decode(SECRET).unwrap())
    }

    fn read(header: &str) -> Option<Token<'static>> {
        let text = format!("{}.e30.AA", URL_SAFE_NO_PAD.encode(header));
        Token::read(text.leak())
    }

    #[test]
    fn the_token_of_the_standard_is_good() {
        let token = Token::read(TOKEN).unwrap();
        assert!(key().has_signed(&token) && !token.is_critical);
        let claims: serde_json::Value = token.claims().unwrap();
        assert_eq!(claims["iss"], "joe");
        assert_eq!(token.claims::<Vec<u8>>(), Err(ClaimsError::Other));
        let other = Token::read(TOKEN.replace("9.eyJ", "9.eyK").leak()).unwrap();
        assert!(!key().has_signed(&other));
        assert!(!Key::of_secret(b"other").has_signed(&token));
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            &TOKEN[..TOKEN.len() - 1],
            &TOKEN.replace("9.eyJ", "9..eyJ"),
            &format!("{TOKEN}="),
            &format!(" {TOKEN}"),
            &TOKEN.replacen('.', &"x".repeat(TOKEN_BYTES_MAX), 1),
        ] {
            assert!(Token::read(text).is_none(), "{text}");
        }
        for header in [
            "{}",
            "[]",
            r#"{"alg":1}"#,
            r#"{"alg":"none"}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS256","alg":"RS256"}"#,
        ] {
            assert!(read(header).is_none(), "{header}");
        }
        let critical = read(r#"{"crit":["b64"],"\u0061lg":"RS256"}"#).unwrap();
        assert!(critical.is_critical);
        assert_eq!(critical.algorithm(), Algorithm::Rs256);
    }

    #[test]
    fn claims_that_are_no_base64_are_none() {
        let (signed, _) = TOKEN.rsplit_once('.').unwrap();
        let signed = format!("{signed}$");
        let Key::Hs256(secret) = key() else {
            unreachable!()
        };
        let tag = hmac::sign(&secret, signed.as_bytes());
        let text = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag));
        let token = Token::read(&text).unwrap();
        assert!(key().has_signed(&token));
        assert_eq!(
            token.claims::<serde_json::Value>(),
            Err(ClaimsError::NoToken)
        );
    }
}
