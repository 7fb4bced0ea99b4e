//! Signed tokens: JSON Web Tokens of the applications behind the gateway.
//!
//! **Invariant:** a key checks tokens of its own algorithm and of no other. What a token says about
//! itself decides which keys are tried, never how one of them is used.

use std::fmt;

use jsonwebtoken::{DecodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, de::IgnoredAny};

use super::grant::{Name, Rights};
use crate::{
    config::{Algorithm, TokenKey},
    dialect::Grant,
};

/// How far the clocks of issuer and gateway may be apart.
const LEEWAY_SECONDS: f64 = 5.0;
/// Longer texts are no tokens. As long as all headers of an upgrade together may be.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Checks tokens with one or more keys, all of them valid at once, so that keys can be rotated.
pub struct Verifier(Box<[Key]>);

struct Key {
    algorithm: jsonwebtoken::Algorithm,
    key: DecodingKey,
    validation: Validation,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// It is no token, or no key has signed it: somebody else may know it.
    NoKeyFits,
    /// It was signed with a key, but it is not good, for a reason that the client may read.
    Token(&'static str),
}

/// The claims that matter; others are ignored.
#[derive(Deserialize)]
struct Claims {
    sub: Name,
    exp: Option<f64>,
    nbf: Option<f64>,
    aud: Option<IgnoredAny>,
    #[serde(flatten)]
    rights: Rights,
}

// === impl Verifier ===

impl Verifier {
    /// Checks with these keys, which the configuration has found usable.
    pub fn new(keys: &[TokenKey]) -> Self {
        Self(keys.iter().filter_map(Key::new).collect())
    }

    /// What the bearer of `token` may do at this time.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn verify(&self, token: &str, unix_seconds: u64) -> Result<Grant, Refused> {
        if TOKEN_BYTES_MAX < token.len() {
            return Err(Refused::NoKeyFits);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::NoKeyFits)?;
        let fitting = self.0.iter().filter(|key| key.algorithm == header.alg);
        for key in fitting {
            let decoded = jsonwebtoken::decode::<Claims>(token, &key.key, &key.validation);
            return match decoded {
                Ok(decoded) => decoded.claims.grant(&decoded.header, unix_seconds),
                Err(error) => match error.kind() {
                    ErrorKind::Json(_) => Err(CLAIMS),
                    // Of another key perhaps.
                    _ => continue,
                },
            };
        }
        Err(Refused::NoKeyFits)
    }
}

const CLAIMS: Refused = Refused::Token("the claims of the token are not usable");

/// Keys are secrets, so logs show how many there are.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} keys)", self.0.len())
    }
}

impl Key {
    fn new(key: &TokenKey) -> Option<Self> {
        let (algorithm, key) = match key.alg {
            Algorithm::Hs256 => {
                let secret = key.secret.as_ref()?.expose();
                let key = DecodingKey::from_secret(secret.as_bytes());
                (jsonwebtoken::Algorithm::HS256, key)
            }
            Algorithm::Rs256 => {
                let pem = key.public_key.as_ref()?.expose();
                let key = DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
                (jsonwebtoken::Algorithm::RS256, key)
            }
        };
        let mut validation = Validation::new(algorithm);
        // The times are checked against the node's clock, and the audience without a list of it.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Some(Self {
            algorithm,
            key,
            validation,
        })
    }
}

// === impl Claims ===

impl Claims {
    fn grant(self, header: &Header, unix_seconds: u64) -> Result<Grant, Refused> {
        // RFC 7515, section 4.1.11: whoever does not understand what is critical refuses it.
        if header.crit.is_some() {
            return Err(Refused::Token("the token has critical headers"));
        }
        // RFC 7519, section 4.1.3: a token for named others is not for whoever has no name.
        if self.aud.is_some() {
            return Err(Refused::Token("the token is for another audience"));
        }
        let now = unix_seconds as f64;
        if self.exp.is_some_and(|exp| exp + LEEWAY_SECONDS <= now) {
            return Err(Refused::Token("the token has expired"));
        }
        if self.nbf.is_some_and(|nbf| now + LEEWAY_SECONDS < nbf) {
            return Err(Refused::Token("the token is not valid yet"));
        }
        self.rights.grant(Some(self.sub)).ok_or(CLAIMS)
    }
}

#[cfg(test)]
mod tests;
