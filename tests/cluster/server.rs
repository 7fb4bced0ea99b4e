//! Processes of Redis, each with a folder and ports of its own.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
    time::Duration,
};

/// How often a condition is looked at before it is given up, and the pause in between.
const LOOKS: usize = 500;
const PAUSE: Duration = Duration::from_millis(20);
/// How often a start is tried: somebody else may take a port in the meantime.
const STARTS: usize = 3;

/// A server; dropping it ends it and removes its files.
pub(crate) struct Server {
    program: &'static str,
    folder: PathBuf,
    port: u16,
    arguments: Vec<String>,
    /// What its certificate is checked with, if it has one.
    ca: Option<PathBuf>,
    child: Option<Child>,
}

// === impl Server ===

impl Server {
    /// A server that keeps nothing on disk, with these options beside its own.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(&folder(), options)
    }

    /// A server that keeps its files in `folder`.
    pub(crate) fn start_in(folder: &Path, options: &[&str]) -> Self {
        Self::try_starts(|| {
            let port = free_port();
            let mut arguments = arguments(&["--port", &port.to_string(), "--bind", "127.0.0.1"]);
            arguments.extend(["--dir".to_owned(), folder.display().to_string()]);
            arguments.extend(self::arguments(&["--save", "", "--appendfsync", "always"]));
            arguments.extend(self::arguments(options));
            Self {
                program: "redis-server",
                folder: folder.to_owned(),
                port,
                arguments,
                ca: None,
                child: None,
            }
        })
    }

    /// A node of a Cluster that has no slots yet.
    pub(crate) fn node() -> Self {
        let bus = free_port().to_string();
        let cluster = ["--cluster-enabled", "yes", "--cluster-port", &bus];
        let files = ["--cluster-config-file", "nodes.conf"];
        let timeout = ["--cluster-node-timeout", "1000"];
        Self::start(&[&cluster[..], &files, &timeout].concat())
    }

    /// A server that speaks nothing but TLS, with this certificate.
    pub(crate) fn start_tls(folder: &Path, certificate: &Path, key: &Path, ca: &Path) -> Self {
        Self::try_starts(|| {
            let port = free_port();
            let mut arguments = arguments(&["--port", "0", "--tls-port", &port.to_string()]);
            arguments.extend(self::arguments(&["--bind", "127.0.0.1", "--save", ""]));
            arguments.extend(self::arguments(&["--tls-auth-clients", "no"]));
            let files = [
                ("--dir", folder),
                ("--tls-cert-file", certificate),
                ("--tls-key-file", key),
                ("--tls-ca-cert-file", ca),
            ];
            for (name, path) in files {
                arguments.extend([name.to_owned(), path.display().to_string()]);
            }
            Self {
                program: "redis-server",
                folder: folder.to_owned(),
                port,
                arguments,
                ca: Some(ca.to_owned()),
                child: None,
            }
        })
    }

    /// A Sentinel that watches the server at `primary` under the name `main`.
    pub(crate) fn sentinel(primary: u16) -> Self {
        Self::try_starts(|| {
            let (port, folder) = (free_port(), folder());
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary} 2\n",
                folder.display()
            );
            let file = folder.join("sentinel.conf");
            fs::write(&file, text).unwrap();
            Self {
                program: "redis-sentinel",
                arguments: vec![file.display().to_string()],
                folder,
                port,
                ca: None,
                child: None,
            }
        })
    }

    fn try_starts(mut make: impl FnMut() -> Self) -> Self {
        for _ in 0..STARTS {
            let mut server = make();
            if server.run() {
                return server;
            }
        }
        panic!("no Redis has started in {STARTS} attempts");
    }

    /// Starts the process, again with what it has on disk. Says whether it is there.
    pub(crate) fn run(&mut self) -> bool {
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
        for _ in 0..LOOKS {
            if self.ask(&["PING"]) == "PONG" {
                return true;
            }
            let child = self.child.as_mut().unwrap();
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::sleep(PAUSE);
        }
        false
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its host and port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// What the server answers to a command.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut arguments = arguments(&["-p", &self.port.to_string()]);
        if let Some(ca) = &self.ca {
            arguments.extend(["--tls", "--cacert"].map(str::to_owned));
            arguments.push(ca.display().to_string());
        }
        arguments.extend(self::arguments(command));
        redis_cli(&arguments)
    }

    /// Has the server do something, which it has to answer with `OK`.
    pub(crate) fn tell(&self, command: &[&str]) {
        assert_eq!(self.ask(command), "OK", "{command:?}");
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// What `redis-cli` prints.
pub(crate) fn redis_cli(arguments: &[String]) -> String {
    let mut cli = Command::new("redis-cli");
    let output = cli.args(arguments).stderr(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("redis-cli is needed: apt-get install redis-tools ({error})")
    });
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

pub(crate) fn arguments(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&text| text.to_owned()).collect()
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..LOOKS {
        if holds() {
            return;
        }
        thread::sleep(PAUSE);
    }
    panic!("{what} has not happened");
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
    let name = format!("tidegate-cluster-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    fs::create_dir_all(&path).unwrap();
    path
}
