//! A network of a test's own: a piece of the loopback net, where each container has an address of its own
//! and the ports that it has everywhere, and names for the addresses.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::{process::Process, until};

/// Where a test takes place; dropping it removes its files.
pub(crate) struct Lab {
    folder: TempDir,
    /// The first three octets, of the loopback net.
    net: [u8; 3],
    names: BTreeMap<&'static str, u8>,
}

// === impl Lab ===

impl Lab {
    /// A fresh one, where names stand for the last octets of addresses.
    pub(crate) fn new(names: &[(&'static str, u8)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let unique = std::process::id().wrapping_mul(16).wrapping_add(number);
        let [.., high, low] = unique.to_be_bytes();
        // Beside the image, whose program is linked to.
        let folder = TempDir::with_prefix_in("lab-", env!("CARGO_TARGET_TMPDIR"));
        let lab = Self {
            folder: folder.unwrap(),
            // Not 127.0, where others are.
            net: [127, 128 | (high & 0x3f), low],
            names: names.iter().copied().collect(),
        };
        let hosts = names
            .iter()
            .map(|(name, _)| format!("{} {name}\n", lab.address(name)));
        fs::write(lab.file("hosts"), hosts.collect::<String>()).unwrap();
        lab
    }

    /// The address that a name stands for.
    pub(crate) fn address(&self, name: &str) -> Ipv4Addr {
        let [a, b, c] = self.net;
        Ipv4Addr::new(a, b, c, self.names[name])
    }

    /// A port of it.
    pub(crate) fn at(&self, name: &str, port: u16) -> SocketAddr {
        (self.address(name), port).into()
    }

    /// The names, as `/etc/hosts` has them.
    pub(crate) fn hosts(&self) -> PathBuf {
        self.file("hosts")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a Redis where this name is, on the usual port.
    pub(crate) async fn redis(&self, name: &str) -> Process {
        let at = self.at(name, 6379);
        let mut redis = Command::new("redis-server");
        redis.args(["--bind", &at.ip().to_string()]);
        redis.args(["--port", &at.port().to_string()]);
        redis.args(["--save", "", "--appendonly", "no", "--dir"]);
        redis.arg(self.folder.path());
        let process = Process::start(redis, &self.file("redis.log"));
        until("Redis answers", || async {
            TcpStream::connect(at).await.is_ok()
        })
        .await;
        process
    }
}

impl Drop for Lab {
    /// What a failed test needs to be understood is told before it goes.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let files = fs::read_dir(self.folder.path()).into_iter().flatten();
            for path in files.flatten().map(|file| file.path()) {
                if path.extension().is_some_and(|extension| extension == "log") {
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    println!("== {}\n{text}", path.display());
                }
            }
        }
    }
}
