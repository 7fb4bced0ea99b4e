//! Redis and the nodes as processes of this one: each in its own folder, on its own ports, and killed when dropped.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::redis;
use crate::interrupt::Interrupt;
use crate::key::ApiKey;
use crate::scenario::RunError;

/// Below the ports that the kernel gives to whoever connects: those would be taken while a node is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Enough for many nodes.
const PORTS_PER_PROCESS: u16 = 60;
/// Redis starts within this even on a busy machine.
const REDIS_START: Duration = Duration::from_secs(10);
/// It answers within this.
const ANSWER_MAX: Duration = Duration::from_millis(500);
/// A drained node has ended within its grace and some seconds.
const DRAIN_MAX: Duration = Duration::from_secs(12);

/// A folder that is removed at the end, unless somebody wants to look into it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    pub(super) keep: bool,
}

/// A process that ends with its owner.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
}

/// A Redis without persistence.
#[derive(Debug)]
pub(super) struct Redis {
    process: Process,
    folder: PathBuf,
    pub(super) address: SocketAddr,
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    process: Process,
    program: PathBuf,
    folder: PathBuf,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// What all nodes have in common.
#[derive(Debug)]
pub(super) struct Blueprint<'a> {
    /// The gateway's program.
    pub(super) program: &'a Path,
    pub(super) redis: SocketAddr,
    /// Allows publishing over HTTP.
    pub(super) key: &'a ApiKey,
}

/// Gives ports of the loopback that nobody has, each once.
#[derive(Debug)]
pub(super) struct Ports {
    next: u16,
}

