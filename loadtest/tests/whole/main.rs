//! Whole runs against real nodes.

#![allow(clippy::unwrap_used)]

mod chaos;
mod chat;
mod echo;
mod looks;
mod node;
mod processes;
mod push;
mod room;
