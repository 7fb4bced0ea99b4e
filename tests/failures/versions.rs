//! Nodes of two releases in one cluster, whose newer one knows a version of the bus that the older one
//! does not: a rolling upgrade and the way back, under traffic.

use std::{path::Path, time::Duration};

use rustix::process::Signal;
use serde_json::json;
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    task,
    time::{self, Instant},
};

use crate::{
    WHOLE,
    client::Client,
    fleet::{Node, is_whole},
    next::{next, this},
    redis::Redis,
    within,
};

/// Between two rounds of talk.
const PACE: Duration = Duration::from_millis(10);
/// Every so many rounds there is a letter, and a guest who comes and goes.
const SELDOM: u64 = 10;
/// What nobody counts while all nodes read one another.
const NONE: &[&str] = &["bus_lost", "presence_unreadable", "fenced", "takeovers"];

/// The versions that the two releases speak among themselves.
const OLD: f64 = 2.0;
const NEW: f64 = 3.0;

/// What was said so far.
#[derive(Default)]
struct Story {
    rounds: u64,
    /// Letters to who is away all the time, and to who looks after each restart.
    letters: Vec<u64>,
    unread: usize,
}

impl Story {
    /// Two talk from node to node until told to stop, and hear every word once and in order. Meanwhile
    /// letters are kept, and guests come and go, which is told to all nodes.
    async fn go_on(&mut self, nodes: [&Node; 2], mut stop: oneshot::Receiver<()>) {
        let [one, other] = nodes;
        let mut anna = Client::ride(one.public(), "anna").await;
        let mut bert = Client::ride(other.public(), "bert").await;
        for node in nodes {
            for user in ["anna", "bert"] {
                let path = format!("/api/users/{user}");
                within(WHOLE, "they are known", async || {
                    node.api(&path).await["online"] == true
                })
                .await;
            }
        }
        while matches!(stop.try_recv(), Err(TryRecvError::Empty)) {
            self.rounds += 1;
            let number = self.rounds;
            anna.say("bert", number).await;
            assert_eq!(bert.hears(WHOLE).await, Some(number));
            bert.say("anna", number).await;
            assert_eq!(anna.hears(WHOLE).await, Some(number));
            if number.is_multiple_of(SELDOM) {
                let node = nodes[(number / SELDOM % 2) as usize];
                Client::ride(node.public(), &format!("guest-{number}")).await;
                for user in ["carl", "dora"] {
                    assert!(node.push(user, number).await, "it is kept");
                }
                self.letters.push(number);
                self.unread += 1;
            }
            time::sleep(PACE).await;
        }
    }

    /// Whatever is asked of a node of another one is answered, and rooms reach over all.
    async fn check(&mut self, nodes: &[Node]) {
        is_whole(&nodes.iter().collect::<Vec<_>>()).await;
        let mut erik = Client::ride(nodes[0].public(), "erik").await;
        for node in nodes {
            within(WHOLE, "he is seen", async || {
                node.api("/api/users/erik").await["online"] == true
            })
            .await;
            let found = node.api("/api/sessions?topic=user:erik").await;
            assert_eq!(found.get("missing"), None, "{found}");
            assert_eq!(found["sessions"].as_array().unwrap().len(), 1, "{found}");
            let erik_too = json!({"user": "erik"});
            let joined = node.post("/api/rooms/r/members", &erik_too).await.unwrap();
            assert_eq!(joined.status, 200, "{joined:?}");
            within(WHOLE, "the room is known", async || {
                node.api("/api/topics/room:r").await["subscribers"] == 1
            })
            .await;
            let message = json!({"to": "room:r", "event": "e", "data": {"number": 5}});
            let answer = node.post("/api/publish", &message).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(erik.hears(WHOLE).await, Some(5));
        }
        let mut dora = Client::ride(nodes[2].public(), "dora").await;
        let unread = std::mem::take(&mut self.unread);
        let expect = &self.letters[self.letters.len() - unread..];
        assert_eq!(dora.reads(unread).await, expect);
        dora.ping().await;
    }
}

async fn has_lost_nothing(node: &Node) {
    node.has_counted_none(NONE).await;
    for outcome in ["newer", "unreadable", "dropped"] {
        let counted = node.metric("tidegate_mail_letters_total", outcome).await;
        assert_eq!(counted, 0.0, "{outcome} letters");
    }
}

async fn speak(nodes: &[Node], version: f64) {
    for node in nodes {
        within(WHOLE, "all speak one version", async || {
            node.metric("tidegate_bus_version", "").await == version
        })
        .await;
    }
}

