//! The balancers, each with its file of `deploy/`.

use std::{path::PathBuf, process::Command};

use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
};

use crate::{lab::Lab, process::Process, until};

/// Which one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Nginx,
    Haproxy,
}

/// A running balancer.
pub(crate) struct Balancer {
    kind: Kind,
    process: Process,
    /// Where HAProxy tells what it sees.
    socket: PathBuf,
}

impl Balancer {
    /// Starts it, and waits until it serves.
    pub(crate) async fn start(lab: &Lab, kind: Kind) -> Self {
        Self::start_with(lab, kind, &[]).await
    }

    /// The same, with these texts in the place of others in its file.
    pub(crate) async fn start_with(lab: &Lab, kind: Kind, changes: &[(&str, &str)]) -> Self {
        let command = match kind {
            Kind::Nginx => {
                let mut nginx = Command::new("nginx");
                nginx
                    .arg("-c")
                    .arg(lab.deployed("nginx/tidegate.conf", changes));
                nginx.args(["-g", "daemon off;"]);
                nginx
            }
            Kind::Haproxy => {
                let mut haproxy = Command::new("haproxy");
                // A master with a worker, as the unit of the package runs it.
                haproxy.args(["-W", "-f"]);
                haproxy.arg(lab.deployed("haproxy/haproxy.cfg", changes));
                haproxy
            }
        };
        let log = lab.file("balancer.log");
        let mut balancer = Self {
            kind,
            process: Process::start_master(command, &log),
            socket: lab.file("admin.sock"),
        };
        let front = lab.front();
        until("the balancer serves", || {
            if let Some(status) = balancer.process.status() {
                let log = std::fs::read_to_string(&log).unwrap();
                panic!("{kind:?} has ended, {status}: {log}");
            }
            async move { TcpStream::connect(front).await.is_ok() }
        })
        .await;
        balancer
    }

    /// Has it read its file again.
    pub(crate) fn reload(&self) {
        self.process.signal(match self.kind {
            Kind::Nginx => Signal::HUP,
            Kind::Haproxy => Signal::USR2,
        });
    }

    /// Waits until it would send clients to a node, or would not. nginx looks at none before it
    /// connects.
    pub(crate) async fn sees(&self, node: &str, up: bool) {
        if self.kind == Kind::Nginx {
            return;
        }
        let line = format!("tidegate,{node},");
        let state = if up { ",UP," } else { ",DOWN," };
        until("HAProxy sees it", || async {
            let stats = self.stats().await.unwrap_or_default();
            let mut lines = stats.lines();
            lines.any(|it| it.starts_with(&line) && it.contains(state))
        })
        .await;
    }

    async fn stats(&self) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(b"show stat\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }
}
