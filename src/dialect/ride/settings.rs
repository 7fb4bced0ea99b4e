//! Settings of the `ride` dialect, and the one comparison of secrets in it.

use std::{fmt, time::Duration};

use subtle::ConstantTimeEq as _;

use crate::dialect::Profile;

/// How the dialect is configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether clients of the document or of the running original are served.
    pub profile: Profile,
    /// Who vouches for a token.
    pub tokens: Tokens,
    /// What stands before every token in an address, with a `/` between them. Not empty, and not
    /// `backend`, which is no realm but where the backends are: with it, no login succeeds.
    pub realm: Option<Box<str>>,
    /// Clients that may address everybody.
    pub backends: Vec<Backend>,
    /// How long a client without credentials in its query has for the login frame.
    pub login_timeout: Duration,
}

/// Who vouches for a token.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Tokens {
    /// Nobody: a token is an address that its bearer claims.
    #[default]
    Any,
    /// A service, which is asked at the login. It holds in both profiles: a configured check that
    /// is skipped would be a hole.
    Ask,
}

/// A client that proves itself by a secret.
#[derive(Clone)]
pub struct Backend {
    /// Its id; the address is `user:backend/<client_id>`.
    pub client_id: Box<str>,
    /// What it presents as token, in the query or in the login frame.
    pub secret: Box<str>,
}

/// What a client id and a token say about a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Credentials {
    /// A backend with its secret.
    Backend,
    /// A backend's id with something else.
    WrongSecret,
    /// No backend.
    Ordinary,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            profile: Profile::default(),
            tokens: Tokens::default(),
            realm: None,
            backends: Vec::new(),
            login_timeout: Duration::from_secs(2),
        }
    }
}

impl Settings {
    /// Tells backends from others.
    pub(super) fn check(&self, client_id: Option<&str>, token: &str) -> Credentials {
        let backend = self
            .backends
            .iter()
            .find(|backend| Some(&*backend.client_id) == client_id);
        // Compared with itself where there is no backend of that name, so that the time taken does
        // not tell which names exist.
        let secret = backend.map_or(token, |backend| &backend.secret);
        match (backend, equal(secret, token)) {
            (None, _) => Credentials::Ordinary,
            (Some(_), true) => Credentials::Backend,
            (Some(_), false) => Credentials::WrongSecret,
        }
    }
}

/// Compares credentials in a time that depends on their lengths alone.
pub(super) fn equal(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

// === impl Backend ===

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}
