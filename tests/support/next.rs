//! The node as the release after this one, which knows one more version of the bus: what rolling
//! upgrades are tested with.

use std::process::ExitCode;

#[path = "../../src/main.rs"]
mod node;

fn main() -> ExitCode {
    node::main()
}
