//! API keys: who may use the HTTP API, for what, and how often.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use parking_lot::Mutex;
use subtle::ConstantTimeEq as _;
use tokio::time::Instant;

use super::budget::Budget;
use crate::config::{ApiKey, Scope};

/// The keys that are valid now. They can be replaced while the node runs.
#[derive(Debug)]
pub struct ApiKeys(ArcSwap<Box<[Arc<Key>]>>);

/// A valid key.
#[derive(Debug)]
pub struct Key {
    /// Of equal length for all keys, so that comparing tells nothing about theirs.
    digest: [u8; 32],
    scopes: Scopes,
    name: Box<str>,
    /// Requests per second in the long run; 0 is no limit.
    rate: u32,
    /// Requests at once after a pause.
    burst: u32,
    budget: Mutex<Budget>,
}

/// What the bearer of a key may do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Scopes(u8);

// === impl ApiKeys ===

impl ApiKeys {
    /// These keys are valid.
    pub fn new(keys: &[ApiKey]) -> Self {
        Self(ArcSwap::from_pointee(table(keys, &[])))
    }

    /// These keys are valid from now on, and no others. What those that stay have used up stays used up.
    pub fn reload(&self, keys: &[ApiKey]) {
        self.0.store(table(keys, &self.0.load()).into());
    }

    /// The valid key that this is; nothing is known of who is not on the list.
    pub fn find(&self, key: &str) -> Option<Arc<Key>> {
        let digest = sha256(key);
        let mut found = None;
        // To the end of the list, whichever it is.
        for key in &**self.0.load() {
            if key.digest.ct_eq(&digest).into() {
                found = Some(Arc::clone(key));
            }
        }
        found
    }
}

// === impl Key ===

impl Key {
    /// Whether its bearer may do what is of `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }

    /// What it is called in logs; says nothing about the key itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a request that its bearer makes now.
    ///
    /// # Errors
    ///
    /// It is over its rate: after how many seconds there will be another one.
    pub fn take(&self, now: Instant) -> Result<(), u64> {
        if self.rate == 0 {
            return Ok(());
        }
        let (rate, burst) = (f64::from(self.rate), f64::from(self.burst.max(1)));
        self.budget.lock().take(rate, burst, now)
    }

    /// Takes so many more with the one that was taken: the next one waits for them.
    pub fn owe(&self, requests: usize) {
        if self.rate != 0 {
            self.budget.lock().owe(requests as f64);
        }
    }
}

/// A key that stands twice may do what both entries say.
fn table(keys: &[ApiKey], before: &[Arc<Key>]) -> Box<[Arc<Key>]> {
    let now = Instant::now();
    let mut table: Vec<Key> = Vec::new();
    for (index, key) in keys.iter().enumerate() {
        let digest = sha256(key.key.expose());
        let scopes = Scopes::new(&key.scopes);
        if let Some(other) = table.iter_mut().find(|other| other.digest == digest) {
            other.scopes.0 |= scopes.0;
            continue;
        }
        let burst = key.burst();
        let known = before.iter().find(|known| known.digest == digest);
        let budget = known.filter(|known| known.rate != 0).map_or_else(
            || Budget::new(f64::from(burst.max(1)), now),
            |known| *known.budget.lock(),
        );
        table.push(Key {
            digest,
            scopes,
            name: match &key.name {
                Some(name) => name.as_str().into(),
                None => format!("api.keys[{index}]").into(),
            },
            rate: key.requests_per_second,
            burst,
            budget: Mutex::new(budget),
        });
    }
    table.into_iter().map(Arc::new).collect()
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
    use std::time::Duration;

    use super::*;
    use crate::config::Secret;

    fn key(key: &str, scopes: &[Scope]) -> ApiKey {
        ApiKey {
            key: Secret::new(key),
            scopes: scopes.to_vec(),
            ..ApiKey::default()
        }
    }

    #[test]
    fn each_key_has_its_own_scopes() {
        let keys = ApiKeys::new(&[
            key("first", &[Scope::Publish]),
            key("second", &[Scope::Read, Scope::Token]),
        ]);
        let first = keys.find("first").unwrap();
        assert!(first.allows(Scope::Publish));
        assert!(!first.allows(Scope::Read));
        let second = keys.find("second").unwrap();
        assert!(second.allows(Scope::Read) && second.allows(Scope::Token));
        assert!(!second.allows(Scope::Publish) && !second.allows(Scope::Admin));
        for wrong in ["", "firs", "first ", "First"] {
            assert!(keys.find(wrong).is_none(), "{wrong}");
        }
        assert!(ApiKeys::new(&[]).find("").is_none());
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
        assert!(keys.find("old").is_none());
        let both = Scopes::new(&[Scope::Read, Scope::Publish]);
        assert_eq!(keys.find("new").unwrap().scopes, both);
    }

    #[test]
    fn a_key_has_its_rate_which_a_reload_does_not_give_back() {
        let mut now = Instant::now() + Duration::from_secs(1);
        let slow = ApiKey {
            requests_per_second: 2,
            requests_burst: Some(3),
            ..key("slow", &[Scope::Read])
        };
        let keys = ApiKeys::new(&[slow.clone(), key("free", &[Scope::Read])]);
        let (found, free) = (keys.find("slow").unwrap(), keys.find("free").unwrap());
        assert_eq!(free.name(), "api.keys[1]");
        for _ in 0..3 {
            assert_eq!(found.take(now), Ok(()));
        }
        assert_eq!(found.take(now), Err(1));
        keys.reload(&[slow]);
        let found = keys.find("slow").unwrap();
        assert_eq!(found.take(now), Err(1));
        now += Duration::from_millis(500);
        assert_eq!(found.take(now), Ok(()));
        // Ten at once are paid for in five seconds.
        found.owe(9);
        assert_eq!(found.take(now), Err(5));
        now += Duration::from_secs(5);
        assert_eq!(found.take(now), Ok(()));
        for _ in 0..1000 {
            assert_eq!(free.take(now), Ok(()));
        }
    }
}
