//! Tokens of the `im` dialect ("wstoken"): JSON Web Tokens that are good for two minutes.
//!
//! **Invariant:** RS256 and no other algorithm, whatever a token says about itself; and no token is in a
//! log or an error.

mod memory;
mod ring;

#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, IgnoredAny, Visitor},
};

pub use self::memory::MemoryCredentials;
pub(super) use self::ring::{Keys, Ring};
use super::{
    issue::IssueError,
    jwt::Refused,
    signed::{ClaimsError, Key, Token},
};
use crate::{
    backend::event_id,
    config::{
        Algorithm,
        rsa::{PrivateKey, PublicKey},
    },
    id::Person,
};

/// How far the clocks of issuer and gateway may be apart.
pub(super) const LEEWAY: Duration = Duration::from_secs(5);
/// The claim `type` of these tokens.
const TYPE: &str = "websocket";

/// Keys that tokens are checked with, any of them, and the one that they are signed with.
#[derive(Default)]
pub(super) struct KeySet {
    checking: Vec<Key>,
    signing: Option<EncodingKey>,
}

/// The claims that matter; others are ignored.
#[derive(Deserialize)]
struct Claims {
    id: Holder,
    r#type: Box<str>,
    iat: f64,
    exp: f64,
    nbf: Option<f64>,
    aud: Option<IgnoredAny>,
}

/// The claims of a token that is made.
#[derive(Serialize)]
struct NewClaims {
    id: u64,
    r#type: &'static str,
    iat: u64,
    exp: u64,
    /// Chance: two tokens of one second are two, each of which is good for a login.
    jti: String,
}

/// A person, as a whole number or as its decimal digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Holder(pub(super) Person);

const NO_KEY_FITS: Refused = Refused::NoKeyFits;
const CLAIMS: Refused = Refused::Token("the claims of the token are not usable");

/// Whether a text could be a token at all, before any key is asked for.
pub(super) fn looks_like_one(token: &str) -> bool {
    read(token).is_some()
}

fn read(token: &str) -> Option<Token<'_>> {
    Token::read(token).filter(|token| token.algorithm() == Algorithm::Rs256)
}

/// The name under which it is noted that a token is used.
pub(super) fn digest_of(token: &str) -> [u8; 32] {
    let digest = digest(&SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// How long a token can be good, whenever it was made: its clock may be ahead, and ours behind.
pub(super) fn longest_life(max_age: Duration) -> Duration {
    max_age.saturating_add(2 * LEEWAY)
}

// === impl KeySet ===

impl KeySet {
    /// Checks with the public keys and with the public half of the private one. What cannot be read is
    /// left out.
    pub(super) fn new<'a>(
        public: impl IntoIterator<Item = &'a str>,
        private: Option<&str>,
    ) -> Self {
        let mut halves: Vec<PublicKey> =
            public.into_iter().filter_map(PublicKey::from_pem).collect();
        let pair = private.and_then(PrivateKey::from_pem);
        let own = pair.as_ref().map(PrivateKey::public);
        if let Some(own) = own
            && !halves.contains(&own)
        {
            halves.push(own);
        }
        let signing = |private: &str| EncodingKey::from_rsa_pem(private.trim().as_bytes()).ok();
        Self {
            checking: halves
                .iter()
                .filter_map(|half| Key::of_der(half.der()))
                .collect(),
            signing: pair.and(private).and_then(signing),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.checking.is_empty()
    }

    /// Whose token it is.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub(super) fn verify(
        &self,
        token: &str,
        unix_seconds: u64,
        max_age: Duration,
    ) -> Result<Person, Refused> {
        let token = read(token).ok_or(NO_KEY_FITS)?;
        if !self.checking.iter().any(|key| key.has_signed(&token)) {
            return Err(NO_KEY_FITS);
        }
        // RFC 7515, section 4.1.11: whoever does not understand what is critical refuses it.
        if token.is_critical {
            return Err(Refused::Token("the token has critical headers"));
        }
        match token.claims::<Claims>() {
            Ok(claims) => claims.check(unix_seconds, max_age),
            Err(ClaimsError::NoToken) => Err(NO_KEY_FITS),
            Err(ClaimsError::Other) => Err(CLAIMS),
        }
    }

    /// Makes a token, good from now on for `max_age`.
    ///
    /// # Errors
    ///
    /// There is no key to sign with.
    pub(super) fn sign(
        &self,
        person: Person,
        unix_seconds: u64,
        max_age: Duration,
    ) -> Result<String, IssueError> {
        let key = self.signing.as_ref().ok_or(NO_SIGNING_KEY)?;
        let claims = NewClaims {
            id: person.number(),
            r#type: TYPE,
            iat: unix_seconds,
            exp: unix_seconds.saturating_add(whole_seconds(max_age)),
            jti: event_id(),
        };
        encode(&Header::new(jsonwebtoken::Algorithm::RS256), &claims, key)
            .map_err(IssueError::Signature)
    }
}

/// Tokens count in seconds, and last for one at least.
pub(super) fn whole_seconds(max_age: Duration) -> u64 {
    max_age.as_secs().max(1)
}

const NO_SIGNING_KEY: IssueError = IssueError::NoKey(
    "dialect.im.private_key: is missing, and so is a string privateKey in Redis that can be used, so \
     somebody else signs the tokens",
);

/// Keys are secrets, so logs show how many there are.
impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.checking.len())
    }
}

// === impl Claims ===

impl Claims {
    fn check(self, unix_seconds: u64, max_age: Duration) -> Result<Person, Refused> {
        let now = unix_seconds as f64;
        let leeway = LEEWAY.as_secs_f64();
        if *self.r#type != *TYPE {
            return Err(Refused::Token("the token is for something else"));
        }
        // RFC 7519, section 4.1.3: a token for named others is not for whoever has no name.
        if self.aud.is_some() {
            return Err(Refused::Token("the token is for another audience"));
        }
        if self.exp + leeway <= now {
            return Err(Refused::Token("the token has expired"));
        }
        let begin = self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat));
        if now + leeway < begin {
            return Err(Refused::Token("the token is not valid yet"));
        }
        if self.iat + max_age.as_secs_f64() + leeway < now {
            return Err(Refused::Token("the token is too old"));
        }
        Ok(self.id.0)
    }
}

impl<'de> Deserialize<'de> for Holder {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl Visitor<'_> for Words {
            type Value = Holder;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number greater than 0")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Holder, E> {
                let person = Person::new(number);
                person.map(Holder).ok_or_else(|| {
                    de::Error::invalid_value(de::Unexpected::Unsigned(number), &self)
                })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Holder, E> {
                // Not the text itself: it is a part of a credential.
                let other = || de::Error::invalid_value(de::Unexpected::Other("a text"), &self);
                text.parse().map(Holder).map_err(|_| other())
            }
        }

        deserializer.deserialize_any(Words)
    }
}
