//! `[[backend.methods]]`.

use std::time::Duration;

use super::CALL_TIMEOUT;
use crate::{
    config::{
        value::{HttpUrl, Secret},
        visit::{Section, Visitor},
    },
    dialect::DialectId,
};

/// One of `[[backend.methods]]`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Method {
    /// Beginning of the methods that it answers. Of several that fit, the longest counts.
    pub prefix: String,
    /// Where it is.
    pub url: HttpUrl,
    /// It must have answered by then.
    pub timeout: Duration,
    /// Signs what it is called with; absent: unsigned.
    pub secret: Option<Secret>,
    /// Whose clients may call it; empty: those of every dialect that has calls.
    pub dialects: Vec<DialectId>,
    /// Most calls under way from this node; more are refused at once. At 50 ms a call these are
    /// about a thousand calls per second.
    pub concurrency_max: u32,
    /// Longest answer, in bytes.
    pub answer_bytes_max: usize,
    /// After so many calls in a row without an answer it is not called for a while; 0: it always is.
    pub failures_max: u32,
    /// How long it is not called then.
    pub pause: Duration,
}

impl Method {
    /// The dialects that have calls.
    pub const DIALECTS: &[DialectId] = &[DialectId::Live, DialectId::Device];

    /// Whether clients of `dialect` may call it.
    pub fn serves(&self, dialect: DialectId) -> bool {
        Self::DIALECTS.contains(&dialect)
            && (self.dialects.is_empty() || self.dialects.contains(&dialect))
    }
}

impl Default for Method {
    fn default() -> Self {
        Self {
            prefix: String::new(),
            url: HttpUrl::default(),
            timeout: CALL_TIMEOUT,
            secret: None,
            dialects: Vec::new(),
            concurrency_max: 64,
            answer_bytes_max: 64 * 1024,
            failures_max: 5,
            pause: Duration::from_secs(5),
        }
    }
}

impl Section for Method {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("prefix", &mut self.prefix);
        visitor.required("url", &mut self.url);
        visitor.setting("timeout", &mut self.timeout);
        visitor.secret("secret", &mut self.secret);
        visitor.setting("dialects", &mut self.dialects);
        visitor.setting("concurrency_max", &mut self.concurrency_max);
        visitor.setting("answer_bytes_max", &mut self.answer_bytes_max);
        visitor.setting("failures_max", &mut self.failures_max);
        visitor.setting("pause", &mut self.pause);
    }
}
