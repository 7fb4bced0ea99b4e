//! Processes that end with their owner.

use std::{
    fs::File,
    io::ErrorKind,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use crate::{machine::signal, until};

/// How often a process that was asked to end is looked at before it is killed.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// A process; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Whether it has children of its own, which it ends only when it is asked, not when it is killed.
    is_master: bool,
}

impl Process {
    /// Starts a program that appends its log to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log);
        let log = log.unwrap();
        command.stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|error| {
            let program = command.get_program().display();
            match error.kind() {
                ErrorKind::NotFound => panic!("{program} is missing: install its Debian package"),
                _ => panic!("{program}: {error}"),
            }
        });
        Self {
            child,
            is_master: false,
        }
    }

    /// The same for a program that serves with children.
    pub(crate) fn start_master(command: Command, log: &Path) -> Self {
        let mut process = Self::start(command, log);
        process.is_master = true;
        process
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, what: Signal) {
        signal(self.child.id(), what);
    }

    /// How it has ended, if it has.
    pub(crate) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the end of a process", || {
            status = self.status();
            std::future::ready(status.is_some())
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_master {
            self.signal(Signal::TERM);
            for _ in 0..LOOKS {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                thread::sleep(BETWEEN_LOOKS);
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
