//! Keys that nobody has configured: fetched when they are needed, and kept for some seconds.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{task, time::Instant};

use super::{KeySet, LEEWAY, longest_life};
use crate::{
    config::rsa::{BITS, MakeKeyError, PrivateKey},
    credentials::{Credentials, CredentialsError, KeyHalf, KeyTexts},
};

/// How long keys are used without a look whether there are others: half of the time within which a
/// change has to count.
pub(super) const REFRESH: Duration = Duration::from_secs(5);
/// Most sets of earlier keys whose tokens may still be under way.
const EARLIER_MAX: usize = 4;
/// How long nothing is asked after a failure: whoever waited for the same answer is told the same.
const PAUSE: Duration = Duration::from_secs(1);

/// Keys, the newest first.
pub(in crate::auth) type Keys = Vec<Arc<KeySet>>;

/// Shared keys as this node knows them.
pub(in crate::auth) struct Ring {
    credentials: Arc<dyn Credentials>,
    /// Whether a pair is made when there is none.
    makes_keys: bool,
    state: Mutex<State>,
    /// One fetches, the others wait for it.
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    texts: KeyTexts,
    current: Arc<KeySet>,
    /// Those before, and until when they are good.
    earlier: Vec<(Arc<KeySet>, Instant)>,
    /// When the current ones were known to be so.
    fetched: Option<Instant>,
    /// Why they were not, and when, if that was later.
    failed: Option<(NoKeys, Instant)>,
}

/// Why there are no keys.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::auth) enum NoKeys {
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    #[error("a pair of keys cannot be made: {0}")]
    Making(#[from] MakeKeyError),
}

// === impl Ring ===

impl Ring {
    pub(in crate::auth) fn new(credentials: Arc<dyn Credentials>, makes_keys: bool) -> Self {
        Self {
            credentials,
            makes_keys,
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    pub(in crate::auth) fn credentials(&self) -> &Arc<dyn Credentials> {
        &self.credentials
    }

    /// The keys, if they need not be asked for.
    pub(in crate::auth) fn known(&self) -> Option<Keys> {
        self.state.lock().keys(REFRESH)
    }

    /// The keys, fetched if need be. `max_age` is that of tokens. While they are out of reach, those
    /// that were known last are used for as long as a token lives.
    pub(in crate::auth) async fn keys(&self, max_age: Duration) -> Result<Keys, NoKeys> {
        let _one = self.fetching.lock().await;
        if let Some(keys) = self.known() {
            return Ok(keys);
        }
        if let Some(keys) = self.state.lock().after_failure(max_age) {
            return keys;
        }
        let begin = Instant::now();
        let fetched = self.fetch().await;
        let mut state = self.state.lock();
        match fetched {
            Ok(texts) => {
                state.set(texts, begin, max_age);
                Ok(state.all())
            }
            Err(error) => {
                if state.failed.is_none() {
                    tracing::warn!(%error, "the keys of the im dialect are not there");
                }
                state.failed = Some((error.clone(), Instant::now()));
                state.last(max_age).ok_or(error)
            }
        }
    }

    async fn fetch(&self) -> Result<KeyTexts, NoKeys> {
        let texts = self.credentials.keys().await?;
        if !self.makes_keys || texts != KeyTexts::default() {
            return Ok(texts);
        }
        // All who find nothing offer a pair. One of them comes first, and its public half follows from
        // the private one, whoever writes it.
        let made = make().await?;
        let private = self.credentials.offer(KeyHalf::Private, made).await?;
        let public = match PrivateKey::from_pem(&private) {
            Some(pair) => {
                let pem = pair.to_pem()?.public.into();
                Some(self.credentials.offer(KeyHalf::Public, pem).await?)
            }
            None => None,
        };
        tracing::info!("a pair of keys was made for the im dialect");
        Ok(KeyTexts {
            private: Some(private),
            public,
        })
    }
}

#[cfg(test)]
impl Ring {
    /// Makes everything older that it knows.
    pub(super) fn age(&self, by: Duration) {
        let mut state = self.state.lock();
        state.fetched = state.fetched.map(|at| at - by);
        if let Some((_, at)) = &mut state.failed {
            *at -= by;
        }
        for (_, until) in &mut state.earlier {
            *until -= by;
        }
    }
}

/// Makes a private key, which takes a tenth of a second, where it delays nobody.
async fn make() -> Result<Box<str>, MakeKeyError> {
    let making = task::spawn_blocking(|| {
        let pair = PrivateKey::make(BITS)?.to_pem()?;
        Ok(pair.private.expose().into())
    });
    making.await.unwrap_or(Err(MakeKeyError::Library))
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("credentials", &self.credentials)
            .field("keys", &self.state.lock().current)
            .finish_non_exhaustive()
    }
}

// === impl State ===

impl State {
    /// All keys that are good, if they are known to be so for no longer than `age`.
    fn keys(&mut self, age: Duration) -> Option<Keys> {
        let is_known = self.fetched.is_some_and(|at| at.elapsed() < age);
        is_known.then(|| self.all())
    }

    /// The keys that were known last, for as long as a token lives.
    fn last(&mut self, max_age: Duration) -> Option<Keys> {
        self.keys(max_age.saturating_add(LEEWAY))
    }

    /// What is to be done right after a failure.
    fn after_failure(&mut self, max_age: Duration) -> Option<Result<Keys, NoKeys>> {
        let (error, at) = self.failed.as_ref()?;
        let error = (at.elapsed() < PAUSE).then(|| error.clone())?;
        Some(self.last(max_age).ok_or(error))
    }

    fn all(&mut self) -> Keys {
        let now = Instant::now();
        self.earlier.retain(|(_, until)| now < *until);
        let earlier = self.earlier.iter().map(|(keys, _)| keys);
        std::iter::once(&self.current)
            .chain(earlier)
            .cloned()
            .collect()
    }

    fn set(&mut self, texts: KeyTexts, fetched: Instant, max_age: Duration) {
        let is_first = self.fetched.is_none();
        self.fetched = Some(fetched);
        if self.failed.take().is_some() {
            tracing::info!("the keys of the im dialect are there again");
        }
        if !is_first && self.texts == texts {
            return;
        }
        let keys = KeySet::new(texts.public.as_deref(), texts.private.as_deref());
        if keys.is_empty() {
            tracing::warn!("the im dialect has no keys: nobody can log in to it");
        } else if !is_first {
            tracing::info!("the keys of the im dialect have changed");
        }
        let before = std::mem::replace(&mut self.current, Arc::new(keys));
        if !before.is_empty() {
            // A node that has not noticed yet signs with them for a while.
            let until = Instant::now() + longest_life(max_age) + REFRESH;
            self.earlier.insert(0, (before, until));
            self.earlier.truncate(EARLIER_MAX);
        }
        self.texts = texts;
    }
}
