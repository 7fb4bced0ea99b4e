//! What runs, and what is in its store.

use std::{
    fs,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use jsonwebtoken::EncodingKey;
use rusqlite::Connection;
use serde_json::Value;
use tidegate::{
    config::rsa::{BITS, PrivateKey},
    store::sqlite::{Database, Place},
};
use tokio::task::{JoinSet, block_in_place};

use super::{
    chance::Chance,
    ledger::{Ledger, Row, Words},
    phone::Phone,
};
use crate::{
    PATIENCE, WHOLE, fleet::Node, machine::Folder, mariadb::Mariadb, redis::Redis, within,
};

/// Pairs of users who are friends. The first of each sends.
pub(crate) const PAIRS: u64 = 8;
/// Longest time that something is left away.
pub(crate) const AWAY: Duration = Duration::from_millis(200);
/// A receiver's number is so much greater than its sender's.
const APART: u64 = 100;
/// The stream of what is in no database yet, and its group.
const STREAM: &str = "tg:mq";
const GROUP: &str = "archive";
/// Longer than a node may keep what it has taken.
const TAKEN_MS: &str = "60000";
/// Columns of a message in the order in which they are read.
const COLUMNS: &str = "`from`, `to`, type, msg, packet_id";

/// Nodes, and what they share.
pub(crate) struct Scene {
    pub(crate) nodes: Vec<Node>,
    /// Absent of a node that is alone.
    pub(crate) shared: Option<Shared>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) chance: Chance,
    pub(crate) is_enough: Arc<AtomicBool>,
    /// Nobody leaves of himself.
    pub(crate) stays: bool,
    key: EncodingKey,
}

/// What the nodes of a cluster share.
pub(crate) struct Shared {
    pub(crate) redis: Redis,
    pub(crate) mariadb: Mariadb,
}

// === impl Scene ===

impl Scene {
    /// One node, which has everything in a file.
    pub(crate) async fn embedded(seed: u64) -> Self {
        Self::start(seed, 1, None).await
    }

