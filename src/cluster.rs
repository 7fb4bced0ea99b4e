//! The cluster: what makes many nodes one gateway.

pub mod streams;