/// The first node goes, and comes back as another release while the others go on. It is the last then.
async fn replace(nodes: &mut Vec<Node>, release: &'static Path, story: &mut Story) {
    let mut node = nodes.remove(0);
    has_lost_nothing(&node).await;
    let (stop, stopped) = oneshot::channel();
    let replacing = async {
        node.signal(Signal::TERM);
        assert_eq!(node.ended().await, Some(0));
        let begin = Instant::now();
        node.release = release;
        node.run_again().await;
        within(WHOLE, "it is ready", async || node.is_ready().await).await;
        println!("ready after {:.1?}", begin.elapsed());
        // Some words with it there.
        time::sleep(Duration::from_secs(1)).await;
        let _ = stop.send(());
        node
    };
    let talking = story.go_on([&nodes[0], &nodes[1]], stopped);
    let (node, ()) = tokio::join!(replacing, talking);
    nodes.push(node);
    story.check(nodes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_go_from_release_to_release_and_back_and_nobody_notices() {
    let next = task::block_in_place(next);
    let redis = Redis::start();
    let mut nodes = Node::fleet(3, &redis.url()).await;
    for node in &mut nodes {
        node.stay();
    }
    let mut story = Story::default();
    for (release, end) in [(next, NEW), (this(), OLD)] {
        for number in 1..=nodes.len() {
            replace(&mut nodes, release, &mut story).await;
            let is_mixed = number < nodes.len();
            speak(&nodes, if is_mixed { OLD } else { end }).await;
        }
    }
    // Also what was kept by either release.
    let mut carl = Client::ride(nodes[1].public(), "carl").await;
    assert_eq!(carl.reads(story.letters.len()).await, story.letters);
    for node in &nodes {
        has_lost_nothing(node).await;
    }
    println!("{} rounds, {} letters", story.rounds, story.letters.len());
    assert!(100 < story.rounds, "that proves little");
}

/// A member by hand, which says this of versions.
fn enroll(redis: &Redis, member: &str, bus: &str) {
    let info = format!(r#"{{"address":"","sessions":0,"lag":0,"state":"ready"{bus}}}"#);
    redis.ask(&[
        "SET",
        &format!("tg:node:{{{member}}}"),
        &info,
        "PX",
        "60000",
    ]);
    redis.ask(&["SADD", "tg:members", member]);
}

/// The version of the last entry of a stream.
fn version_of_last(redis: &Redis, stream: &str) -> String {
    let script = "local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1] \
        return last and last[2][8]:byte(1)";
    redis.ask(&["EVAL", script, "1", stream])
}

#[tokio::test]
async fn a_member_that_announces_nothing_is_written_to_as_the_first_release_was() {
    let redis = Redis::start();
    let node = Node::start("gw-1", &redis.url()).await;
    let speaks = async |version: f64| {
        within(WHOLE, "the version is spoken", async || {
            node.metric("tidegate_bus_version", "").await == version
        })
        .await;
    };
    speaks(OLD).await;
    let inbox = "tg:inbox:{gw-0.1}";
    redis.ask(&["XGROUP", "CREATE", inbox, "gateway", "0", "MKSTREAM"]);
    enroll(&redis, "gw-0.1", "");
    speaks(1.0).await;
    let nodes = node.api("/api/nodes").await;
    assert_eq!(
        nodes["nodes"][1]["bus"],
        json!({"min": 1, "max": 1, "speaks": 1})
    );
    let _guest = Client::ride(node.public(), "anna").await;
    let message = json!({"to": "user:bert", "event": "e", "data": 1});
    let answer = node.post("/api/publish", &message).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    within(WHOLE, "it is written", async || {
        version_of_last(&redis, inbox) == "1"
    })
    .await;
    within(WHOLE, "all are told", async || {
        version_of_last(&redis, "tg:presence") == "1"
    })
    .await;
    assert_eq!(node.metric("tidegate_bus_lost_total", "").await, 0.0);
}

#[tokio::test]
async fn a_node_that_nobody_can_read_does_not_start_and_says_who_cannot() {
    let redis = Redis::start();
    enroll(
        &redis,
        "gw-9.1",
        r#","bus":{"min":100,"max":101,"speaks":100}"#,
    );
    let mut node = Node::new("gw-1", &redis.url());
    node.spawn(&["start"]);
    assert_eq!(node.ended().await, Some(1));
    let log = node.log();
    let said =
        "this node knows version 1 to 2 of the bus between nodes, and gw-9.1 knows 100 to 101";
    assert_eq!(log.matches(said).count(), 1, "{log}");
    // It was never one of them.
    assert_eq!(redis.ask(&["SMEMBERS", "tg:members"]), "gw-9.1");
    assert_eq!(redis.ask(&["EXISTS", "tg:presence"]), "0");
}