    /// Two nodes with Redis and MariaDB. What Redis answers for is on disk: with a wait of a second
    /// it may put off even the write when the disk is slow.
    pub(crate) async fn cluster(seed: u64) -> Self {
        let shared = block_in_place(|| Shared {
            redis: Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]),
            mariadb: Mariadb::start(),
        });
        Self::start(seed, 2, Some(shared)).await
    }

    async fn start(seed: u64, count: usize, shared: Option<Shared>) -> Self {
        eprintln!("the seed is {seed}");
        let key = PrivateKey::make(BITS).unwrap();
        let key = key.to_pem().unwrap().private;
        // Those who only receive would be taken for gone after a minute.
        let mut settings = "dialect.im.ping = \"20s\"\n".to_owned();
        settings += &format!("dialect.im.private_key = '''{}'''\n", key.expose());
        if let Some(Shared { redis, mariadb }) = &shared {
            let url = mariadb.database("tg");
            settings += &format!(
                "cluster.redis = \"{}\"\nstore.url = \"{url}\"\n",
                redis.url()
            );
        }
        let mut nodes = Vec::new();
        for number in 1..=count {
            let mut node = Node::with(&format!("gw-{number}"), &settings);
            node.run().await;
            node.stay();
            nodes.push(node);
        }
        for node in &nodes {
            within(PATIENCE, "the node is ready", async || {
                node.is_ready().await
            })
            .await;
        }
        for user in 1..=PAIRS {
            nodes[0]
                .put(&format!("/api/im/friends/{user}/{}", user + APART))
                .await;
        }
        Self {
            nodes,
            shared,
            ledger: Arc::default(),
            chance: Chance::new(seed),
            is_enough: Arc::default(),
            stays: false,
            key: EncodingKey::from_rsa_pem(key.expose().as_bytes()).unwrap(),
        }
    }

    fn phone(&self, user: u64, peer: u64) -> Phone {
        Phone {
            user,
            peer,
            nodes: self.nodes.iter().map(Node::public).collect(),
            key: self.key.clone(),
            ledger: Arc::clone(&self.ledger),
            chance: self.chance.of(user),
            stays: self.stays,
            is_enough: Arc::clone(&self.is_enough),
        }
    }

    /// Everybody who sends.
    pub(crate) fn senders(&self) -> JoinSet<()> {
        let users = 1..=PAIRS;
        users
            .map(|user| self.phone(user, user + APART).send())
            .collect()
    }

    /// Everybody who receives, until they are dropped.
    pub(crate) fn receivers(&self) -> JoinSet<()> {
        let users = 1..=PAIRS;
        users
            .map(|user| self.phone(user + APART, user).receive())
            .collect()
    }

    /// Waits until every node knows that those who receive are there.
    pub(crate) async fn receivers_are_known(&self) {
        for node in &self.nodes {
            for user in 1..=PAIRS {
                let path = format!("/api/users/{}", user + APART);
                within(WHOLE, "the receivers are known", async || {
                    node.api(&path).await["online"] == true
                })
                .await;
            }
        }
    }

    /// Waits until this many more messages are acknowledged through a node.
    pub(crate) async fn until_more(&self, node: usize, count: u64) {
        let begin = self.ledger.through(node);
        within(PATIENCE, "messages are acknowledged", async || {
            begin + count <= self.ledger.through(node)
        })
        .await;
    }

    /// What is in the store.
    pub(crate) fn rows(&self) -> Vec<Row> {
        block_in_place(|| match &self.shared {
            None => self.rows_of_file(),
            Some(shared) => shared.rows(),
        })
    }

    /// Of a copy, as the next life of the node will find it: opening it puts what has only arrived into
    /// its table.
    fn rows_of_file(&self) -> Vec<Row> {
        let folder = Folder::new();
        for name in ["tidegate.db", "tidegate.db-wal"] {
            let from = self.nodes[0].file(name);
            if from.exists() {
                fs::copy(from, folder.path().join(name)).unwrap();
            }
        }
        let path = folder.path().join("tidegate.db");
        let _opened = Database::open(&Place::File(path.clone())).unwrap();
        let file = Connection::open(path).unwrap();
        let select = format!("SELECT {COLUMNS} FROM message");
        let mut select = file.prepare(&select).unwrap();
        let rows = select.query_map([], |row| {
            Ok(Row {
                from: row.get::<_, i64>(0)?.cast_unsigned(),
                packet_id: row.get(4)?,
                words: Words {
                    to: row.get::<_, i64>(1)?.cast_unsigned(),
                    kind: row.get::<_, String>(2)?.chars().next().unwrap(),
                    text: row.get(3)?,
                },
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// What the history of everybody has.
    pub(crate) async fn histories(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for user in 1..=PAIRS {
            let of_sender = self.history(user).await;
            let of_receiver = self.history(user + APART).await;
            // The other one may have newer ones, of those who go on sending.
            assert!(
                of_receiver.ends_with(&of_sender),
                "{user} and its friend see other messages"
            );
            rows.extend(of_sender.iter().map(row_of_message));
        }
        rows
    }

    /// All pages of a user's history.
    async fn history(&self, user: u64) -> Vec<Value> {
        let path = format!("/api/history/user:{user}?limit=100");
        let (mut messages, mut cursor) = (Vec::new(), String::new());
        loop {
            let node = &self.nodes[messages.len() / 100 % self.nodes.len()];
            let path = format!("{path}{cursor}");
            // A database that is back is found again in its time.
            let mut page = None;
            within(WHOLE, "the history can be read", async || {
                page = node.try_api(&path).await;
                page.is_some()
            })
            .await;
            let page = page.unwrap();
            messages.extend(page["messages"].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else {
                break;
            };
            cursor = format!("&cursor={next}");
        }
        let ids: Vec<u64> = messages
            .iter()
            .map(|message| message["id"].as_u64().unwrap())
            .collect();
        assert!(
            ids.is_sorted_by(|newer, older| older < newer),
            "the history of {user}"
        );
        messages
    }

    /// Waits until everything is in the store.
    pub(crate) async fn settled(&self) {
        let Some(Shared { redis, .. }) = &self.shared else {
            // Nobody writes from then on.
            let file = Connection::open(self.nodes[0].file("tidegate.db")).unwrap();
            let select = "SELECT count(*) FROM arrived WHERE body <> x''";
            return within(PATIENCE, "all is in its table", async || {
                file.query_row(select, [], |row| row.get(0)) == Ok(0)
            })
            .await;
        };
        // What a node had taken that was killed is given to another one much later; here it is later.
        let taken = redis.ask(&["XPENDING", STREAM, GROUP, "-", "+", "100000"]);
        let names = taken.lines().filter(|line| line.ends_with("-0"));
        for name in names {
            let age = ["IDLE", TAKEN_MS, "JUSTID"];
            let claim = [&["XCLAIM", STREAM, GROUP, "node", "0", name][..], &age].concat();
            redis.ask(&claim);
        }
        within(PATIENCE, "all is in the database", async || {
            redis.ask(&["XLEN", STREAM]) == "0"
        })
        .await;
    }
}

// === impl Shared ===

impl Shared {
    fn rows(&self) -> Vec<Row> {
        let answer = self
            .mariadb
            .ask(&format!("SELECT {COLUMNS} FROM tg.message"));
        answer.lines().map(row_of_line).collect()
    }
}

fn row_of_line(line: &str) -> Row {
    let columns: Vec<&str> = line.split('\t').collect();
    Row {
        from: columns[0].parse().unwrap(),
        packet_id: columns[4].to_owned(),
        words: Words {
            to: columns[1].parse().unwrap(),
            kind: columns[2].chars().next().unwrap(),
            text: columns[3].to_owned(),
        },
    }
}

fn row_of_message(message: &Value) -> Row {
    Row {
        from: message["from"].as_u64().unwrap(),
        packet_id: message["packet_id"].to_string(),
        words: Words {
            to: message["to"].as_u64().unwrap(),
            kind: message["type"].as_str().unwrap().chars().next().unwrap(),
            text: message["msg"].as_str().unwrap().to_owned(),
        },
    }
}
