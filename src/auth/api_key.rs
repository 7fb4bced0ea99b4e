//! API keys: who may use the HTTP API, and for what.

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use subtle::ConstantTimeEq as _;

use crate::config::{ApiKey, Scope};

/// The keys that are valid now. They can be replaced while the node runs.
#[derive(Debug)]
pub struct ApiKeys(ArcSwap<Box<[Key]>>);

#[derive(Debug)]
struct Key {
    /// Of equal length for all keys, so that comparing tells nothing about theirs.
    digest: [u8; 32],
    scopes: Scopes,
}

/// What the bearer of a key may do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Scopes(u8);

// === impl ApiKeys ===

impl ApiKeys {
    /// These keys are valid.
    pub fn new(keys: &[ApiKey]) -> Self {
        Self(ArcSwap::from_pointee(table(keys)))
    }

    /// These keys are valid from now on, and no others.
    pub fn reload(&self, keys: &[ApiKey]) {
        self.0.store(table(keys).into());
    }

    /// What the bearer of `key` may do; nothing is known of who is not on the list.
    pub fn find(&self, key: &str) -> Option<Scopes> {
        let digest = sha256(key);
        let mut found = None;
        // To the end of the list, whichever it is.
        for key in &**self.0.load() {
            if key.digest.ct_eq(&digest).into() {
                found = Some(key.scopes);
            }
        }
        found
    }
}

/// A key that stands twice may do what both entries say.
fn table(keys: &[ApiKey]) -> Box<[Key]> {
    let mut table: Vec<Key> = Vec::new();
    for key in keys {
        let digest = sha256(key.key.expose());
        let scopes = Scopes::new(&key.scopes);
        match table.iter_mut().find(|other| other.digest == digest) {
            Some(other) => other.scopes.0 |= scopes.0,
            None => table.push(Key { digest, scopes }),
        }
    }
    table.into()
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

// === impl Scopes ===

impl Scopes {
    /// Exactly what the list says, and what it implies: who administers may also publish and read,
    /// since kicking and draining is more than both. Tokens are another matter, because with one its
    /// bearer becomes somebody else.
    pub fn new(scopes: &[Scope]) -> Self {
        let mut bits = 0;
        for scope in scopes {
            bits |= bit(*scope);
            if *scope == Scope::Admin {
                bits |= bit(Scope::Publish) | bit(Scope::Read);
            }
        }
        Self(bits)
    }

    /// Whether `scope` is among them.
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }
}

const fn bit(scope: Scope) -> u8 {
    1 << scope as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn key(key: &str, scopes: &[Scope]) -> ApiKey {
        ApiKey {
            key: Secret::new(key),
            scopes: scopes.to_vec(),
        }
    }

    #[test]
    fn each_key_has_its_own_scopes() {
        let keys = ApiKeys::new(&[
            key("first", &[Scope::Publish]),
            key("second", &[Scope::Read, Scope::Token]),
        ]);
        let first = keys.find("first").unwrap();
        assert!(first.allow(Scope::Publish));
        assert!(!first.allow(Scope::Read));
        let second = keys.find("second").unwrap();
        assert!(second.allow(Scope::Read) && second.allow(Scope::Token));
        assert!(!second.allow(Scope::Publish) && !second.allow(Scope::Admin));
        for wrong in ["", "firs", "first ", "First"] {
            assert_eq!(keys.find(wrong), None, "{wrong}");
        }
        assert_eq!(ApiKeys::new(&[]).find(""), None);
    }

    #[test]
    fn who_administers_publishes_and_reads_but_makes_no_tokens() {
        let admin = Scopes::new(&[Scope::Admin]);
        assert!(admin.allow(Scope::Admin) && admin.allow(Scope::Publish));
        assert!(admin.allow(Scope::Read) && !admin.allow(Scope::Token));
    }

    #[test]
    fn keys_are_replaced_while_others_look_them_up() {
        let keys = ApiKeys::new(&[key("old", &[Scope::Read])]);
        keys.reload(&[key("new", &[Scope::Read]), key("new", &[Scope::Publish])]);
        assert_eq!(keys.find("old"), None);
        let both = Scopes::new(&[Scope::Read, Scope::Publish]);
        assert_eq!(keys.find("new"), Some(both));
    }
}
