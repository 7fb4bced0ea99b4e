//! Webhooks while nodes and Redis die: whatever was answered for is told, of each session in order.
//!
//! The nodes that die are processes of this program, which keep happenings and write down which were
//! answered for.

mod teller;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use rustix::process::Signal;
use tokio::time::{self, Instant};

use crate::{GONE, PATIENCE, WHOLE, fleet::Node, redis::Redis, service::Service, within};
use teller::Teller;

/// What is to be kept at least before something dies.
const KEPT: usize = 200;

/// What the endpoint was told.
#[derive(Default)]
struct Told {
    /// Two nodes may tell of one session at the same time.
    has_no_order: bool,
    /// How far each session has come.
    last: HashMap<String, u64>,
    ids: BTreeSet<String>,
    /// How often something came again.
    repeats: usize,
}

impl Told {
    /// Hears until all of these have come. Of a session nothing comes for the first time that what has
    /// come already stands behind.
    async fn hear(&mut self, receiver: &mut Service, all: &[String]) {
        let until = Instant::now() + PATIENCE;
        let mut missing: BTreeSet<&String> = all.iter().collect();
        missing.retain(|id| !self.ids.contains(*id));
        while !missing.is_empty() {
            let left = until.saturating_duration_since(Instant::now());
            let heard = receiver.next_within(left).await;
            let heard = heard.unwrap_or_else(|| panic!("{missing:?} never came"));
            let id = heard.json()["id"].as_str().unwrap().to_owned();
            if heard.status.is_none_or(|status| 300 <= status) {
                continue;
            }
            missing.remove(&id);
            if !self.ids.insert(id.clone()) {
                self.repeats += 1;
                continue;
            }
            let (session, number) = id.split_once('-').unwrap();
            let number: u64 = number.parse().unwrap();
            let last = self.last.insert(session.to_owned(), number);
            let is_in_order = last.is_none_or(|last| last < number);
            assert!(is_in_order || self.has_no_order, "{id} after {last:?}");
        }
    }
}

fn hook(receiver: &Service) -> String {
    let url = receiver.url("/hook");
    format!(
        "backend.hooks = [{{ url = \"{url}\", events = [\"message.received\"], messages = [\"*\"] }}]\n"
    )
}

fn in_redis(redis: &Redis, receiver: &Service) -> String {
    format!("cluster.redis = \"{}\"\n{}", redis.url(), hook(receiver))
}

/// A node that only tells what others leave.
async fn heir(settings: &str) -> Node {
    let mut node = Node::with("heir", settings);
    node.run().await;
    within(WHOLE, "it is ready", async || node.is_ready().await).await;
    node
}

#[tokio::test]
async fn what_a_killed_node_had_kept_is_told_by_the_one_that_reaps_it() {
    let redis = Redis::start();
    let mut receiver = Service::taking();
    let settings = in_redis(&redis, &receiver);
    let node = heir(&settings).await;
    let mut told = Told::default();
    for life in 0..2 {
        let mut teller = Teller::start(&format!("teller-{life}"), &settings);
        teller.until_kept(KEPT).await;
        teller.kill();
        told.hear(&mut receiver, &teller.kept()).await;
    }
    within(WHOLE + GONE, "nothing is left of the dead", async || {
        redis.keys("tg:hooks:") == 1 && redis.keys("tg:inbox:") == 1
    })
    .await;
    assert_eq!(node.metric("tidegate_hooks_pending", "").await, 0.0);
    assert_eq!(redis.keys("tg:hooks:dead"), 0);
}

#[tokio::test]
async fn what_was_kept_before_redis_died_with_its_data_is_told_afterwards() {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start_with(&options);
    let mut receiver = Service::taking();
    let mut teller = Teller::start("teller", &in_redis(&redis, &receiver));
    teller.until_kept(KEPT).await;
    redis.kill();
    redis.run();
    let before = teller.kept().len();
    teller.until_kept(before + KEPT).await;
    teller.signal(Signal::TERM);
    assert!(teller.ended().await);
    let mut told = Told::default();
    told.hear(&mut receiver, &teller.kept()).await;
}

/// An endpoint that answers 503 until it is open.
fn closed() -> (Service, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    let receiver = Service::start(move |_| match is_open.load(Relaxed) {
        true => (200, ""),
        false => (503, ""),
    });
    (receiver, open)
}

