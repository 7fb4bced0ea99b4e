//! Real Redis servers, and what stands in them.

use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Time between two questions whether a server answers.
const POLL: Duration = Duration::from_millis(10);
/// Most questions before it is taken to be broken.
const POLLS_MAX: usize = 1000;

/// A server of one kind; dropping it ends it and removes its files.
pub(crate) struct Redis {
    program: &'static str,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    child: Option<Child>,
}

impl Redis {
    /// A server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&["--save", "", "--appendonly", "no"])
    }

    /// A server with these options beside its own.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        let port = free_port();
        let mut redis = Self {
            program: "redis-server",
            folder: folder(),
            port,
            arguments: options.iter().map(|&option| option.to_owned()).collect(),
            child: None,
        };
        redis.arguments.extend([
            "--port".to_owned(),
            port.to_string(),
            "--bind".to_owned(),
            "127.0.0.1".to_owned(),
            "--dir".to_owned(),
            redis.folder.display().to_string(),
        ]);
        redis.run();
        redis
    }

    /// A Sentinel that watches the server at `primary` under the name `main`.
    pub(crate) fn sentinel(primary: u16) -> Self {
        let (port, folder) = (free_port(), folder());
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary} 2\n\
             sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
            folder.display()
        );
        let file = folder.join("sentinel.conf");
        fs::write(&file, text).unwrap();
        let mut sentinel = Self {
            program: "redis-sentinel",
            arguments: vec![file.display().to_string()],
            folder,
            port,
            child: None,
        };
        sentinel.run();
        sentinel
    }

    /// Starts the process, again with what it has on disk.
    pub(crate) fn run(&mut self) {
        let program = self.program;
        let child = Command::new(program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{program} is needed: apt-get install redis-server redis-sentinel ({error})")
        });
        self.child = Some(child);
        for _ in 0..POLLS_MAX {
            if self.ask(&["PING"]).trim() == "PONG" {
                return;
            }
            thread::sleep(POLL);
        }
        panic!("{program} does not answer");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// What the server answers to a command.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let port = self.port.to_string();
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &port]).args(command);
        let output = cli.stderr(Stdio::null()).output();
        let output = output.expect("redis-cli is needed: apt-get install redis-tools");
        String::from_utf8(output.stdout).unwrap()
    }

    /// How many keys begin with this.
    pub(crate) fn keys(&self, beginning: &str) -> usize {
        let keys = self.ask(&["KEYS", &format!("{beginning}*")]);
        keys.lines().filter(|line| !line.is_empty()).count()
    }

    /// How many groups read a stream.
    pub(crate) fn groups(&self, stream: &str) -> usize {
        let groups = self.ask(&["XINFO", "GROUPS", stream]);
        groups.lines().filter(|line| *line == "name").count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A port that nobody has at the moment.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A new folder.
pub(crate) fn folder() -> PathBuf {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Relaxed);
    let name = format!("tidegate-redis-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::create_dir_all(&path).unwrap();
    path
}
