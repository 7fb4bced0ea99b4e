//! What is fuzzed: the modules of the gateway that read what clients send and what operators write,
//! compiled by themselves.
//!
//! They are pure, so that neither a runtime nor a socket has to be built with instrumentation, and
//! this crate does not compile any more when that changes.

pub mod script;

pub use gateway::{
    close, config, dialect, digest, frame, happening, id, iso8601, lookup, message, position,
    record, session, topic, trace,
};

#[allow(dead_code, unused_imports)]
#[path = "../../../src"]
mod gateway {
    pub mod close;
    pub mod config;
    pub mod dialect;
    pub mod digest;
    pub mod frame;
    pub mod happening;
    pub mod id;
    pub mod iso8601;
    pub mod lookup;
    pub mod message;
    pub mod position;
    pub mod record;
    pub mod topic;
    pub mod trace;

    /// Of the sessions only what reads frames.
    pub mod session {
        pub mod frames;
        mod utf8;
    }
}