#[tokio::test]
async fn what_a_node_leaves_that_ends_in_order_is_told_by_another_one() {
    let redis = Redis::start();
    let (mut receiver, open) = closed();
    let settings = in_redis(&redis, &receiver);
    let mut teller = Teller::start("teller", &settings);
    teller.until_kept(KEPT).await;
    let _node = heir(&settings).await;
    teller.signal(Signal::TERM);
    assert!(teller.ended().await);
    open.store(true, Relaxed);
    let mut told = Told::default();
    told.hear(&mut receiver, &teller.kept()).await;
    within(WHOLE + GONE, "nothing is left of it", async || {
        redis.keys("tg:hooks:") == 1 && redis.ask(&["SCARD", "tg:members"]) == "1"
    })
    .await;
}

#[tokio::test]
async fn what_the_only_node_leaves_is_told_by_its_next_life() {
    let redis = Redis::start();
    let (mut receiver, open) = closed();
    let settings = in_redis(&redis, &receiver);
    let mut told = Told::default();
    let mut teller = Teller::start("teller", &settings);
    teller.until_kept(KEPT).await;
    teller.signal(Signal::TERM);
    assert!(teller.ended().await);
    open.store(true, Relaxed);
    let _node = heir(&settings).await;
    told.hear(&mut receiver, &teller.kept()).await;
}

#[tokio::test]
async fn what_a_node_alone_had_kept_when_it_was_killed_is_told_after_its_restart() {
    let mut receiver = Service::taking();
    let folder = crate::machine::Folder::new();
    let store = folder.path().join("store.db");
    let settings = format!(
        "store.url = \"sqlite://{}\"\n{}",
        store.display(),
        hook(&receiver)
    );
    let mut teller = Teller::start("teller", &settings);
    teller.until_kept(KEPT).await;
    teller.kill();
    let mut node = Node::with("teller", &settings);
    node.run().await;
    let mut told = Told::default();
    told.hear(&mut receiver, &teller.kept()).await;
    within(WHOLE, "all was told", async || {
        node.metric("tidegate_hooks_pending", "").await == 0.0
    })
    .await;
}

#[tokio::test]
async fn what_a_node_had_kept_that_was_declared_dead_in_its_sleep_is_told() {
    let redis = Redis::start();
    let (mut receiver, open) = closed();
    let settings = in_redis(&redis, &receiver);
    let node = heir(&settings).await;
    let mut teller = Teller::start("teller", &settings);
    teller.until_kept(KEPT).await;
    within(WHOLE, "they know one another", async || {
        node.nodes().await.len() == 2
    })
    .await;
    time::sleep(Duration::from_secs(5)).await;
    teller.signal(Signal::STOP);
    within(2 * GONE, "it is reaped", async || {
        node.metric("tidegate_takeovers_total", "").await == 1.0
    })
    .await;
    teller.signal(Signal::CONT);
    // What it keeps in its next life is kept under another name.
    let before = teller.kept().len();
    teller.until_kept(before + KEPT).await;
    teller.kill();
    open.store(true, Relaxed);
    let mut told = Told {
        has_no_order: true,
        ..Told::default()
    };
    told.hear(&mut receiver, &teller.kept()).await;
    within(WHOLE + GONE, "nothing is left of it", async || {
        redis.keys("tg:hooks:") == 1 && redis.ask(&["SCARD", "tg:members"]) == "1"
    })
    .await;
}

/// Kills at random times, over and over: few times, or for long.
#[tokio::test]
async fn under_random_kills_nothing_that_was_answered_for_is_lost() {
    let lives = crate::lasting(Duration::from_secs(3), Duration::from_secs(30)).as_secs();
    let redis = Redis::start();
    let mut receiver = Service::taking();
    let settings = in_redis(&redis, &receiver);
    let mut told = Told::default();
    let mut all = Vec::new();
    for life in 0..lives {
        // Two that take over from one another, and one of them dies.
        let mut dying = Teller::start(&format!("a{life}"), &settings);
        let mut other = Teller::start(&format!("b{life}"), &settings);
        dying.until_kept(1).await;
        other.until_kept(1).await;
        time::sleep(Duration::from_millis(37 * (life + 1) % 500)).await;
        dying.kill();
        time::sleep(Duration::from_millis(53 * (life + 1) % 700)).await;
        other.kill();
        all.extend(dying.kept());
        all.extend(other.kept());
    }
    let _node = heir(&settings).await;
    told.hear(&mut receiver, &all).await;
}
