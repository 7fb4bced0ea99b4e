//! A key of the HTTP API: kept out of what is printed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// Name of the environment variable that may hold the API key.
pub const VARIABLE: &str = "LOADTEST_API_KEY";
/// Name of the one that may hold the secret that credentials of `live` are signed with.
pub const LIVE_VARIABLE: &str = "LOADTEST_LIVE_SECRET";
const RANDOM_BYTES: usize = 24;

/// A key.
#[derive(Clone, Eq, PartialEq)]
pub struct ApiKey(String);

impl ApiKey {
    /// The key of this text; `None` if it is empty or an HTTP header cannot hold it.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_key = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_key.then(|| Self(text.to_owned()))
    }

    /// The key in the environment, if there is a usable one.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        Self::from_variable(VARIABLE)
    }

    /// The key in this variable of the environment, if there is a usable one.
    #[must_use]
    pub fn from_variable(name: &str) -> Option<Self> {
        Self::new(&std::env::var(name).ok()?)
    }

    /// One that nobody knows.
    ///
    /// # Errors
    /// What the system reports.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; RANDOM_BYTES];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// Its text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_into_a_header_and_are_not_shown() {
        let key = ApiKey::new("secret").unwrap();
        assert_eq!(key.text(), "secret");
        assert!(!format!("{key:?}").contains("secret"));
        assert_eq!(ApiKey::new(""), None);
        assert_eq!(ApiKey::new("a\r\nb"), None);
        let (one, other) = (ApiKey::random().unwrap(), ApiKey::random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.text().len(), 2 * RANDOM_BYTES);
    }
}
