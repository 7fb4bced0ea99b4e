//! A container of the image, run by hand: its own root, which cannot be written but where something is
//! mounted, another user without any capability, nothing of our environment. Processes and network are
//! those of the machine.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use rustix::process::{Signal, geteuid};
use tokio::time::Instant;

use crate::{
    files::{attempt, run},
    http,
    lab::Lab,
    process::Process,
    root::image,
    soon, until,
};

/// Makes what a container sees, and becomes it: the process has one number from here to the program.
/// Arguments: the root, the user, the working directory, what can be written, the program and its arguments.
const BECOME: &str = r#"
root="$1" user="$2" work="$3" states="$4"; shift 4
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --rbind /dev "$root/dev"
for state in $states; do
    mount -t tmpfs -o "mode=0700,uid=$user,gid=$user" tmpfs "$root$state"
done
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs -- unshare --root="$root" --wd="$work" \
    --setgid "$user" --setuid "$user" -- "$@"
"#;

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spec {
    /// Name of its log, and of its folder.
    pub(crate) name: String,
    /// What it is called with, instead of what the image says.
    pub(crate) arguments: Option<Vec<String>>,
    pub(crate) environment: Vec<(String, String)>,
    /// Files and folders, and where in the container they are.
    pub(crate) mounts: Vec<(PathBuf, String)>,
    /// Folders that it can write to.
    pub(crate) states: Vec<String>,
}

/// A container; dropping it kills it.
pub(crate) struct Container {
    pub(crate) root: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) pid: u32,
    environment: Vec<(String, String)>,
    process: Process,
}

// === impl Container ===

impl Container {
    /// Starts it.
    pub(crate) fn start(lab: &Lab, spec: Spec) -> Self {
        assert!(geteuid().is_root(), "containers of these tests need root");
        let image = image();
        let root = lab.file(&spec.name);
        image.unpack(&root);
        for folder in ["proc", "dev"] {
            fs::create_dir(root.join(folder)).unwrap();
        }
        fs::copy(lab.hosts(), root.join("etc/hosts")).unwrap();
        for (from, to) in &spec.mounts {
            mount(from, &root.join(to.trim_start_matches('/')));
        }
        let user = image.config["User"].as_str().unwrap();
        let (user, group) = user.split_once(':').unwrap();
        assert_eq!(user, group);
        let log = lab.file(&format!("{}.log", spec.name));
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-ec",
            BECOME,
            "sh",
        ]);
        command.arg(&root).arg(user);
        command.arg(image.config["WorkingDir"].as_str().unwrap());
        command.arg(spec.states.join(" "));
        command.args(image.words("/Entrypoint"));
        command.args(spec.arguments.unwrap_or_else(|| image.words("/Cmd")));
        command.env_clear().envs(spec.environment.iter().cloned());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        let process = Process::start(command, &log);
        Self {
            root,
            log,
            pid: process.id(),
            environment: spec.environment,
            process,
        }
    }

    /// Runs the program in it once more, as `docker exec` and `kubectl exec` do. Says whether it
    /// succeeded, and what it said.
    pub(crate) fn exec(&self, words: &[&str]) -> (bool, String) {
        let user = image().config["User"].as_str().unwrap();
        let (user, _) = user.split_once(':').unwrap();
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--root", "--target", &self.pid.to_string()]);
        command.arg(format!("--wd=/proc/{}/cwd", self.pid));
        command.args(["--setgid", user, "--setuid", user, "--"]);
        command
            .args(words)
            .env_clear()
            .envs(self.environment.iter().cloned());
        command.env("PATH", std::env::var_os("PATH").unwrap());
        attempt(&mut command)
    }

    /// What its health check says.
    pub(crate) fn is_healthy(&self) -> (bool, String) {
        let words = image().words("/Healthcheck/Test");
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        assert_eq!(words[0], "CMD");
        self.exec(&words[1..])
    }

    /// Waits until the node with this admin listener wants clients, and nobody else's.
    pub(crate) async fn ready(&mut self, admin: SocketAddr) {
        soon("the node is ready", async {
            while !answers(admin, "/readyz", 200).await {
                if let Some(status) = self.process.status() {
                    panic!("{status}: {}", fs::read_to_string(&self.log).unwrap());
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Waits for its end, from now on for so long. Says how that went, and how long it took.
    pub(crate) async fn ended_within(mut self, limit: Duration) -> (ExitStatus, Duration) {
        let begin = Instant::now();
        while begin.elapsed() < limit {
            if let Some(status) = self.process.status() {
                return (status, begin.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it still runs after {limit:?}");
    }

    /// Begins its end. A second time would be another order: to end at once.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    /// Waits for its end. Gives the exit code and what it has said.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = self.process.ended().await;
        (status.code(), fs::read_to_string(&self.log).unwrap())
    }
}

/// Whether somebody answers there with this status.
pub(crate) async fn answers(at: SocketAddr, path: &str, status: u16) -> bool {
    let asked = http::try_call(at, "GET", path, &[], "").await;
    asked.is_ok_and(|answer| answer.status == status)
}

/// Waits until somebody answers there with this status.
pub(crate) async fn until_answers(at: SocketAddr, path: &str, status: u16) {
    let what = format!("{status} of {path}");
    until(&what, || answers(at, path, status)).await;
}

/// Copies a file or a folder to where it is mounted: with its owners, modes and links.
fn mount(from: &Path, to: &Path) {
    let copied = if from.is_dir() {
        to
    } else {
        to.parent().unwrap()
    };
    fs::create_dir_all(copied).unwrap();
    let from = if from.is_dir() {
        from.join(".")
    } else {
        from.to_owned()
    };
    run(Command::new("cp").arg("-a").arg(from).arg(to));
}
