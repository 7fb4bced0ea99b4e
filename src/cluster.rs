//! The cluster: what makes many nodes one gateway.

pub mod directory;
pub mod streams;
