//! Customer service while nodes die: every customer ends with one agent who lives, and what customers say
//! arrives, in order; what was on its way to a dead node comes a second time.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _, stream::SplitSink};
use serde_json::{Value, json};
use tokio::{net::TcpStream, sync::mpsc, task::JoinSet};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{GONE, WHOLE, fleet::Node, redis::Redis, soon, within};

/// Customers of each node that has some.
const CUSTOMERS: usize = 4;
/// An agent who is away for so long is given up.
const AWAY: Duration = Duration::from_secs(2);

/// A client of `room` whose frames go into one channel with those of all others.
struct Client {
    sink: SplitSink<WebSocketStream<TcpStream>, Message>,
    /// Reads until it is dropped.
    _reading: JoinSet<()>,
}

/// What has come to somebody.
struct Heard {
    who: String,
    frame: Value,
}

/// Everybody, and what was said and heard.
struct Scene {
    clients: BTreeMap<String, Client>,
    heard: mpsc::UnboundedReceiver<Heard>,
    hears: mpsc::UnboundedSender<Heard>,
    /// How many messages each customer has sent.
    sent: BTreeMap<String, u64>,
    /// What has come of each customer to agents, what came again left out.
    arrived: BTreeMap<String, Vec<u64>>,
    /// Who has told each customer to be its agent last.
    agents: BTreeMap<String, String>,
}

// === impl Client ===

impl Client {
    async fn connect(
        address: SocketAddr,
        path: &str,
        who: &str,
        hears: mpsc::UnboundedSender<Heard>,
    ) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{address}{path}");
        let (socket, _) = soon("the upgrade", client_async(url, stream))
            .await
            .unwrap();
        let (sink, mut frames) = socket.split();
        let who = who.to_owned();
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            while let Some(Ok(message)) = frames.next().await {
                if let Message::Text(text) = message {
                    let (who, frame) = (who.clone(), serde_json::from_str(&text).unwrap());
                    let _ = hears.send(Heard { who, frame });
                }
            }
        });
        Self {
            sink,
            _reading: reading,
        }
    }
}

// === impl Scene ===

impl Scene {
    fn new() -> Self {
        let (hears, heard) = mpsc::unbounded_channel();
        Self {
            clients: BTreeMap::new(),
            heard,
            hears,
            sent: BTreeMap::new(),
            arrived: BTreeMap::new(),
            agents: BTreeMap::new(),
        }
    }

    async fn agent(&mut self, node: &Node, id: &str) {
        self.connect(node, &format!("/room/agents/?agent={id}"), id)
            .await;
        within(WHOLE, "the agent is there", async || {
            let view = node.api("/api/service").await;
            let mut agents = view["agents"].as_array().unwrap().iter();
            agents.any(|agent| agent["id"] == id && agent["online"] == true)
        })
        .await;
    }

    async fn customer(&mut self, node: &Node, id: &str) {
        self.connect(node, &format!("/room/lobby/?user={id}"), id)
            .await;
        self.sent.entry(id.to_owned()).or_default();
    }

    async fn connect(&mut self, node: &Node, path: &str, id: &str) {
        let client = Client::connect(node.public(), path, id, self.hears.clone()).await;
        self.clients.insert(id.to_owned(), client);
    }

    /// Every customer says one thing more.
    async fn all_ask(&mut self) {
        for (id, count) in &mut self.sent {
            *count += 1;
            let message = json!({"type": 1, "from": id, "to": "service", "message": *count});
            let client = self.clients.get_mut(id).unwrap();
            let sending = client.sink.send(Message::text(message.to_string()));
            soon("sending", sending).await.unwrap();
        }
        self.note();
    }

