//! The page at `/` in development mode: two clients that talk to each other.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::dialect::Now;

const HTML: &str = include_str!("page/index.html");

/// The page, and how the token on it is made.
#[derive(Clone)]
pub struct Page {
    device_token: Arc<dyn Fn(Now) -> String + Send + Sync>,
}

impl Page {
    /// A page whose visitor may connect to the device dialect with a token of `device_token`.
    pub fn new(device_token: impl Fn(Now) -> String + Send + Sync + 'static) -> Self {
        Self {
            device_token: Arc::new(device_token),
        }
    }

    pub(super) fn render(&self, now: Now) -> Bytes {
        // A token is base64url and dots: nothing that would have to be escaped.
        HTML.replace("{{device_token}}", &(self.device_token)(now))
            .into()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}
