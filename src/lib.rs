//! Tidegate: a WebSocket gateway cluster that speaks five existing dialects.

pub mod close;
pub mod config;
pub mod dialect;
pub mod frame;
pub mod id;
pub mod message;
pub mod topic;
