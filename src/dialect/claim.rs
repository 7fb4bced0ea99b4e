//! Claims: what only one session in the cluster may hold, and the digest that stands for it.

use std::{fmt, num::NonZeroU64, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};

/// What only one session in the cluster may hold, for example a client id.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Claim(pub Arc<str>);

/// A digest of a claim: 128 bits, the same on every node. Shorter than what is claimed, and no credential.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct ClaimKey(NonZeroU64, u64);

// === impl Claim ===

/// Claims may contain credentials, so logs show none of them.
impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claim(..)")
    }
}

impl Claim {
    /// What it is held and told of under.
    pub fn key(&self) -> ClaimKey {
        let digest = digest(&SHA256, self.0.as_bytes());
        let (words, _) = digest.as_ref().as_chunks::<8>();
        let (first, second) = (u64::from_be_bytes(words[0]), u64::from_be_bytes(words[1]));
        // No claim has 0 there that anybody could find.
        ClaimKey(NonZeroU64::new(first).unwrap_or(NonZeroU64::MAX), second)
    }
}

// === impl ClaimKey ===

impl ClaimKey {
    /// As it is told to other nodes.
    pub const fn words(self) -> (u64, u64) {
        (self.0.get(), self.1)
    }
}

/// Of a digest nobody learns anything, but it is long.
impl fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimKey(..)")
    }
}
