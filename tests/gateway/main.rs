//! Whole nodes, each in this process on a port of its own, and real sockets to them.
//!
//! Foreign clients check what well-behaved libraries see; a client of our own misbehaves on request.
//! No test waits for a time to pass where it can wait for something to happen, and every wait ends.

#![allow(clippy::unwrap_used, missing_docs)]

mod api;
mod backpressure;
mod bridge;
mod calls;
mod device;
mod drain;
mod foreign;
mod handshake;
mod happenings;
mod hooks;
mod im;
mod im_token;
mod jobs;
mod live;
mod mail;
mod on_close;
mod once;
mod process;
mod protocol;
mod pushes;
mod reload;
mod ride;
mod room;
mod schedules;
mod service;
mod support;
mod traces;
