//! The one clock of the load generator.

use std::time::Instant;

/// The monotonic time now.
#[must_use]
#[allow(
    clippy::disallowed_methods,
    reason = "the rule is for the gateway, whose tests pause time; here real time is what is measured"
)]
pub fn now() -> Instant {
    Instant::now()
}
