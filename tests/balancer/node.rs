//! A node of the cluster as a process.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::{Command, ExitStatus},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time;

use crate::{http, lab::Lab, process::Process, soon, until};

const KEY: &str = "a-key-for-the-tests-of-balancers";

/// A running node.
pub(crate) struct Node {
    pub(crate) number: u8,
    pub(crate) admin: SocketAddr,
    config: PathBuf,
    process: Process,
}

/// A session as the HTTP API shows it.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Session {
    pub(crate) node: String,
    pub(crate) remote: IpAddr,
}

impl Node {
    /// Starts the node of this number, which trusts the balancer, and waits until it is ready.
    pub(crate) async fn start(lab: &Lab, number: u8) -> Self {
        let proxies = format!(r#""{}", "{}""#, lab.host(2), lab.host(3));
        Self::start_with(lab, number, &trusting(&proxies)).await
    }

    /// Starts the node of this number with further settings.
    pub(crate) async fn start_with(lab: &Lab, number: u8, toml: &str) -> Self {
        let config = lab.file(&format!("gw{number}.toml"));
        fs::write(&config, base(lab, number) + toml).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDEGATE_") {
                command.env_remove(name);
            }
        }
        command.arg("--config").arg(&config);
        let log = lab.file(&format!("gw{number}.log"));
        let mut node = Self {
            number,
            admin: lab.admin(number),
            config,
            process: Process::start(command, &log),
        };
        soon("the node is ready", async {
            while !is_ready(node.admin).await {
                if let Some(status) = node.process.status() {
                    panic!("{status}: {}", fs::read_to_string(&log).unwrap());
                }
                time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        node
    }

    pub(crate) fn name(&self) -> String {
        format!("gw{}", self.number)
    }

    /// Begins its drain, and waits until it says so itself.
    pub(crate) async fn drain(&self) {
        self.process.signal(Signal::TERM);
        until("the node is not ready", || async {
            !is_ready(self.admin).await
        })
        .await;
    }

    /// How it has ended.
    pub(crate) async fn ended(mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// Has it read its settings again with other proxies to trust.
    pub(crate) async fn trust(&self, lab: &Lab, proxies: &str) {
        fs::write(&self.config, base(lab, self.number) + &trusting(proxies)).unwrap();
        let mut reload = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        reload.arg("reload").arg("--config").arg(&self.config);
        let log = lab.file("reload.log");
        let status = Process::start(reload, &log).ended().await;
        assert!(status.success(), "{}", fs::read_to_string(log).unwrap());
    }

    /// The sessions of a user, on all nodes.
    pub(crate) async fn sessions(&self, user: &str) -> Vec<Session> {
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str())];
        let path = format!("/api/users/{user}");
        let answer = http::call(self.admin, "GET", &path, &headers, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let sessions = body["sessions"].as_array().unwrap().iter();
        sessions
            .map(|session| Session {
                node: session["node"].as_str().unwrap().to_owned(),
                remote: session["remote"].as_str().unwrap().parse().unwrap(),
            })
            .collect()
    }

    /// Waits until this node knows exactly one session of a user, and gives it.
    pub(crate) async fn session(&self, user: &str) -> Session {
        soon("one session", async {
            loop {
                let mut sessions = self.sessions(user).await;
                if sessions.len() == 1 {
                    return sessions.remove(0);
                }
            }
        })
        .await
    }

    /// What one of its metrics counts, summed up over those whose labels contain `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        http::metric(self.admin, name, labels).await
    }
}

/// Whether somebody answers there that the node is ready.
async fn is_ready(admin: SocketAddr) -> bool {
    let asked = http::try_call(admin, "GET", "/readyz", &[], "").await;
    asked.is_ok_and(|answer| answer.status == 200)
}

/// Pushes a number to a user, to be kept, on the node with this admin listener. Says whether it is.
pub(crate) async fn push(admin: SocketAddr, user: &str, number: u64) -> bool {
    let authorization = format!("Bearer {KEY}");
    let headers = [("authorization", authorization.as_str())];
    let to = format!("user:{user}");
    let message = json!({"to": to, "event": "e", "data": {"letter": number}, "durable": true});
    let body = message.to_string();
    let pushed = http::try_call(admin, "POST", "/api/publish", &headers, &body).await;
    pushed.is_ok_and(|answer| answer.status == 200)
}

fn base(lab: &Lab, number: u8) -> String {
    format!(
        "development = true\n\
         pid_file = \"{}\"\n\
         listen.public = [\"{}\"]\n\
         listen.admin = \"{}\"\n\
         cluster.redis = \"{}\"\n\
         cluster.node = \"gw{number}\"\n\
         drain = {{ delay = \"1s\", grace = \"12s\", rate = 20 }}\n\
         log.level = \"info,tidegate::session=debug\"\n\
         api.keys = [{{ key = \"{KEY}\", scopes = [\"admin\", \"publish\", \"read\"] }}]\n",
        lab.file(&format!("gw{number}.pid")).display(),
        lab.public(number),
        lab.admin(number),
        lab.redis(),
    )
}

fn trusting(proxies: &str) -> String {
    format!("listen.trusted_proxies = [{proxies}]\nlisten.client_address = \"x-forwarded-for\"\n")
}
