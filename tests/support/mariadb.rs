//! Real processes of MariaDB, each with a folder and a port of its own.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
    thread,
    time::Duration,
};

use rustix::process::Signal;

use super::machine::{Folder, free_port, kill, signal};

/// How often a start is looked at before it is given up, and the pause in between.
const LOOKS: usize = 1000;
const PAUSE: Duration = Duration::from_millis(20);
/// How often a start is tried: somebody else may take a port in the meantime.
const STARTS: usize = 3;
/// Who may do everything.
const USER: &str = "tg";
const PASSWORD: &str = "s3cret-of-tg";

/// A server; dropping it ends it and removes its files.
pub(crate) struct Mariadb {
    folder: Folder,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

// === impl Mariadb ===

impl Mariadb {
    /// A server with nothing in it.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// A server with these options beside its own.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        for _ in 0..STARTS {
            let folder = Folder::new();
            copy(&template(), &folder.path().join("data"));
            let mut server = Self {
                folder,
                port: free_port(),
                options: options.iter().map(|&option| option.to_owned()).collect(),
                child: None,
            };
            if server.runs() {
                server.ask(&format!(
                    "CREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'; \
                     GRANT ALL ON *.* TO '{USER}'@'%'"
                ));
                return server;
            }
        }
        panic!("no MariaDB has started in {STARTS} attempts");
    }

    /// Starts the process again, with what it has on disk.
    pub(crate) fn run(&mut self) {
        assert!(self.runs(), "mariadbd does not answer");
    }

    /// Starts the process. Says whether it is there.
    fn runs(&mut self) -> bool {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let child = Command::new("mariadbd")
            .args(["--no-defaults", "--user=root", "--skip-log-bin"])
            .args(["--bind-address=127.0.0.1", "--innodb-buffer-pool-size=64M"])
            .args(["--innodb-log-file-size=8M", "--lower-case-table-names=0"])
            .arg(format!("--port={}", self.port))
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={}", path("socket")))
            .arg(format!("--pid-file={}", path("pid")))
            .arg(format!("--log-error={}", path("log")))
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("mariadbd is needed: apt-get install mariadb-server ({error})")
        });
        self.child = Some(child);
        for _ in 0..LOOKS {
            if self.try_ask("SELECT 1").is_ok() {
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

    /// Its host and port.
    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of a database, for the user who may do everything.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("mysql://{USER}:{PASSWORD}@{}/{database}", self.host())
    }

    /// Makes a database, and says its address.
    pub(crate) fn database(&self, database: &str) -> String {
        self.ask(&format!("CREATE DATABASE `{database}`"));
        self.url(database)
    }

    /// Has the server do something, and says what it answers: a line for each row, columns behind tabs.
    pub(crate) fn ask(&self, statements: &str) -> String {
        let answer = self.try_ask(statements);
        answer.unwrap_or_else(|error| panic!("{statements:.300}: {error}"))
    }

    /// The same, or what the server has against it.
    pub(crate) fn try_ask(&self, statements: &str) -> Result<String, String> {
        let socket = self.folder.path().join("socket").display().to_string();
        let mut client = Command::new("mariadb")
            .args([
                "--no-defaults",
                "--user=root",
                "--batch",
                "--skip-column-names",
            ])
            .args(["--default-character-set=utf8mb4", "--socket", &socket])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("mariadb is needed: apt-get install mariadb-client ({error})")
            });
        let mut input = client.stdin.take().unwrap();
        // One that has no connection reads nothing.
        let _ = input.write_all(statements.as_bytes());
        drop(input);
        let output = client.wait_with_output().unwrap();
        match output.status.success() {
            true => Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// Kills it, frozen or not.
    pub(crate) fn kill(&mut self) {
        kill(&mut self.child);
    }

    /// It does nothing any more, and its connections stay.
    pub(crate) fn freeze(&self) {
        signal(self.child.as_ref().unwrap().id(), Signal::STOP);
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        signal(self.child.as_ref().unwrap().id(), Signal::CONT);
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder of data as it is after the installation, which takes too long to be made for every server.
fn template() -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    let _making = MAKING.lock();
    let version = Command::new("mariadbd").arg("--version").output();
    let version = version.unwrap_or_else(|error| {
        panic!("mariadbd is needed: apt-get install mariadb-server ({error})")
    });
    let version = String::from_utf8(version.stdout).unwrap();
    let word = version.split_whitespace().nth(2).unwrap_or("unknown");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mariadb-{word}"));
    if place.exists() {
        return place;
    }
    let draft = place.with_extension(std::process::id().to_string());
    let made = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--user=root", "--skip-test-db"])
        .args([
            "--auth-root-authentication-method=normal",
            "--innodb-log-file-size=8M",
        ])
        .arg(format!("--datadir={}", draft.display()))
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    // Another process may have been faster.
    if fs::rename(&draft, &place).is_err() {
        fs::remove_dir_all(&draft).unwrap();
    }
    place
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(copied.unwrap().success());
}
