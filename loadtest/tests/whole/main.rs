//! Whole runs against real nodes.

#![allow(clippy::unwrap_used)]

mod chaos;
mod chat;
mod echo;
mod foreign;
mod interrupt;
mod live;
mod looks;
mod mixed;
mod node;
mod positions;
mod processes;
mod push;
mod room;
mod silence;
mod slow;
