//! What an idle session takes, so that nothing of it grows unseen: each part as the allocator rounds it up.

mod turns;

use std::mem::size_of;

use super::{Ending, Session, socket::Socket};
use crate::router::{index::Subscribers, subscriber::Subscriber};

/// What an `Arc` counts with.
const COUNTERS: usize = 2 * size_of::<usize>();

#[track_caller]
fn check(bytes: usize, bytes_max: usize) {
    assert!(bytes <= bytes_max, "{bytes} bytes, {bytes_max} at most");
}

#[test]
fn an_idle_session_is_three_allocations_of_known_sizes() {
    check(COUNTERS + size_of::<Session>(), 224);
    check(COUNTERS + size_of::<Subscriber>(), 256);
    check(COUNTERS + size_of::<Socket>(), 32);
}

#[test]
fn what_points_at_a_session_is_a_pointer() {
    check(size_of::<Option<Ending>>(), 8);
    check(size_of::<Subscribers>(), 16);
}
