//! Real gateway processes that are one cluster.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::{
    WHOLE,
    client::Client,
    http,
    machine::{Folder, kill, signal},
    next, soon, within,
};

/// One gateway process; dropping it ends it.
pub(crate) struct Node {
    /// The program that it is when it is started.
    pub(crate) release: &'static Path,
    name: String,
    settings: String,
    /// Listens where it did before when it is started again.
    stays: bool,
    folder: Folder,
    child: Option<Child>,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Node {
    /// A node of a cluster that does not run yet.
    pub(crate) fn new(name: &str, redis: &str) -> Self {
        let settings = format!("cluster.redis = \"{redis}\"\nlog.level = \"debug\"\n");
        Self::with(name, &settings)
    }

    /// A node with these settings that does not run yet.
    pub(crate) fn with(name: &str, settings: &str) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            release: next::this(),
            name: name.to_owned(),
            settings: settings.to_owned(),
            stays: false,
            folder: Folder::new(),
            child: None,
            public: nowhere,
            admin: nowhere,
        }
    }

    /// Starts a node, and waits until it wants clients.
    pub(crate) async fn start(name: &str, redis: &str) -> Self {
        let mut node = Self::new(name, redis);
        node.run().await;
        within(WHOLE, "the node is ready", async || node.is_ready().await).await;
        node
    }

    /// Nodes that are ready and know one another.
    pub(crate) async fn fleet(count: usize, redis: &str) -> Vec<Self> {
        let mut nodes = Vec::new();
        for number in 1..=count {
            nodes.push(Self::start(&format!("gw-{number}"), redis).await);
        }
        for node in &nodes {
            within(WHOLE, "all know one another", async || {
                node.nodes().await.len() == count
            })
            .await;
        }
        nodes
    }

    /// Starts the process, again under its name, and waits until it listens.
    pub(crate) async fn run(&mut self) {
        let pid = self.spawn(&["start"]);
        let mut found = None;
        within(Duration::from_secs(10), "the node listens", async || {
            found = self.addresses(pid);
            found.is_some()
        })
        .await;
        (self.public, self.admin) = found.unwrap();
    }

    /// From now on it listens where it does when it is started again.
    pub(crate) fn stay(&mut self) {
        self.stays = true;
    }

    /// Starts the process of a node that stays, and waits until clients get through and it has said by
    /// which key it may be asked.
    pub(crate) async fn run_again(&mut self) {
        let before = self.log().len();
        self.spawn(&["start"]);
        let public = self.public;
        within(WHOLE, "the node listens again", async || {
            TcpStream::connect(public).await.is_ok() && self.log()[before..].contains("Bearer ")
        })
        .await;
    }

    /// Starts the process with these words, and gives its number.
    pub(crate) fn spawn(&mut self, words: &[&str]) -> u32 {
        let Self {
            release,
            name,
            settings,
            folder,
            ..
        } = &*self;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let (public, admin) = match self.stays {
            true => (self.public, self.admin),
            false => (nowhere, nowhere),
        };
        let text = format!(
            "development = true\nlisten.public = \"{public}\"\nlisten.admin = \"{admin}\"\n\
             cluster.node = \"{name}\"\ndrain.delay = \"0s\"\n{settings}"
        );
        let folder = folder.path();
        fs::write(folder.join("tidegate.toml"), text).unwrap();
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join("log"))
            .unwrap();
        let child = Command::new(release)
            .args(words)
            .args(["--config", "tidegate.toml"])
            .current_dir(folder)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let pid = child.id();
        self.child = Some(child);
        pid
    }

    /// Everything that its processes have printed and logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the process of this number listens, once it has written its pid file.
    fn addresses(&self, pid: u32) -> Option<(SocketAddr, SocketAddr)> {
        let text = fs::read_to_string(self.file("tidegate.pid")).ok()?;
        let mut lines = text.lines();
        (lines.next()?.parse::<u32>().ok()? == pid).then_some(())?;
        let admin: SocketAddr = lines.next()?.parse().ok()?;
        let status = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .args(["status"])
            .current_dir(self.folder.path())
            .output();
        let text = String::from_utf8(status.ok()?.stdout).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("public"))?;
        Some((line.trim().parse().ok()?, admin))
    }

    pub(crate) fn public(&self) -> SocketAddr {
        self.public
    }

    pub(crate) async fn is_ready(&self) -> bool {
        self.readiness().await.is_empty()
    }

    /// Why it is not ready; empty if it is.
    pub(crate) async fn readiness(&self) -> String {
        let answer = http::call(self.admin, "GET", "/readyz", &[], "").await;
        if answer.status == 200 {
            String::new()
        } else {
            answer.body
        }
    }

    /// The nodes that it knows, by name.
    pub(crate) async fn nodes(&self) -> Vec<String> {
        let answer = self.api("/api/nodes").await;
        let nodes = answer["nodes"].as_array().unwrap().iter();
        nodes
            .map(|node| node["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Which of its lives it is in.
    pub(crate) async fn epoch(&self) -> String {
        let answer = self.api("/api/nodes").await;
        answer["nodes"][0]["epoch"].as_str().unwrap().to_owned()
    }

    /// What the HTTP API answers.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let answer = self.call("GET", path, "").await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// What the HTTP API answers, if it can now.
    pub(crate) async fn try_api(&self, path: &str) -> Option<Value> {
        let answer = self.call("GET", path, "").await.unwrap();
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then(|| serde_json::from_str(&answer.body).unwrap())
    }

    /// Publishes a number to a user, to be kept. Says whether it is.
    pub(crate) async fn push(&self, user: &str, number: u64) -> bool {
        self.try_push(user, number).await.unwrap()
    }

    /// Like [`Self::push`], where the node may be gone.
    pub(crate) async fn try_push(&self, user: &str, number: u64) -> io::Result<bool> {
        let to = format!("user:{user}");
        let message = json!({"to": to, "event": "e", "data": {"number": number}, "durable": true});
        let message = message.to_string();
        let status = self.call("POST", "/api/publish", &message).await?.status;
        assert!([200, 503].contains(&status), "{status}");
        Ok(status == 200)
    }

    /// What the HTTP API answers to a body, where the node may be gone.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> io::Result<http::Answer> {
        self.call("POST", path, &body.to_string()).await
    }

    /// Has the HTTP API do something.
    pub(crate) async fn put(&self, path: &str) {
        let answer = self.call("PUT", path, "").await.unwrap();
        assert_eq!(answer.status, 204, "{answer:?}");
    }

    /// What the HTTP API answers, if there is anybody.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: &str,
    ) -> io::Result<http::Answer> {
        let log = self.log();
        // The key of the life that runs; a restart makes a new one.
        let key = log.rsplit("Bearer ").next().unwrap();
        let key = key.split('\'').next().unwrap();
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str())];
        let calling = http::try_call(self.admin, method, path, &headers, body);
        soon("an answer", calling).await
    }

    /// The sum of what a metric counts, of all values whose labels contain `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        http::metric(self.admin, name, labels).await
    }

    /// It has counted none of these.
    pub(crate) async fn has_counted_none(&self, of: &[&str]) {
        for part in of {
            let name = format!("tidegate_{part}_total");
            assert_eq!(self.metric(&name, "").await, 0.0, "{name}");
        }
    }

    pub(crate) fn signal(&self, what: Signal) {
        signal(self.child.as_ref().unwrap().id(), what);
    }

    /// Kills it, without a word to anybody.
    pub(crate) fn kill(&mut self) {
        kill(&mut self.child);
    }

    /// Waits for its end, and gives its exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let child = self.child.as_mut().unwrap();
        let mut status = None;
        within(Duration::from_secs(40), "the node has ended", async || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        self.child = None;
        status.unwrap().code()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.file("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(40)..].join("\n");
            eprintln!("{} has logged:\n{tail}", self.name);
        }
    }
}

/// Talk between every two nodes has to get through soon, in both directions.
pub(crate) async fn is_whole(nodes: &[&Node]) {
    for (number, from) in nodes.iter().enumerate() {
        for (other, to) in nodes
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != number)
        {
            let (anna, bert) = (
                format!("anna-{number}-{other}"),
                format!("bert-{number}-{other}"),
            );
            let mut anna = Client::ride(from.public(), &anna).await;
            let mut bert = Client::ride(to.public(), &bert).await;
            within(WHOLE, "a message gets through", async || {
                anna.say(&bert.token, 0).await;
                bert.hears(Duration::from_millis(200)).await.is_some()
            })
            .await;
        }
    }
}
