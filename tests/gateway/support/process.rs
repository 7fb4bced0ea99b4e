//! The real program, in a folder of its own.

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use rustix::process::Signal;
use tokio::{net::TcpStream, task};
use tokio_tungstenite::{client_async, tungstenite::client::IntoClientRequest as _};

use super::{
    Client,
    machine::{Folder, signal},
    soon, until,
};

/// A folder with a configuration, and whatever runs there; dropping it ends that.
pub(crate) struct Place {
    folder: Folder,
}

/// A node in the foreground.
pub(crate) struct Foreground {
    child: Child,
}

impl Place {
    pub(crate) fn new(toml: &str) -> Self {
        let place = Self {
            folder: Folder::new(),
        };
        place.configure(toml);
        place
    }

    /// Writes the configuration, with ports that nobody else has.
    pub(crate) fn configure(&self, toml: &str) {
        let text = super::settings::complete(toml);
        fs::write(self.file("tidegate.toml"), text).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program with these words behind it. Nothing of our own environment is configuration.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        self.prepare(&mut command);
        command.args(line.split_whitespace());
        command
    }

    /// The program behind a command of the shell.
    pub(crate) fn shell(&self, before: &str, line: &str) -> Command {
        let mut command = Command::new("sh");
        self.prepare(&mut command);
        let program = env!("CARGO_BIN_EXE_tidegate");
        let script = format!("{before}; exec {program} {line}");
        command.args(["-c", &script]);
        command
    }

    fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDEGATE_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.folder.path()).stdin(Stdio::null());
    }

    /// Runs the program to its end.
    pub(crate) async fn run(&self, line: &str) -> Output {
        self.output(self.command(line)).await
    }

    pub(crate) async fn output(&self, mut command: Command) -> Output {
        let running = task::spawn_blocking(move || command.output().unwrap());
        soon("the end of a command", running).await.unwrap()
    }

    /// Runs the program with this file, which has to end with this code. Gives what it printed.
    pub(crate) async fn ends(&self, line: &str, code: i32) -> String {
        let output = self.run(&format!("{line} --config tidegate.toml")).await;
        let mut text = String::from_utf8(output.stdout).unwrap();
        text += &String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{line}: {text}");
        text
    }

    /// Starts a node in the foreground and waits until it is ready.
    pub(crate) async fn start(&self) -> Foreground {
        self.spawn(self.command("--config tidegate.toml")).await
    }

    pub(crate) async fn spawn(&self, mut command: Command) -> Foreground {
        let log = fs::File::create(self.file("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut node = Foreground {
            child: command.spawn().unwrap(),
        };
        until("the node is ready", || {
            if let Some(status) = node.child.try_wait().unwrap() {
                panic!("{status}: {}", self.log());
            }
            self.pid().is_some_and(|pid| pid == node.child.id())
        })
        .await;
        node
    }

    /// What a node in the foreground has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap()
    }

    /// The process that the pid file names.
    pub(crate) fn pid(&self) -> Option<u32> {
        let text = fs::read_to_string(self.file("tidegate.pid")).ok()?;
        text.lines().next()?.parse().ok()
    }

    /// Where the node of the pid file has its admin listener.
    pub(crate) fn admin(&self) -> SocketAddr {
        let text = fs::read_to_string(self.file("tidegate.pid")).unwrap();
        text.lines().nth(1).unwrap().parse().unwrap()
    }

    /// A row of `tidegate status`.
    pub(crate) async fn status(&self, row: &str) -> String {
        let text = self.ends("status", 0).await;
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(row));
        line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
    }

    /// Where the running node serves its dialects.
    pub(crate) async fn public(&self) -> SocketAddr {
        self.status("public").await.parse().unwrap()
    }

    /// A client of the running node.
    pub(crate) async fn connect(&self, path: &str) -> Client {
        let address = self.public().await;
        let request = format!("ws://{address}{path}");
        let request = request.into_client_request().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (socket, _) = client_async(request, stream).await.unwrap();
        Client { socket }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            signal(pid, Signal::KILL);
        }
    }
}

impl Foreground {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, what: Signal) {
        signal(self.child.id(), what);
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the process has ended", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
