//! The command `loadtest`: everything is in the library, so that it can be tested.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadtest::run(std::env::args_os())
}
