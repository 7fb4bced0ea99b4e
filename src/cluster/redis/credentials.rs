//! What the nodes of a cluster share of credentials, in Redis.
//!
//! The names of the keys of the `im` dialect are those of the original system, without a prefix.

use std::time::Duration;

use redis::{Value, cmd};

use super::{
    errors::{from_value, unexpected},
    keys::Keys,
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    credentials::{Credentials, CredentialsError, KeyHalf, KeyTexts, Pending},
};

/// What tokens are signed with.
const PRIVATE_KEY: &str = "privateKey";
/// What tokens are checked with.
const PUBLIC_KEY: &str = "publicKey";

/// Credentials of a cluster.
#[derive(Debug)]
pub struct RedisCredentials {
    servers: Servers,
    keys: Keys,
}

impl RedisCredentials {
    pub(super) fn new(servers: Servers, keys: Keys) -> Self {
        Self { servers, keys }
    }

    async fn fetch(&self) -> Result<KeyTexts, StreamsError> {
        let get = |key: &str| (key.to_owned(), cmd("GET").arg(key).take());
        let commands = vec![get(PRIVATE_KEY), get(PUBLIC_KEY)];
        let answers = self.servers.call_in_time(commands).await?;
        let [private, public] = answers.try_into().map_err(|_| unexpected())?;
        Ok(KeyTexts {
            private: text(private)?,
            public: text(public)?,
        })
    }

    async fn set(&self, half: KeyHalf, pem: Box<str>) -> Result<Box<str>, StreamsError> {
        let key = match half {
            KeyHalf::Private => PRIVATE_KEY,
            KeyHalf::Public => PUBLIC_KEY,
        };
        let mut set = cmd("SET");
        set.arg(key).arg(&*pem).arg(&["NX", "GET"]);
        let before = text(self.servers.call_one(key, set).await?)?;
        Ok(before.unwrap_or(pem))
    }

    async fn note(&self, digest: [u8; 32], keep: Duration) -> Result<bool, StreamsError> {
        let key = self.keys.used_token(&digest);
        let mut set = cmd("SET");
        set.arg(&key).arg(1).arg("NX");
        set.arg("EX").arg(keep.as_secs().saturating_add(1));
        Ok(self.servers.call_one(&key, set).await? != Value::Nil)
    }
}

impl Credentials for RedisCredentials {
    fn keys(&self) -> Pending<'_, KeyTexts> {
        Box::pin(async move { self.fetch().await.map_err(error) })
    }

    fn offer(&self, half: KeyHalf, pem: Box<str>) -> Pending<'_, Box<str>> {
        Box::pin(async move { self.set(half, pem).await.map_err(error) })
    }

    fn use_once(&self, digest: [u8; 32], keep: Duration) -> Pending<'_, bool> {
        Box::pin(async move { self.note(digest, keep).await.map_err(error) })
    }
}

/// A text that is not empty. One that is no UTF-8 is no key either.
fn text(value: Value) -> Result<Option<Box<str>>, StreamsError> {
    let bytes: Option<Vec<u8>> = from_value(value)?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok(text.filter(|text| !text.is_empty()).map(Into::into))
}

fn error(error: StreamsError) -> CredentialsError {
    CredentialsError(error.to_string().into())
}
