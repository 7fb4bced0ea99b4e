//! Credentials that the nodes of a cluster share: the keys of the `im` dialect, and which of its tokens
//! were used.
//!
//! Contract, for every implementation of [`Credentials`]:
//!
//! - **Once**: of all who use the same token, on whichever nodes, one at most is told that it is the
//!   first; nobody is, if it cannot be known.
//! - **First come**: of all who offer a key, one is heeded, and all are told which.
//! - **Changes**: what an application changes past this gateway counts for every call that begins
//!   afterwards; nothing is cached.
//! - **Blocking**: every call ends within a limit of the implementation's own, with an error if need
//!   be.
//! - **Cancellation**: a call whose future is dropped may or may not be carried out.

use std::{fmt, future::Future, pin::Pin, time::Duration};

/// What a call comes to.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, CredentialsError>> + Send + 'a>>;

/// Keeps shared credentials. See the module's documentation for the contract.
pub trait Credentials: fmt::Debug + Send + Sync + 'static {
    /// The keys that are kept.
    fn keys(&self) -> Pending<'_, KeyTexts>;

    /// Keeps a key, unless there is one. Gives the one that is kept then.
    fn offer(&self, half: KeyHalf, pem: Box<str>) -> Pending<'_, Box<str>>;

    /// Takes note that the token with this SHA-256 digest is used, for the time `keep`. Says whether it
    /// is the first time.
    fn use_once(&self, digest: [u8; 32], keep: Duration) -> Pending<'_, bool>;
}

/// Which half of a pair of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyHalf {
    /// The one that signs.
    Private,
    /// The one that checks.
    Public,
}

/// Keys as PEM texts, whatever stands in them.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct KeyTexts {
    /// What tokens are signed with.
    pub private: Option<Box<str>>,
    /// What tokens are checked with.
    pub public: Option<Box<str>>,
}

/// Why a call came to nothing; another time it may be different.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("shared credentials are out of reach: {0}")]
pub struct CredentialsError(pub Box<str>);

impl fmt::Debug for KeyTexts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyTexts(..)")
    }
}
