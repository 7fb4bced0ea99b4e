//! The conformance suite as a program: where it is, and how it is run.

use std::{
    env, fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::json;

/// Where `scripts/test` says that the suite and its interpreter are.
const SUITE: &str = "TG_AUTOBAHN";
const PYTHON: &str = "TG_PYTHON27";
/// All cases take a quarter of this on two busy cores.
const TIMEOUT: Duration = Duration::from_secs(240);
const POLL: Duration = Duration::from_millis(100);
/// Name of the node in the reports.
pub(crate) const AGENT: &str = "tidegate";
/// Compression, which is not offered.
pub(crate) const EXCLUDED: [&str; 2] = ["12.*", "13.*"];

/// The suite, installed.
pub(crate) struct Suite {
    folder: PathBuf,
    python: PathBuf,
}

impl Suite {
    /// Looks where `scripts/test` has installed it, also for a plain `cargo test` afterwards.
    pub(crate) fn find() -> Result<Self, String> {
        let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("autobahn");
        let folder = env::var_os(SUITE).map_or(beside, PathBuf::from);
        let python = env::var_os(PYTHON).map_or_else(|| folder.join("python2.7"), PathBuf::from);
        let suite = Self { folder, python };
        if suite.program().is_file() && suite.python.exists() {
            return Ok(suite);
        }
        Err(format!(
            "the conformance suite is not installed ({SUITE}={}, {PYTHON}={}): run scripts/test, which \
             installs it",
            suite.folder.display(),
            suite.python.display()
        ))
    }

    /// Runs every case against the node at `address`; leaves `index.json` in `reports`.
    pub(crate) fn run(&self, address: SocketAddr, reports: &Path) -> Result<(), String> {
        // What an earlier run has left must not be taken for this one's.
        match fs::remove_dir_all(reports) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.to_string()),
            _ => fs::create_dir_all(reports).unwrap(),
        }
        let settings = json!({
            "outdir": reports,
            "servers": [{ "agent": AGENT, "url": format!("ws://{address}/echo") }],
            "cases": ["*"],
            "exclude-cases": EXCLUDED,
            "exclude-agent-cases": {},
        });
        let path = reports.join("settings.json");
        fs::write(&path, settings.to_string()).unwrap();
        let log = fs::File::create(reports.join("log")).unwrap();
        let mut child = Command::new(&self.python)
            .arg(self.program())
            .args(["-m", "fuzzingclient", "-s"])
            .arg(&path)
            .current_dir(reports)
            .env("PYTHONPATH", &self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{} cannot be run: {error}", self.python.display()))?;
        let mut left = TIMEOUT;
        // Its exit code says nothing: it is 0 also when the node refuses every connection.
        while child.try_wait().unwrap().is_none() {
            if left.is_zero() {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("the suite has not ended in {TIMEOUT:?}"));
            }
            thread::sleep(POLL);
            left = left.saturating_sub(POLL);
        }
        Ok(())
    }

    fn program(&self) -> PathBuf {
        self.folder.join("bin/wstest")
    }
}
