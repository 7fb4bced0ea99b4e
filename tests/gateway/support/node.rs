//! A node in this process, on a thread of its own, and a folder for its files.

use std::{
    collections::BTreeMap,
    env, fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tidegate::{
    admin::Reloaded,
    app::{Addresses, App, ExitReport, Reloader},
    auth::issue::{TokenRequest, issue},
    config::{Config, ReloadSource},
    happening::Herald,
};
use tokio::{sync::oneshot, time};
use tokio_util::sync::CancellationToken;

use super::{
    http::{self, Answer},
    machine::Folder,
    redis::Redis,
    settings::{REDIS, settings},
    soon,
};

/// How many nodes a gateway has, one or two: what a test says of one has to hold for a cluster.
const NODES: &str = "TG_TEST_NODES";

/// A running gateway: one node, or two that clients come to in turn. Dropping it ends it at once.
pub(crate) struct Gateway {
    nodes: Vec<Node>,
    /// Connections so far.
    turns: AtomicUsize,
    config: Config,
    folder: Folder,
    /// Entries of the log that each of two nodes had not read of the other one when they met.
    unread: Vec<f64>,
    redis: Option<Redis>,
}

/// A node in this process.
struct Node {
    addresses: Addresses,
    reloader: Reloader,
    herald: Arc<dyn Herald>,
    stop: CancellationToken,
    kill: CancellationToken,
    ended: oneshot::Receiver<ExitReport>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Gateway {
    /// Starts a gateway. `toml` has dotted keys only: `limits.idle = "1s"`.
    pub(crate) fn start(toml: &str) -> Self {
        Self::start_in(Folder::new(), toml)
    }

    /// Starts a gateway whose files, for example certificates, stand in `folder`.
    pub(crate) fn start_in(folder: Folder, toml: &str) -> Self {
        let count = env::var(NODES).map_or(1, |count| count.parse().unwrap());
        Self::launch(count, folder, toml)
    }

    /// Starts one node, however many other tests have: for what is of a node and not of a gateway.
    pub(crate) fn start_alone(toml: &str) -> Self {
        Self::launch(1, Folder::new(), toml)
    }

    /// Starts two nodes with Redis between them, however many other tests have.
    pub(crate) fn start_two(toml: &str) -> Self {
        Self::launch(2, Folder::new(), toml)
    }

    fn launch(count: usize, folder: Folder, toml: &str) -> Self {
        let has_redis = toml.contains(REDIS);
        let redis = (1 < count && !has_redis).then(Redis::start);
        let (path, toml) = settings(&folder, toml, 1 < count, redis.as_ref());
        fs::write(&path, toml).unwrap();
        let source = || ReloadSource::new(Some(path.clone()), BTreeMap::new());
        // The first node reads again what was read here, throw-away credentials included.
        let mut first = Some(source());
        let config = first.as_ref().unwrap().load().unwrap();
        let nodes = (0..count).map(|number| {
            let mut config = config.clone();
            if 1 < count {
                config.cluster.node = Some(format!("gw-{number}").parse().unwrap());
            }
            Node::start(config, first.take().unwrap_or_else(source))
        });
        let nodes = nodes.collect();
        let mut gateway = Self {
            nodes,
            turns: AtomicUsize::new(0),
            config,
            folder,
            unread: Vec::new(),
            redis,
        };
        if 1 < count {
            gateway.meet();
        }
        gateway
    }

    /// Waits until the nodes know one another.
    fn meet(&mut self) {
        // On a thread of its own: the caller may be a task, which must not block.
        let meeting = || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            runtime.block_on(async {
                for node in &self.nodes {
                    soon("the nodes meet", async {
                        while !node.has_met(self.nodes.len()).await {
                            time::sleep(Duration::from_millis(10)).await;
                        }
                    })
                    .await;
                }
                self.unread().await
            })
        };
        self.unread = thread::scope(|scope| scope.spawn(meeting).join().unwrap());
    }

    /// Waits until every node knows what has happened on the others.
    pub(crate) async fn settle(&self) {
        if self.nodes.len() == 1 {
            return;
        }
        soon("all nodes know of all sessions", async {
            loop {
                let mut pending = 0.0;
                for node in &self.nodes {
                    pending += node.metric("tidegate_presence_pending", "").await;
                }
                if pending == 0.0 && self.unread().await == self.unread {
                    return;
                }
                time::sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
    }

    /// What each of two nodes has written into the log less what the other one has read of it.
    async fn unread(&self) -> Vec<f64> {
        let mut unread = Vec::new();
        for (writer, reader) in [(0, 1), (1, 0)] {
            let name = "tidegate_presence_deltas_total";
            let written = self.nodes[writer].metric(name, "out").await;
            unread.push(written - self.nodes[reader].metric(name, "in").await);
        }
        unread
    }

    /// Where the dialects are: of one node after the other.
    pub(crate) fn public(&self) -> SocketAddr {
        let turn = self.turns.fetch_add(1, Relaxed);
        self.nodes[turn % self.nodes.len()].addresses.public[0]
    }

    /// Where the HTTP API is.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.nodes[0].addresses.admin
    }

    /// A credential of the `device` dialect.
    pub(crate) fn device_token(&self, user: &str, devices: &[&str], publish: &[&str]) -> String {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let request = TokenRequest::Device {
            user: user.to_owned(),
            devices: owned(devices),
            rooms: Vec::new(),
            publish: owned(publish),
            ttl_seconds: 60,
        };
        issue(&self.config, &request, self.now()).unwrap()
    }

    /// A credential of the `room` dialect.
    pub(crate) fn room_token(&self, user: &str, rooms: &[&str], agent: bool) -> String {
        let request = TokenRequest::Room {
            user: user.to_owned(),
            rooms: rooms.iter().map(|&room| room.to_owned()).collect(),
            agent,
            name: None,
            ttl_seconds: 60,
        };
        issue(&self.config, &request, self.now()).unwrap()
    }

    /// The first API key, made up or not.
    fn authorization(&self) -> String {
        format!("Bearer {}", self.config.api.keys[0].key.expose())
    }

    /// Asks for a token of the `im` dialect with a key that may.
    pub(crate) async fn im_token(&self, body: &Value) -> Answer {
        let authorization = self.authorization();
        let headers = [("authorization", authorization.as_str())];
        http::call(
            self.public(),
            "POST",
            "/IM/token",
            &headers,
            &body.to_string(),
        )
        .await
    }

    /// The settings it was started with.
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.unwrap().as_secs()
    }

    /// Calls the HTTP API of the first node with a key that may do everything.
    pub(crate) async fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.api_of(0, method, path, body).await
    }

    /// Calls the HTTP API of one node.
    pub(crate) async fn api_of(
        &self,
        node: usize,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let authorization = self.authorization();
        let headers = [("authorization", authorization.as_str())];
        let admin = self.nodes[node].addresses.admin;
        http::call(admin, method, path, &headers, &body.to_string()).await
    }

    /// Publishes by the HTTP API.
    pub(crate) async fn publish(&self, message: &Value) {
        self.settle().await;
        let answer = self.api("POST", "/api/publish", message).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The sum of what a metric counts on all nodes, of all values whose labels contain `labels`.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let mut sum = 0.0;
        for node in &self.nodes {
            sum += node.metric(name, labels).await;
        }
        sum
    }

    /// Waits until a metric has this value.
    pub(crate) async fn until_metric(&self, name: &str, labels: &str, value: f64) {
        soon(name, async {
            while self.metric(name, labels).await != value {
                time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// What tells applications of what happens, of the first node.
    pub(crate) fn herald(&self) -> &dyn Herald {
        &*self.nodes[0].herald
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it has more than one node.
    pub(crate) fn is_cluster(&self) -> bool {
        1 < self.nodes.len()
    }

    /// The Redis that was started for two nodes.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.redis.as_ref()
    }

    /// Puts other settings in the place of those it was started with, and has every node read them.
    /// Gives what came of it on the first one.
    pub(crate) fn reload(&self, toml: &str) -> Reloaded {
        let (path, toml) = settings(&self.folder, toml, self.is_cluster(), self.redis());
        fs::write(path, toml).unwrap();
        let reloaded = self
            .nodes
            .iter()
            .map(|node| node.reloader.reload().unwrap());
        let mut reloaded: Vec<Reloaded> = reloaded.collect();
        reloaded.swap_remove(0)
    }

    /// Begins the drain, like the first signal.
    pub(crate) fn stop(&self) {
        self.nodes[0].stop.cancel();
    }

    /// Cuts the drain short, like the second signal.
    pub(crate) fn kill(&self) {
        self.nodes[0].kill.cancel();
    }

    /// How it has ended.
    pub(crate) async fn ended(&mut self) -> ExitReport {
        let ended = &mut self.nodes[0].ended;
        soon("the end of the node", ended).await.unwrap()
    }
}

impl Node {
    fn start(config: Config, source: ReloadSource) -> Self {
        let app = App::build(config, source).unwrap();
        let (addresses, reloader) = (app.addresses(), app.reloader());
        let herald = app.herald();
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let (report, ended) = oneshot::channel();
        let running = app.run(stop.clone(), kill.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let _ = report.send(runtime.block_on(running));
        });
        Self {
            addresses,
            reloader,
            herald,
            stop,
            kill,
            ended,
            thread: Some(thread),
        }
    }

    /// Whether it is ready, as one of so many.
    async fn has_met(&self, count: usize) -> bool {
        let ready = http::call(self.addresses.admin, "GET", "/readyz", &[], "").await;
        ready.status == 200 && self.metric("tidegate_nodes", "").await == count as f64
    }

    /// The sum of what a metric counts, of all values whose labels contain `labels`.
    async fn metric(&self, name: &str, labels: &str) -> f64 {
        http::metric(self.addresses.admin, name, labels).await
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.kill.cancel();
        }
        for node in &mut self.nodes {
            if let Some(thread) = node.thread.take()
                && thread.join().is_err()
                && !thread::panicking()
            {
                panic!("the node has panicked");
            }
        }
    }
}
