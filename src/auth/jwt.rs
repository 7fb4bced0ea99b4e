//! Signed tokens: JSON Web Tokens of the applications behind the gateway.
//!
//! **Invariant:** a key checks tokens of its own algorithm and of no other. What a token says about
//! itself decides which keys are tried, never how one of them is used.

use std::fmt;

use jsonwebtoken::DecodingKey;
use serde::{Deserialize, de::IgnoredAny};

use super::{
    grant::{Name, Rights},
    signed::{ClaimsError, Key, Token},
};
use crate::{
    config::{Algorithm, TokenKey},
    dialect::Grant,
};

/// How far the clocks of issuer and gateway may be apart.
const LEEWAY_SECONDS: f64 = 5.0;

/// Checks tokens with one or more keys, all of them valid at once, so that keys can be rotated.
pub struct Verifier(Box<[Key]>);

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
        Self(keys.iter().filter_map(key).collect())
    }

    /// What the bearer of `token` may do at this time.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn verify(&self, token: &str, unix_seconds: u64) -> Result<Grant, Refused> {
        let token = Token::read(token).ok_or(Refused::NoKeyFits)?;
        if !self.0.iter().any(|key| key.has_signed(&token)) {
            return Err(Refused::NoKeyFits);
        }
        match token.claims::<Claims>() {
            Ok(claims) => claims.grant(token.is_critical, unix_seconds),
            Err(ClaimsError::NoToken) => Err(Refused::NoKeyFits),
            Err(ClaimsError::Other) => Err(CLAIMS),
        }
    }
}

const CLAIMS: Refused = Refused::Token("the claims of the token are not usable");

/// Keys are secrets, so logs show how many there are.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({} keys)", self.0.len())
    }
}

fn key(key: &TokenKey) -> Option<Key> {
    match key.alg {
        Algorithm::Hs256 => Some(Key::of_secret(key.secret.as_ref()?.expose().as_bytes())),
        Algorithm::Rs256 => {
            let pem = key.public_key.as_ref()?.expose();
            let key = DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
            Key::of_der(key.try_get_as_bytes().ok()?)
        }
    }
}

// === impl Claims ===

impl Claims {
    fn grant(self, is_critical: bool, unix_seconds: u64) -> Result<Grant, Refused> {
        // RFC 7515, section 4.1.11: whoever does not understand what is critical refuses it.
        if is_critical {
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