impl Folder {
    pub(super) fn new() -> Result<Self, RunError> {
        let path = std::env::temp_dir().join(format!("tidegate-chaos-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| failed(&path.display(), &error))?;
        Ok(Self { path, keep: false })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn inner(&self, name: &str) -> Result<PathBuf, RunError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(|error| failed(&path.display(), &error))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            // Left behind it does no harm: it is in the folder for temporary files.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

impl Process {
    /// Starts a program in a folder; what it says is added to a file there.
    fn start(program: &Path, arguments: &[&str], folder: &Path) -> Result<Self, RunError> {
        let name = program.display();
        let log = File::options()
            .create(true)
            .append(true)
            .open(folder.join("log"));
        let log = log.map_err(|error| failed(&name, &error))?;
        let errors = log.try_clone().map_err(|error| failed(&name, &error))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C is for this process, which then stops the others itself.
            .process_group(0)
            .spawn()
            .map_err(|error| failed(&name, &error))?;
        Ok(Self { child })
    }

    fn signal(&self, signal: Signal) -> Result<(), RunError> {
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| failed(&"signal", &io::Error::from(error)))
    }

    fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    fn kill(&mut self) {
        // Whether it had ended by itself does not matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Stands still for a while.
    fn freeze(&self, time: Duration, interrupt: &Interrupt) -> Result<(), RunError> {
        self.signal(Signal::STOP)?;
        let slept = interrupt.sleep(time);
        self.signal(Signal::CONT)?;
        slept
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Redis {
    pub(super) fn start(
        folder: &Folder,
        ports: &mut Ports,
        interrupt: &Interrupt,
    ) -> Result<Self, RunError> {
        let folder = folder.inner("redis")?;
        let address = ports.next()?;
        let process = Self::launch(&folder, address, interrupt)?;
        Ok(Self {
            process,
            folder,
            address,
        })
    }

    fn launch(
        folder: &Path,
        address: SocketAddr,
        interrupt: &Interrupt,
    ) -> Result<Process, RunError> {
        let port = address.port().to_string();
        let arguments = [
            "--port",
            &port,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ];
        let mut process = Process::start(Path::new("redis-server"), &arguments, folder)?;
        let is_up = interrupt.wait(REDIS_START, || {
            process.has_ended() || redis::is_process(address, process.child.id(), ANSWER_MAX)
        })?;
        if !is_up || process.has_ended() {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            return Err(RunError::Failed(format!(
                "redis-server does not start: {log}"
            )));
        }
        Ok(process)
    }

    pub(super) fn freeze(&self, time: Duration, interrupt: &Interrupt) -> Result<(), RunError> {
        self.process.freeze(time, interrupt)
    }

    /// Kills it and starts it with nothing in it.
    pub(super) fn restart(&mut self, interrupt: &Interrupt) -> Result<(), RunError> {
        self.process.kill();
        self.process = Self::launch(&self.folder, self.address, interrupt)?;
        Ok(())
    }
}

impl Node {
    /// Starts node `index` of the cluster.
    pub(super) fn start(
        blueprint: &Blueprint<'_>,
        index: usize,
        folder: &Folder,
        ports: &mut Ports,
    ) -> Result<Self, RunError> {
        let Blueprint {
            program,
            redis,
            key,
        } = blueprint;
        let folder = folder.inner(&format!("node-{index}"))?;
        let (public, admin) = (ports.next()?, ports.next()?);
        // A short drain: nobody has to get used to it, and a run has many.
        let settings = format!(
            "development = true\n\
             [listen]\npublic = \"{public}\"\nadmin = \"{admin}\"\n\
             [cluster]\nredis = \"redis://{redis}/0\"\nnode = \"gw-{index}\"\n\
             [drain]\ndelay = \"500ms\"\ngrace = \"5s\"\n\
             [[api.keys]]\nkey = \"{}\"\nscopes = [\"publish\"]\n",
            key.text()
        );
        let file = folder.join("node.toml");
        fs::write(&file, settings).map_err(|error| failed(&file.display(), &error))?;
        let program = program
            .canonicalize()
            .map_err(|error| failed(&program.display(), &error))?;
        Ok(Self {
            process: Self::launch(&program, &folder)?,
            program,
            folder,
            public,
            admin,
        })
    }

    fn launch(program: &Path, folder: &Path) -> Result<Process, RunError> {
        Process::start(program, &["start", "--config", "node.toml"], folder)
    }

    fn start_again(&mut self) -> Result<(), RunError> {
        self.process = Self::launch(&self.program, &self.folder)?;
        Ok(())
    }

    /// Whether the process has ended, which nobody asked for.
    pub(super) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// Kills it and starts it again.
    pub(super) fn kill(&mut self) -> Result<(), RunError> {
        self.process.kill();
        self.start_again()
    }

    /// Tells it to stop and starts it again. Says whether it stopped in time.
    pub(super) fn drain(&mut self, interrupt: &Interrupt) -> Result<bool, RunError> {
        self.process.signal(Signal::TERM)?;
        let has_ended = interrupt.wait(DRAIN_MAX, || self.process.has_ended())?;
        self.process.kill();
        self.start_again()?;
        Ok(has_ended)
    }

    pub(super) fn freeze(&self, time: Duration, interrupt: &Interrupt) -> Result<(), RunError> {
        self.process.freeze(time, interrupt)
    }
}

impl Ports {
    /// Begins somewhere else in every process: those that run at the same time would find the same ports free.
    pub(super) fn new() -> Self {
        let places = u32::from((PORTS.end - PORTS.start) / PORTS_PER_PROCESS);
        let place = u16::try_from(std::process::id() % places).unwrap_or_default();
        Self {
            next: PORTS.start + place * PORTS_PER_PROCESS,
        }
    }

    fn next(&mut self) -> Result<SocketAddr, RunError> {
        for _ in PORTS {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.next));
            self.next += 1;
            if PORTS.end <= self.next {
                self.next = PORTS.start;
            }
            if TcpListener::bind(address).is_ok() {
                return Ok(address);
            }
        }
        Err(RunError::Failed("no port is free".to_owned()))
    }
}

fn failed(what: &dyn std::fmt::Display, error: &io::Error) -> RunError {
    RunError::Failed(format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_given_once() {
        let mut ports = Ports::new();
        let (first, second) = (ports.next().unwrap(), ports.next().unwrap());
        assert_ne!(first, second);
        assert!(PORTS.contains(&first.port()));
    }

    #[test]
    fn what_was_started_ends_with_its_owner() {
        let folder = Folder::new().unwrap();
        let path = folder.inner("sleeper").unwrap();
        let process = Process::start(Path::new("sleep"), &["60"], &path).unwrap();
        let pid = Pid::from_child(&process.child);
        process.signal(Signal::STOP).unwrap();
        drop(process);
        assert!(rustix::process::test_kill_process(pid).is_err());
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
