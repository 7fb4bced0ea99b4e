//! A network of a test's own: a piece of the loopback net, a folder, a Redis, and what stands there.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use tokio::net::TcpStream;

use crate::{node::Node, process::Process, until};

/// Ports as `deploy/` has them: of the balancer, of nodes for clients, of nodes for operators.
const PORTS: [u16; 3] = [443, 8080, 8081];

/// Where a test takes place; dropping it ends what runs there.
pub(crate) struct Lab {
    folder: PathBuf,
    /// The first three octets, of the loopback net.
    net: [u8; 3],
    ports: [u16; 3],
    redis: SocketAddr,
    _redis: Process,
}

impl Lab {
    /// A fresh one with a running Redis.
    pub(crate) async fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let unique = std::process::id().wrapping_mul(16).wrapping_add(number);
        let [.., high, low] = unique.to_be_bytes();
        let folder = env::temp_dir().join(format!("tidegate-balancer-{unique}"));
        fs::create_dir_all(&folder).unwrap();
        let redis = (Ipv4Addr::LOCALHOST, free_port()).into();
        let process = start_redis(redis, &folder);
        until("Redis answers", || async {
            TcpStream::connect(redis).await.is_ok()
        })
        .await;
        let lab = Self {
            folder,
            // Not 127.0, where others are.
            net: [127, 64 | (high & 0x3f), low],
            ports: PORTS.map(|_| free_port()),
            redis,
            _redis: process,
        };
        lab.certify();
        lab
    }

    /// The address that is `10.0.0.{host}` in `deploy/`.
    pub(crate) fn host(&self, host: u8) -> Ipv4Addr {
        let [a, b, c] = self.net;
        Ipv4Addr::new(a, b, c, host)
    }

    /// Where the balancer is.
    pub(crate) fn front(&self) -> SocketAddr {
        (self.host(1), self.ports[0]).into()
    }

    /// Where node number 1, 2, 3 or 4 serves clients.
    pub(crate) fn public(&self, node: u8) -> SocketAddr {
        (self.host(10 + node), self.ports[1]).into()
    }

    /// Where it serves operators.
    pub(crate) fn admin(&self, node: u8) -> SocketAddr {
        (self.host(10 + node), self.ports[2]).into()
    }

    /// The URL of Redis.
    pub(crate) fn redis(&self) -> String {
        format!("redis://{}", self.redis)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Starts nodes 1 to 3.
    pub(crate) async fn three_nodes(&self) -> Vec<Node> {
        futures_util::future::join_all((1..=3).map(|number| Node::start(self, number))).await
    }

    /// A file of `deploy/` with the addresses and paths of this place, and with these texts in the place of
    /// others. Gives where it is.
    pub(crate) fn deployed(&self, name: &str, changes: &[(&str, &str)]) -> PathBuf {
        let original = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("deploy")
            .join(name);
        let mut text = fs::read_to_string(original).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from), "{from} is not in {name}");
            text = text.replace(from, to);
        }
        let [a, b, c] = self.net;
        text = text.replace("10.0.0.", &format!("{a}.{b}.{c}."));
        for (there, here) in PORTS.iter().zip(self.ports) {
            for before in [":", "port "] {
                text = text.replace(&format!("{before}{there}"), &format!("{before}{here}"));
            }
        }
        // A machine that runs tests may not allow the open files of one that serves clients.
        text = text.replace("maxconn 50000", "maxconn 5000");
        let folder = format!("{}/", self.folder.display());
        for path in [
            "/run/haproxy/",
            "/run/",
            "/var/log/nginx/",
            "/etc/nginx/",
            "/etc/haproxy/",
        ] {
            text = text.replace(path, &folder);
        }
        let path = self.file(Path::new(name).file_name().unwrap().to_str().unwrap());
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes the certificate of the balancer, as nginx and as HAProxy read it.
    fn certify(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        fs::write(self.file("tidegate.crt"), &cert).unwrap();
        fs::write(self.file("tidegate.key"), &key).unwrap();
        fs::write(self.file("tidegate.pem"), cert + &key).unwrap();
    }
}

impl Drop for Lab {
    /// What a failed test needs to be understood is told before it goes.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
            for path in files.map(|file| file.path()) {
                if path.extension().is_some_and(|extension| extension == "log") {
                    let text = fs::read_to_string(&path).unwrap_or_default();
                    println!("== {}\n{text}", path.display());
                }
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn start_redis(at: SocketAddr, folder: &Path) -> Process {
    let mut redis = Command::new("redis-server");
    let (address, port) = (at.ip().to_string(), at.port().to_string());
    redis.args(["--bind", &address, "--port", &port]);
    redis.args(["--save", "", "--appendonly", "no", "--dir"]);
    redis.arg(folder);
    Process::start(redis, &folder.join("redis.log"))
}

/// A port that nobody has on any address.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    listener.local_addr().unwrap().port()
}
