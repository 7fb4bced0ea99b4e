//! What clients of live rooms prove themselves with: the original's cipher, or a signed token.
//!
//! The cipher is 3DES in ECB mode. It keeps a text from being read, and hardly from being changed: whoever
//! has some credentials can put others together from their blocks. A signed token is the better way.
//!
//! **Invariant:** a credential and what is in it are in no log and no error.

pub mod cipher;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use self::cipher::Cipher;
use super::{jwt::Verifier, signed::TOKEN_BYTES_MAX};
use crate::{
    config::{Live, LiveAuth, Secret},
    dialect::{
        json::{self, Json, Object},
        live::{Party, Passes},
    },
};

/// How far a credential may be from the future, since clocks differ.
const AHEAD_SECONDS: f64 = 5.0 * 60.0;

/// Reads credentials as the settings say.
pub struct LivePasses(Way);

enum Way {
    Cipher {
        cipher: Box<Cipher>,
        max_age: Duration,
    },
    Jwt(Verifier),
    /// Without a key nobody comes in.
    None,
}

// === impl LivePasses ===

impl LivePasses {
    /// As these settings say.
    pub fn new(settings: &Live) -> Self {
        Self(match (settings.auth, &settings.key) {
            (LiveAuth::Jwt, _) => Way::Jwt(Verifier::new(&settings.keys)),
            (LiveAuth::TripleDes, Some(key)) => Way::Cipher {
                cipher: Box::new(Cipher::new(Secret::expose(key))),
                max_age: settings.max_age,
            },
            (LiveAuth::TripleDes, None) => Way::None,
        })
    }
}

impl Passes for LivePasses {
    fn read(&self, auth: &str, unix_seconds: u64) -> Option<Party> {
        if TOKEN_BYTES_MAX < auth.len() {
            return None;
        }
        match &self.0 {
            Way::Cipher { cipher, max_age } => {
                let text = String::from_utf8(cipher.decode(auth)?).ok()?;
                let object = object(&text)?;
                is_of_now(&object, *max_age, unix_seconds)
                    .then(|| Party::read(&object, "id"))
                    .flatten()
            }
            Way::Jwt(verifier) => {
                verifier.verify(auth, unix_seconds).ok()?;
                // Signed and in time: what it says beyond that is read here.
                let claims = auth.split('.').nth(1)?;
                let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
                Party::read(&object(&claims)?, "sub")
            }
            Way::None => None,
        }
    }
}

impl fmt::Debug for LivePasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LivePasses(..)")
    }
}

fn object(text: &str) -> Option<Object<'_>> {
    match json::parse(text)? {
        Json::Object(object) => Some(object),
        Json::Null | Json::Other => None,
    }
}

/// Whether a credential has the time in which it was made, and is neither too old nor from the future. A
/// limit of zero is none.
fn is_of_now(object: &Object<'_>, max_age: Duration, unix_seconds: u64) -> bool {
    if max_age.is_zero() {
        return true;
    }
    let made = object.find("ctime").ok().flatten().and_then(json::id);
    let made = made.and_then(|made| made.trim_ascii().parse::<f64>().ok());
    let Some(made) = made.filter(|made| made.is_finite()) else {
        return false;
    };
    let age = unix_seconds as f64 - made;
    -AHEAD_SECONDS <= age && age <= max_age.as_secs_f64()
}
