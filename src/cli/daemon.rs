//! `tidegate start --daemon`: this program again, in a session of its own, without a terminal.
//!
//! The child is ready when it has written its pid file, which it does with its sockets bound. Until
//! then the parent waits, so that whoever called it knows whether it worked.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{Read, Seek, SeekFrom},
    net::TcpListener,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use super::{Code, Done, Failure, chain, pid::Entry, pid::PidFile};
use crate::{
    config::{Config, ReloadSource},
    sockets::Exchange,
};

/// Between two looks at the child.
const POLL: Duration = Duration::from_millis(20);
/// A child that takes longer has something to wait for that will not come.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// As much of the log of a child that failed as is worth repeating.
const LOG_BYTES_MAX: u64 = 16 * 1024;

/// A node whose sockets the next one takes over.
#[derive(Debug)]
pub(super) struct Predecessor {
    /// Where it takes them.
    pub(super) exchange: Exchange,
    /// What it has listened on.
    pub(super) sockets: Vec<TcpListener>,
    /// Its process, if it still runs.
    pub(super) replaced: Option<u32>,
}

/// Starts a node in the background, in the place of another one if there is one `before`. Mistakes of the configuration are found here, where somebody
/// reads them.
pub(super) fn start(source: &ReloadSource, before: Option<&Predecessor>) -> Done {
    let config = source.load().map_err(Failure::wrong)?;
    let replaces = before.and_then(|before| before.replaced);
    PidFile::check(&config.pid_file, replaces).map_err(|error| Failure::failed(chain(&error)))?;
    let log = log_path(&config);
    let opened = open(&log).map_err(|error| format!("{}: {error}", log.display()));
    let mut file = opened.map_err(Failure::failed)?;
    let end = file.seek(SeekFrom::End(0)).unwrap_or_default();

    let mut child = spawn(source, &file, before).map_err(Failure::failed)?;
    if let Some(Predecessor {
        exchange, sockets, ..
    }) = before
    {
        // It may have ended at once, which is told below.
        let _ = exchange.hand_out(sockets);
    }
    match wait(&mut child, &config.pid_file).map_err(Failure::failed)? {
        Start::Ready => Ok(format!(
            "tidegate runs as process {}, and logs to {}",
            child.id(),
            log.display()
        )),
        Start::Ended(status) => {
            let code = if status.code() == Some(Code::Wrong as i32) {
                Code::Wrong
            } else {
                Code::Failed
            };
            let text = match tail(&log, end) {
                text if text.is_empty() => format!("tidegate ended at its start: {status}"),
                text => text,
            };
            Err(Failure { code, text })
        }
        Start::Late => {
            let _ = child.kill();
            let _ = child.wait();
            Err(Failure::failed(format!(
                "tidegate was not ready within {READY_TIMEOUT:?}, see {}",
                log.display()
            )))
        }
    }
}

/// In the child: leaves the session of the terminal, whose end would be ours too.
pub fn become_daemon() {
    // It fails for the leader of a group, who has no terminal to lose.
    let _ = rustix::process::setsid();
}

enum Start {
    Ready,
    Ended(ExitStatus),
    Late,
}

fn log_path(config: &Config) -> PathBuf {
    match &config.log.file {
        Some(path) => path.clone(),
        None => config.pid_file.with_file_name("tidegate.log"),
    }
}

/// For the owner only: in development mode the log holds the throw-away credentials.
fn open(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

fn spawn(
    source: &ReloadSource,
    log: &File,
    before: Option<&Predecessor>,
) -> std::io::Result<Child> {
    let mut arguments: Vec<OsString> = vec!["start".into(), "--daemon-child".into()];
    if let Some(path) = source.path() {
        arguments.extend(["--config".into(), path.into()]);
    }
    if let Some(Predecessor {
        exchange, replaced, ..
    }) = before
    {
        arguments.extend(["--sockets".into(), exchange.path().into()]);
        let replaces = replaced.map(|pid| ["--replaces".into(), pid.to_string().into()]);
        arguments.extend(replaces.into_iter().flatten());
    }
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .envs(source.environment())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
}

fn wait(child: &mut Child, pid_file: &Path) -> std::io::Result<Start> {
    let polls = READY_TIMEOUT.as_millis() / POLL.as_millis();
    for _ in 0..polls {
        if let Some(status) = child.try_wait()? {
            return Ok(Start::Ended(status));
        }
        if Entry::running(pid_file).is_some_and(|entry| entry.pid == child.id()) {
            return Ok(Start::Ready);
        }
        thread::sleep(POLL);
    }
    Ok(Start::Late)
}

/// What stands in the log behind `before`, or the last of it.
fn tail(path: &Path, before: u64) -> String {
    let read = || -> std::io::Result<String> {
        let length = fs::metadata(path)?.len();
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(
            before.max(length.saturating_sub(LOG_BYTES_MAX)),
        ))?;
        let mut bytes = Vec::new();
        file.take(LOG_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    };
    read().unwrap_or_default()
}
