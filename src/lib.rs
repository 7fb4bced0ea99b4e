//! Tidegate: a WebSocket gateway cluster that speaks five existing dialects.

pub mod admin;
pub mod app;
pub mod auth;
pub mod backend;
pub mod cli;
pub mod clock;
pub mod close;
pub mod config;
pub mod dialect;
pub mod drain;
pub mod frame;
pub mod id;
pub mod ingress;
pub mod log;
pub mod message;
pub mod outbox;
pub mod router;
pub mod services;
pub mod session;
pub mod stats;
pub mod telemetry;
pub mod topic;
