//! The page at `/` in development mode: clients that talk to each other.
//!
//! **Invariant:** whoever can reach the node can read the page, and it has nothing in it that would be
//! good for more than to try the node.

use std::{fmt, sync::Arc};

use bytes::Bytes;

use crate::{config::Secret, dialect::Now};

/// The two who chat on the page: nobody whom an application is likely to have.
pub const CHAT_USERS: [u64; 2] = [9_000_000_001, 9_000_000_002];

const HTML: &str = include_str!("page/index.html");

/// The page, and how the token on it is made.
#[derive(Clone)]
pub struct Page {
    /// Good for `im` tokens alone.
    im_key: Option<Secret>,
    device_token: Arc<dyn Fn(Now) -> String + Send + Sync>,
}

impl Page {
    /// A page whose visitor may connect to the device dialect with a token of `device_token`, and to
    /// `im` with tokens that `im_key` is good for.
    pub fn new(
        im_key: Option<Secret>,
        device_token: impl Fn(Now) -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            im_key,
            device_token: Arc::new(device_token),
        }
    }

    pub(super) fn render(&self, now: Now) -> Bytes {
        let [one, other] = CHAT_USERS.map(|user| user.to_string());
        // A token is base64url and dots, a key hexadecimal: nothing that would have to be escaped.
        HTML.replace("{{device_token}}", &(self.device_token)(now))
            .replace(
                "{{im_key}}",
                self.im_key.as_ref().map_or("", Secret::expose),
            )
            .replace("{{one}}", &one)
            .replace("{{other}}", &other)
            .into()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page")
    }
}
