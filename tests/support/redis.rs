//! Real processes of Redis, each with a folder and a port of its own, and what stands in them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::Signal;

use super::machine::{Folder, free_port, kill, signal};

/// How often a condition is looked at before it is given up, and the pause in between.
const LOOKS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(10);
/// How often a start is tried: somebody else may take a port in the meantime.
const STARTS: usize = 3;

/// A server or a Sentinel; dropping it ends it and removes its files.
pub(crate) struct Redis {
    program: &'static str,
    folder: Folder,
    port: u16,
    arguments: Vec<String>,
    /// What its certificate is checked with, if it has one.
    ca: Option<PathBuf>,
    child: Option<Child>,
}

// === impl Redis ===

impl Redis {
    /// A server that keeps nothing on disk.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with these options beside its own.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::try_starts(|| Self::server("--port", options))
    }

    /// Three primaries without replicas that are one Cluster.
    pub(crate) fn cluster() -> Vec<Self> {
        let nodes: Vec<Self> = (0..3).map(|_| Self::cluster_node()).collect();
        let mut create = arguments(&["--cluster", "create"]);
        create.extend(nodes.iter().map(Self::host));
        create.push("--cluster-yes".to_owned());
        redis_cli(&create);
        for node in &nodes {
            wait_until("the Cluster is whole", || {
                node.ask(&["CLUSTER", "INFO"])
                    .contains("cluster_state:ok\r\n")
            });
        }
        nodes
    }

    /// A node of a Cluster that has no slots yet.
    fn cluster_node() -> Self {
        let cluster = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"];
        Self::try_starts(|| {
            let bus = free_port().to_string();
            let own = ["--cluster-config-file", "nodes.conf", "--cluster-port"];
            Self::server("--port", &[&cluster[..], &own, &[&bus]].concat())
        })
    }

    /// A server that speaks nothing but TLS, with this certificate.
    pub(crate) fn start_tls(certificate: &Path, key: &Path, ca: &Path) -> Self {
        let files = [
            ("--tls-cert-file", certificate),
            ("--tls-key-file", key),
            ("--tls-ca-cert-file", ca),
        ];
        Self::try_starts(|| {
            let options = ["--port", "0", "--tls-auth-clients", "no"];
            let mut server = Self::server("--tls-port", &options);
            for (name, path) in files {
                let path = path.display().to_string();
                server.arguments.extend([name.to_owned(), path]);
            }
            server.ca = Some(ca.to_owned());
            server
        })
    }

    /// A Sentinel that watches the server at `primary` under the name `main`, and gives it up after a
    /// second without an answer.
    pub(crate) fn sentinel(primary: u16) -> Self {
        Self::try_starts(|| {
            let (port, folder) = (free_port(), Folder::new());
            let text = format!(
                "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {primary} 2\n\
                 sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n",
                folder.path().display()
            );
            let file = folder.path().join("sentinel.conf");
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

    /// A server that does not run yet, with its port under this name.
    fn server(port_option: &str, options: &[&str]) -> Self {
        let (port, folder) = (free_port(), Folder::new());
        let (number, path) = (port.to_string(), folder.path().display().to_string());
        let mut own = arguments(&[port_option, &number, "--bind", "127.0.0.1", "--dir", &path]);
        own.extend(arguments(&["--save", "", "--appendonly", "no"]));
        own.extend(arguments(options));
        Self {
            program: "redis-server",
            folder,
            port,
            arguments: own,
            ca: None,
            child: None,
        }
    }

    fn try_starts(mut make: impl FnMut() -> Self) -> Self {
        for _ in 0..STARTS {
            let mut server = make();
            if server.runs() {
                return server;
            }
        }
        panic!("no Redis has started in {STARTS} attempts");
    }

    /// Starts the process again, with what it has on disk.
    pub(crate) fn run(&mut self) {
        assert!(self.runs(), "{} does not answer", self.program);
    }

    /// Starts the process. Says whether it is there.
    fn runs(&mut self) -> bool {
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

    /// Its address for whoever needs no password.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.host())
    }

    /// What the server answers to a command, without white space around it.
    pub(crate) fn ask(&self, command: &[&str]) -> String {
        let mut words = arguments(&["-p", &self.port.to_string()]);
        if let Some(ca) = &self.ca {
            words.extend(arguments(&["--tls", "--cacert"]));
            words.push(ca.display().to_string());
        }
        words.extend(arguments(command));
        redis_cli(&words)
    }

    /// Has the server do something, which it has to answer with `OK`.
    pub(crate) fn tell(&self, command: &[&str]) {
        assert_eq!(self.ask(command), "OK", "{command:?}");
    }

    /// What it answers to a command of this user.
    pub(crate) fn ask_as(&self, user: &str, password: &str, command: &[&str]) -> String {
        let port = self.port.to_string();
        let own = ["-p", &port, "--no-auth-warning", "--user", user, "--pass"];
        redis_cli(&arguments(&[&own[..], &[password], command].concat()))
    }

    /// Makes the user of the documentation, who may do this too.
    pub(crate) fn allow_documented(&self, password: &str, more: &str) {
        let rules = documented_rules();
        let password = format!(">{password}");
        let mut command = vec!["ACL", "SETUSER", "tidegate", "on", &password];
        command.extend(rules.split_whitespace());
        command.extend(more.split_whitespace());
        self.tell(&command);
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

    /// Sends a signal to the process, for example to freeze it.
    pub(crate) fn signal(&self, what: Signal) {
        signal(self.child.as_ref().unwrap().id(), what);
    }

    /// Kills it, frozen or not.
    pub(crate) fn kill(&mut self) {
        kill(&mut self.child);
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What `redis-cli` prints, without white space around it.
fn redis_cli(arguments: &[String]) -> String {
    let mut cli = Command::new("redis-cli");
    let output = cli.args(arguments).stderr(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("redis-cli is needed: apt-get install redis-tools ({error})")
    });
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn arguments(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&text| text.to_owned()).collect()
}

/// What stands behind the password in the line of the documentation.
pub(crate) fn documented_rules() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/SECURITY.md");
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("user tidegate on "));
    let (_, rules) = line.unwrap().split_once(' ').unwrap();
    rules.to_owned()
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
