//! The embedded twin of shared credentials: they end with the process.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    future::ready,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::credentials::{Credentials, CredentialsError, KeyHalf, KeyTexts, Pending};

/// Most used tokens that are remembered, some 60 MiB. Only tokens that a key has signed come so far: at
/// the usual two minutes these are more than 4000 logins a second.
const USED_MAX: usize = 1 << 19;

/// Credentials of a node that is alone.
#[derive(Default)]
pub struct MemoryCredentials {
    keys: Mutex<KeyTexts>,
    used: Mutex<Used>,
}

/// Tokens that were used, and until when that matters.
#[derive(Default)]
struct Used {
    until: HashMap<[u8; 32], Instant>,
    /// The same, oldest first.
    order: VecDeque<(Instant, [u8; 32])>,
}

impl Credentials for MemoryCredentials {
    fn keys(&self) -> Pending<'_, KeyTexts> {
        Box::pin(ready(Ok(self.keys.lock().clone())))
    }

    fn offer(&self, half: KeyHalf, pem: Box<str>) -> Pending<'_, Box<str>> {
        let mut keys = self.keys.lock();
        let kept = match half {
            KeyHalf::Private => &mut keys.private,
            KeyHalf::Public => &mut keys.public,
        };
        let kept = kept.get_or_insert(pem).clone();
        Box::pin(ready(Ok(kept)))
    }

    fn use_once(&self, digest: [u8; 32], keep: Duration) -> Pending<'_, bool> {
        let is_first = self.used.lock().add(digest, keep, Instant::now(), USED_MAX);
        Box::pin(ready(is_first))
    }
}

impl Used {
    fn add(
        &mut self,
        digest: [u8; 32],
        keep: Duration,
        now: Instant,
        max: usize,
    ) -> Result<bool, CredentialsError> {
        while let Some((until, oldest)) = self.order.front()
            && *until <= now
        {
            if self.until.get(oldest).is_some_and(|until| *until <= now) {
                self.until.remove(oldest);
            }
            self.order.pop_front();
        }
        if self.until.get(&digest).is_some_and(|until| now < *until) {
            return Ok(false);
        }
        // To forget one would let its token in again.
        if max <= self.order.len() {
            return Err(CredentialsError("too many tokens were used".into()));
        }
        let until = now + keep;
        self.until.insert(digest, until);
        self.order.push_back((until, digest));
        Ok(true)
    }
}

impl fmt::Debug for MemoryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "MemoryCredentials({} used)",
            self.used.lock().order.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: Duration = Duration::from_secs(130);

    #[test]
    fn a_token_is_used_once_until_its_time_is_over() {
        let (mut used, now) = (Used::default(), Instant::now());
        let mut add = |digest: u8, later: u64| {
            let now = now + Duration::from_secs(later);
            used.add([digest; 32], KEEP, now, 2)
        };
        assert_eq!(add(1, 0), Ok(true));
        assert_eq!(add(1, 129), Ok(false));
        assert_eq!(add(2, 129), Ok(true));
        // There is no room, and nothing is forgotten for it.
        assert!(add(3, 129).is_err());
        assert_eq!(add(1, 130), Ok(true));
        assert_eq!(add(2, 130), Ok(false));
    }

    #[tokio::test]
    async fn the_first_key_that_is_offered_stays() {
        let credentials = MemoryCredentials::default();
        assert_eq!(credentials.keys().await, Ok(KeyTexts::default()));
        for _ in 0..2 {
            let pem = credentials.offer(KeyHalf::Private, "first".into()).await;
            assert_eq!(pem.as_deref(), Ok("first"));
        }
        let pem = credentials.offer(KeyHalf::Private, "second".into()).await;
        assert_eq!(pem.as_deref(), Ok("first"));
        assert_eq!(credentials.keys().await.unwrap().public, None);
    }
}
