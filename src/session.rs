//! One client, from upgrade to close.

pub mod frames;
mod utf8;
