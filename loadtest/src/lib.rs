#![doc = include_str!("../README.md")]

pub mod baseline;
pub mod chaos;
pub mod check;
pub mod cli;
pub mod client;
pub mod clock;
pub mod engine;
pub mod fit;
pub mod frame;
pub mod handshake;
pub mod html;
pub mod http;
mod interrupt;
pub mod key;
pub mod meter;
pub mod process;
pub mod processes;
pub mod progress;
pub mod prometheus;
pub mod publish;
pub mod rawserver;
pub mod report;
pub mod rng;
pub mod scenario;
pub mod server;
pub mod show;
pub mod sink;
pub mod socket;
pub mod template;
pub mod timeline;
pub mod token;

use std::ffi::OsString;
use std::process::ExitCode;

use scenario::RunError;

/// Runs the command line and gives the exit code: 0 fine, 1 failed or connections lost, 2 wrong usage.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match cli::parse(arguments) {
        Ok(command) => command,
        Err(cli::ParseError::Shown(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(cli::ParseError::Wrong(line)) => {
            eprintln!("{line}");
            return ExitCode::from(2);
        }
    };
    let outcome = match command {
        cli::Command::Idle(arguments) => scenario::run(&arguments),
        cli::Command::Handshake(arguments) => scenario::run(&arguments),
        cli::Command::Storm(arguments) => scenario::run(&arguments),
        cli::Command::Fanout(arguments) => scenario::run(&arguments),
        cli::Command::Room(arguments) => scenario::run(&arguments),
        cli::Command::Slow(arguments) => scenario::run(&arguments),
        cli::Command::Unicast(arguments) => scenario::run(&arguments),
        cli::Command::Echo(arguments) => scenario::run(&arguments),
        cli::Command::Chat(arguments) => scenario::run(&arguments),
        cli::Command::Push(arguments) => scenario::run(&arguments),
        cli::Command::Live(arguments) => scenario::run(&arguments),
        cli::Command::Mixed(arguments) => scenario::run(&arguments),
        cli::Command::Soak(arguments) => scenario::run(&arguments),
        cli::Command::RawServer(arguments) => rawserver::run(&arguments),
        cli::Command::Sink(arguments) => sink::run(&arguments),
        cli::Command::Check(arguments) => check::run(&arguments),
        cli::Command::Chaos(arguments) => chaos::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            match error {
                RunError::Usage(_) => ExitCode::from(2),
                RunError::Lost(_) | RunError::Failed(_) => ExitCode::FAILURE,
            }
        }
    }
}