    /// Takes note of what has come.
    fn note(&mut self) {
        while let Ok(Heard { who, frame }) = self.heard.try_recv() {
            assert_ne!(frame["type"], "error", "{who}: {frame}");
            if frame["type"] == 1 && frame["to"] == "service" && !self.sent.contains_key(&who) {
                let from = frame["from"].as_str().unwrap().to_owned();
                let numbers = self.arrived.entry(from).or_default();
                let number = frame["message"].as_u64().unwrap();
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
            if frame["type"] == "assigned" && self.sent.contains_key(&who) {
                let agent = frame["id"].as_str().unwrap().to_owned();
                self.agents.insert(who, agent);
            }
        }
    }

    /// Everything that was said has come to some agent, in order.
    async fn everything_arrives(&mut self) {
        within(GONE + AWAY + WHOLE, "everything arrives", async || {
            self.note();
            self.sent.iter().all(|(id, count)| {
                let arrived = self.arrived.get(id).map_or(0, Vec::len);
                arrived as u64 == *count
            })
        })
        .await;
        for (id, numbers) in &self.arrived {
            assert!(numbers.is_sorted(), "{id}: {numbers:?}");
        }
    }

    /// Every customer has one of these agents, whom it was told of.
    async fn all_are_served(&mut self, node: &Node, by: &[&str]) {
        let by: BTreeSet<&str> = by.iter().copied().collect();
        within(GONE + AWAY + WHOLE, "everybody is served", async || {
            self.note();
            let view = node.api("/api/service").await;
            let customers = view["customers"].as_array().unwrap();
            customers.len() == self.sent.len()
                && customers.iter().all(|customer| {
                    let id = customer["id"].as_str().unwrap();
                    let agent = customer["agent"].as_str().unwrap_or_default();
                    by.contains(agent) && self.agents.get(id).is_some_and(|told| told == agent)
                })
        })
        .await;
    }
}

/// Three nodes that give up agents soon.
async fn fleet(redis: &Redis) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let url = format!("redis://{}", redis.host());
        let settings = format!(
            "cluster.redis = \"{url}\"\nlog.level = \"debug\"\n\
             dialect.room.strategy = \"least_loaded\"\n\
             dialect.room.reassign_after = \"{}s\"\n",
            AWAY.as_secs()
        );
        let mut node = Node::with(&format!("gw-{number}"), &settings);
        node.run().await;
        nodes.push(node);
    }
    for node in &nodes {
        within(WHOLE, "all know one another", async || {
            node.is_ready().await && node.nodes().await.len() == 3
        })
        .await;
    }
    nodes
}

#[tokio::test]
async fn customers_have_living_agents_and_are_heard_while_nodes_die() {
    let redis = Redis::start();
    let mut nodes = fleet(&redis).await;
    let mut scene = Scene::new();
    for (number, node) in nodes.iter().enumerate() {
        scene.agent(node, &format!("a{}", number + 1)).await;
    }
    for number in 0..CUSTOMERS {
        scene.customer(&nodes[1], &format!("c2-{number}")).await;
        scene.customer(&nodes[2], &format!("c3-{number}")).await;
    }
    for _ in 0..5 {
        scene.all_ask().await;
    }
    scene.all_are_served(&nodes[1], &["a1", "a2", "a3"]).await;
    // The node of an agent dies while its customers talk.
    scene.all_ask().await;
    nodes[0].kill();
    scene.clients.remove("a1");
    for _ in 0..10 {
        scene.all_ask().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    scene.all_are_served(&nodes[1], &["a2", "a3"]).await;
    scene.everything_arrives().await;
    // A node with an agent and customers dies; the customers go elsewhere, and on.
    nodes[1].kill();
    scene.clients.remove("a2");
    for number in 0..CUSTOMERS {
        scene.customer(&nodes[2], &format!("c2-{number}")).await;
    }
    for _ in 0..5 {
        scene.all_ask().await;
    }
    scene.all_are_served(&nodes[2], &["a3"]).await;
    scene.everything_arrives().await;
    // Nobody is there: all wait, and the next one has them all.
    nodes[2].kill();
    scene.clients.clear();
    nodes[0].run().await;
    within(GONE + AWAY + WHOLE, "all wait", async || {
        let view = nodes[0].api("/api/service").await;
        view["waiting"] == 2 * CUSTOMERS as u64 && view["agents"] == json!([])
    })
    .await;
    for id in scene.sent.keys().cloned().collect::<Vec<_>>() {
        scene.customer(&nodes[0], &id).await;
    }
    scene.all_ask().await;
    scene.agent(&nodes[0], "a4").await;
    scene.all_are_served(&nodes[0], &["a4"]).await;
    scene.everything_arrives().await;
}

/// The last node of all dies in the middle of it, and its next life goes on.
#[tokio::test]
async fn a_node_that_is_alone_goes_on_where_it_was_killed() {
    let settings = "dialect.room.strategy = \"least_loaded\"\n\
                    dialect.room.reassign_after = \"2s\"\nlog.level = \"debug\"\n";
    let mut node = Node::with("gw-1", settings);
    node.run().await;
    let mut scene = Scene::new();
    for id in ["c1", "c2"] {
        scene.customer(&node, id).await;
    }
    scene.all_ask().await;
    within(WHOLE, "both wait", async || {
        node.api("/api/service").await["waiting"] == 2
    })
    .await;
    node.kill();
    scene.clients.clear();
    node.run().await;
    scene.agent(&node, "a1").await;
    for id in ["c1", "c2"] {
        scene.customer(&node, id).await;
    }
    scene.all_ask().await;
    scene.everything_arrives().await;
    node.kill();
    scene.clients.clear();
    node.run().await;
    for id in ["c1", "c2"] {
        scene.customer(&node, id).await;
    }
    scene.agent(&node, "a2").await;
    scene.all_ask().await;
    scene.all_are_served(&node, &["a2"]).await;
    scene.everything_arrives().await;
}
