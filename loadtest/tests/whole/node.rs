//! The gateway that scenarios are run against.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadtest::http;
use serde_json::Value;

pub(crate) const LOADTEST: &str = env!("CARGO_BIN_EXE_loadtest");
pub(crate) const KEY: &str = "a-key-of-32-characters-for-smokes";
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 600;

/// A node in a folder of its own, which goes with it.
pub(crate) struct Node {
    pub(crate) folder: PathBuf,
    pub(crate) child: Child,
    pub(crate) public: String,
    pub(crate) admin: String,
}

impl Node {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, "")
    }

    /// With further settings.
    pub(crate) fn start_with(name: &str, more: &str) -> Self {
        let folder = format!("tidegate-load-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let write = |name: &str, kind: &str, der: &[u8]| {
            let body = STANDARD.encode(der);
            let pem = format!("-----BEGIN {kind} KEY-----\n{body}\n-----END {kind} KEY-----\n");
            fs::write(folder.join(name), pem).unwrap();
        };
        write("private.pem", "PRIVATE", private.as_ref());
        write("public.pem", "PUBLIC", public.as_ref());
        let [public, admin] = [free_address(), free_address()];
        let settings = format!(
            "development = true\n[listen]\npublic = \"{public}\"\nadmin = \"{admin}\"\n\
             [dialect.im]\npublic_key_files = [\"public.pem\"]\n\
             [dialect.live]\nauth = \"jwt\"\nkeys = [{{ alg = \"HS256\", secret = \"{KEY}\" }}]\n\
             [[api.keys]]\nkey = \"{KEY}\"\nscopes = [\"admin\", \"publish\"]\n\
             {more}"
        );
        fs::write(folder.join("node.toml"), settings).unwrap();
        let child = Command::new(gateway())
            .args(["start", "--config", "node.toml"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self {
            folder,
            child,
            public,
            admin,
        };
        let is_ready = || {
            let answer = http::get(node.admin.parse().unwrap(), "/readyz", READY_TIMEOUT);
            answer.is_ok_and(|answer| answer.status == 200)
        };
        let mut looks = 0;
        while !is_ready() {
            looks += 1;
            assert!(looks < LOOKS, "the node is not ready");
            std::thread::sleep(LOOK);
        }
        node
    }

    /// Waits until so many sessions are open.
    pub(crate) fn until_sessions(&self, count: usize) {
        let wanted = format!("tidegate_sessions {count}");
        let has = || {
            let metrics = http::get(self.admin.parse().unwrap(), "/metrics", READY_TIMEOUT);
            metrics.is_ok_and(|it| it.body.lines().any(|line| line == wanted))
        };
        let mut looks = 0;
        while !has() {
            looks += 1;
            assert!(looks < LOOKS, "there are not {count} sessions");
            std::thread::sleep(LOOK);
        }
    }

    /// Runs a scenario against it, half a second long, and gives its figures if there are any.
    pub(crate) fn run(&self, scenario: &str, options: &[&str]) -> (Output, Option<Value>) {
        let pid = self.child.id().to_string();
        run_against(
            &self.public,
            scenario,
            &[&["--server-pid", &pid], options].concat(),
        )
    }
}

/// Runs a scenario with 6 connections to this address, half a second long unless the options say otherwise, and gives
/// its figures if there are any.
pub(crate) fn run_against(
    address: &str,
    scenario: &str,
    options: &[&str],
) -> (Output, Option<Value>) {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let (process, run) = (std::process::id(), RUNS.fetch_add(1, Relaxed));
    let json = std::env::temp_dir().join(format!("tidegate-figures-{process}-{run}.json"));
    let mut command = Command::new(LOADTEST);
    command.args([scenario, "--to", address, "--json"]);
    command
        .arg(&json)
        .args(options)
        .env("LOADTEST_API_KEY", KEY)
        .env("LOADTEST_LIVE_SECRET", KEY);
    // Idle connections need no warm-up.
    let warmup = Some(("--warmup", "0.1")).filter(|_| scenario != "idle");
    for (option, value) in [("-n", "6"), ("--secs", "0.5")].into_iter().chain(warmup) {
        if !options.contains(&option) {
            command.args([option, value]);
        }
    }
    let output = command.output().unwrap();
    let figures = fs::read(&json).ok();
    let _ = fs::remove_file(json);
    let figures = figures.map(|figures| serde_json::from_slice(&figures).unwrap());
    (output, figures)
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// The gateway's program, which Cargo puts beside this package's; built if nobody has done so.
pub(crate) fn gateway() -> PathBuf {
    let folder = Path::new(LOADTEST).parent().unwrap();
    let program = folder.join("tidegate");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--bin", "tidegate", "--target-dir"]);
        build.arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let status = build.current_dir(root).status().unwrap();
        assert!(status.success(), "the gateway cannot be built");
    }
    program
}
