//! The command line: what each verb does, in terms of the configuration and of a node that runs
//! here. Running a node itself is the business of `main.rs`.

pub mod args;
mod control;
mod daemon;
mod explain;
mod jobs;
mod keys;
mod machine;
mod manage;
pub mod pid;
mod restart;
mod tail;
mod token;
mod welcome;

use std::{collections::BTreeMap, fmt::Display, io::Write, process::ExitCode};

pub use args::{Command, Invocation, Start, parse};
pub use daemon::become_daemon;
pub use machine::{Machine, raise_open_files};
pub use welcome::welcome;

use crate::{
    app,
    config::{ReloadSource, is_ours},
};

/// Why a verb was not done. Displayed on stderr, one line per mistake.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    text: String,
}

/// The exit codes of the documentation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Code {
    /// It did not work.
    Failed = 1,
    /// Wrong usage or configuration.
    Wrong = 2,
}

/// What a verb prints on stdout.
type Done = Result<String, Failure>;

/// The process environment, as far as it is configuration.
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            // A value that is not UTF-8 is a mistake, and is to be reported like any other.
            let value = value.to_string_lossy().into_owned();
            is_ours(&name).then_some((name, value))
        })
        .collect()
}

/// Does everything but running a node in this process.
pub fn run(invocation: Invocation, environment: BTreeMap<String, String>) -> ExitCode {
    let source = ReloadSource::new(invocation.config, environment);
    exit(match invocation.command {
        Command::Start(_) => daemon::start(&source, None),
        Command::Stop => manage::stop(&source),
        Command::Reload => manage::reload(&source),
        Command::Restart => restart::restart(source),
        Command::Status(wanted) => manage::status(&source, wanted),
        Command::Say { text } => manage::say(&source, &text),
        Command::Explain(wanted) => explain::explain(&source, &wanted),
        Command::Tail(wanted) => tail::tail(&source, &wanted),
        Command::Check => check(&source),
        Command::Token(wanted) => token::token(&source, wanted),
        Command::Keys(wanted) => keys::keys(&wanted),
        Command::Jobs(wanted) => jobs::jobs(&source, &wanted),
    })
}

/// Prints the end of a verb, or of a node.
pub fn exit(done: Done) -> ExitCode {
    match done {
        Ok(text) => {
            say(&text);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            complain(&failure.text);
            ExitCode::from(failure.code as u8)
        }
    }
}

/// Prints on stdout. Whoever reads it may be gone, as in `tidegate status | head -1`.
pub fn say(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
    }
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

fn check(source: &ReloadSource) -> Done {
    let config = source.load().map_err(Failure::wrong)?;
    app::check_addresses(&config).map_err(|error| Failure::wrong(chain(&error)))?;
    let mut text = "configuration is fine\n".to_owned();
    let warnings = config.warnings().into_iter();
    for warning in warnings.chain(Machine::read().warnings(&config)) {
        text.push_str(&format!("warning: {warning}\n"));
    }
    Ok(text)
}

// === impl Failure ===

impl Failure {
    /// The same, and what follows from it.
    fn and(mut self, consequence: String) -> Self {
        self.text = format!("{}\n{consequence}", self.text);
        self
    }

    /// It did not work.
    pub fn failed(problem: impl Display) -> Self {
        Self {
            code: Code::Failed,
            text: problem.to_string(),
        }
    }

    /// Wrong usage or configuration.
    pub fn wrong(problem: impl Display) -> Self {
        Self {
            code: Code::Wrong,
            text: problem.to_string(),
        }
    }
}

/// What others have chosen, for a terminal, which takes control characters for orders.
fn printable(text: &str) -> String {
    let shown = text.chars().map(|char| match char.is_control() {
        true => char.escape_default().to_string(),
        false => char.to_string(),
    });
    shown.collect()
}

/// An error with what it was caused by, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_line = cause.to_string();
        if !line.ends_with(&cause_line) {
            line.push_str(": ");
            line.push_str(&cause_line);
        }
        next = cause.source();
    }
    line
}
