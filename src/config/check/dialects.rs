//! What the dialects demand of their keys.

use std::collections::BTreeMap;

use jsonwebtoken::{DecodingKey, EncodingKey};

use super::Check;
use crate::config::{Algorithm, LiveAuth, LoginHook, RideTokens, TokenKey, setting::Scalar};

impl Check<'_> {
    pub(super) fn dialects(&mut self) {
        self.paths();
        self.ride();
        self.im();
        self.room();
        self.live();
        self.device();
        self.service();
    }

    fn service(&mut self) {
        let room = &self.config.dialect.room;
        self.not_zero("dialect.room.service_idle", room.service_idle);
    }

    fn paths(&mut self) {
        let dialects = &self.config.dialect;
        let mut taken = BTreeMap::new();
        for dialect in dialects.enabled() {
            let key = format!("dialect.{}.paths", dialect.label());
            for path in &dialects.mount(dialect).paths {
                let Some(shape) = shape(path) else {
                    let problem = format!(
                        "has {path:?}, expected paths that begin with / and whose segments are \
                         plain or a placeholder such as {{token}}"
                    );
                    self.mistake(key.clone(), problem);
                    continue;
                };
                if let Some(other) = taken.insert(shape, dialect) {
                    let other = other.label();
                    let problem = format!("has {path:?}, which dialect.{other}.paths has already");
                    self.mistake(key.clone(), problem);
                }
            }
        }
    }

    fn ride(&mut self) {
        let ride = &self.config.dialect.ride;
        self.token_keys("dialect.ride.keys", &ride.keys);
        self.login_hook("dialect.ride.hook", ride.hook.as_ref());
        if ride.realm.as_deref().is_some_and(|realm| !is_realm(realm)) {
            let problem = "is not usable, expected a word of letters, digits, - and _";
            self.mistake("dialect.ride.realm", problem);
        }
        if !ride.mount.enabled {
            return;
        }
        match ride.tokens {
            None => {
                let problem = format!("is missing, expected {}", RideTokens::EXPECTED);
                self.mistake("dialect.ride.tokens", problem);
            }
            Some(RideTokens::Any) if ride.realm.is_none() && !self.config.development => {
                let problem = "is missing, expected a word that keeps users whose token nobody \
                               checks apart from those of other dialects, since \
                               dialect.ride.tokens is \"any\"";
                self.mistake("dialect.ride.realm", problem);
            }
            Some(RideTokens::Jwt) if ride.keys.is_empty() => {
                let problem = "is missing, expected at least one key, since dialect.ride.tokens \
                               is \"jwt\"";
                self.mistake("dialect.ride.keys", problem);
            }
            Some(RideTokens::Hook) if ride.hook.is_none() => {
                let problem = "is missing, expected the address of a service, since \
                               dialect.ride.tokens is \"hook\"";
                self.mistake("dialect.ride.hook.url", problem);
            }
            Some(RideTokens::Any | RideTokens::Jwt | RideTokens::Hook) => {}
        }
    }

    fn device(&mut self) {
        let device = &self.config.dialect.device;
        self.token_keys("dialect.device.keys", &device.keys);
        self.login_hook("dialect.device.hook", device.hook.as_ref());
        if let Some(pem) = &device.private_key
            && EncodingKey::from_rsa_pem(pem.expose().as_bytes()).is_err()
        {
            let problem = "is not usable, expected an RSA private key, PEM";
            self.mistake("dialect.device.private_key", problem);
        }
        if device.mount.enabled && device.keys.is_empty() && device.hook.is_none() {
            let problem = "is missing, expected at least one key, or dialect.device.hook";
            self.mistake("dialect.device.keys", problem);
        }
    }

    fn live(&mut self) {
        let live = &self.config.dialect.live;
        self.token_keys("dialect.live.keys", &live.keys);
        if !live.mount.enabled {
            return;
        }
        match live.auth {
            LiveAuth::TripleDes if live.key.is_none() => {
                let problem = "is missing, expected the key that applications seal the auth of \
                               clients with, since dialect.live.auth is \"3des\"";
                self.mistake("dialect.live.key", problem);
            }
            LiveAuth::Jwt if live.keys.is_empty() => {
                let problem =
                    "is missing, expected at least one key, since dialect.live.auth is \"jwt\"";
                self.mistake("dialect.live.keys", problem);
            }
            LiveAuth::Jwt | LiveAuth::TripleDes => {}
        }
    }

    pub(super) fn token_keys(&mut self, key: &str, keys: &[TokenKey]) {
        for (index, token_key) in keys.iter().enumerate() {
            let key = format!("{key}[{index}]");
            let (needed, given, other, stray) = match token_key.alg {
                Algorithm::Hs256 => (
                    "secret",
                    &token_key.secret,
                    "public_key",
                    &token_key.public_key,
                ),
                Algorithm::Rs256 => (
                    "public_key",
                    &token_key.public_key,
                    "secret",
                    &token_key.secret,
                ),
            };
            if stray.is_some() {
                let problem = format!("is there, expected {needed} alone with this alg");
                self.mistake(format!("{key}.{other}"), problem);
            }
            let key = format!("{key}.{needed}");
            match (token_key.alg, given) {
                (Algorithm::Hs256, None) => {
                    let problem = "is missing, expected the secret that tokens are signed with, or \
                                   secret_file";
                    self.mistake(key, problem);
                }
                (Algorithm::Rs256, None) => {
                    let problem = "is missing, expected an RSA public key, PEM, or public_key_file";
                    self.mistake(key, problem);
                }
                (Algorithm::Rs256, Some(pem))
                    if DecodingKey::from_rsa_pem(pem.expose().as_bytes()).is_err() =>
                {
                    self.mistake(key, "is not usable, expected an RSA public key, PEM");
                }
                (Algorithm::Hs256 | Algorithm::Rs256, Some(_)) => {}
            }
        }
    }

    pub(super) fn login_hook(&mut self, key: &str, hook: Option<&LoginHook>) {
        if let Some(hook) = hook {
            self.not_zero(&format!("{key}.timeout"), hook.timeout);
        }
    }
}

/// The path with its placeholders nameless, so that two that match the same requests are equal.
fn shape(path: &str) -> Option<String> {
    let segments = path.strip_prefix('/')?.split('/').map(|segment| {
        let name = segment
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        match name {
            Some(name) if !name.is_empty() && is_plain(name) => Some("{}"),
            None if is_plain(segment) => Some(segment),
            _ => None,
        }
    });
    let segments: Option<Vec<&str>> = segments.collect();
    Some(format!("/{}", segments?.join("/")))
}

fn is_plain(segment: &str) -> bool {
    let stray = |c: char| matches!(c, '{' | '}' | '?' | '#' | '%') || !c.is_ascii_graphic();
    !segment.contains(stray)
}

/// It is a segment of a user's address, and must not be mistaken for the one that backends have.
fn is_realm(text: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.chars().all(allowed) && text != "backend"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_same_shape_are_equal() {
        assert_eq!(shape("/im/{token}"), shape("/im/{any}"));
        assert_ne!(shape("/room/{group}/"), shape("/room/{group}"));
        assert_eq!(shape("/").as_deref(), Some("/"));
        for path in ["", "ws", "/a{b}", "/{}", "/a b", "/a?b=c", "/{a}{b}", "/é"] {
            assert_eq!(shape(path), None, "{path}");
        }
    }
}
