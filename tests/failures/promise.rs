//! The promise behind an acknowledgement of the `im` dialect: what a sender was told to be kept is in
//! the store afterwards, exactly once, whatever was killed; and nothing else is.
//!
//! Phones send all the time, come back when they are cut off, and send what was not acknowledged
//! again, under its packet id. Meanwhile gateways, Redis and MariaDB are killed at moments that depend
//! on a seed, which is printed; `TG_TEST_SEED` gives one. With `TG_TEST_LONG=1` there are more kills.

mod chance;
mod ledger;
mod phone;
mod scene;

use std::{
    env,
    sync::atomic::Ordering::SeqCst,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use tokio::{
    task::{JoinSet, block_in_place},
    time::{self, Instant},
};

use self::scene::{AWAY, Scene, Shared};
use crate::{LONG, PATIENCE, lasting, within};

/// Longest time from when it works to the next kill.
const LIFE: Duration = Duration::from_millis(400);
/// Acknowledgements between two kills, at least.
const BETWEEN: u64 = 20;
/// Longest time between two acknowledgements of all senders together while only the database is away.
const GAP: Duration = Duration::from_secs(3);
/// Between two looks at how far everything is.
const PAUSE: Duration = Duration::from_millis(20);

/// How often something is killed.
fn kills() -> u64 {
    match env::var(LONG).as_deref() {
        Ok("1") => 60,
        _ => 5,
    }
}

fn seed() -> u64 {
    if let Ok(seed) = env::var("TG_TEST_SEED") {
        return seed.parse().unwrap();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos())
}

/// Everybody on the phone.
struct Crowd {
    senders: JoinSet<()>,
    receivers: JoinSet<()>,
}

impl Crowd {
    /// Senders begin when all nodes know the receivers.
    async fn of(scene: &Scene) -> Self {
        let receivers = scene.receivers();
        scene.receivers_are_known().await;
        Self {
            receivers,
            senders: scene.senders(),
        }
    }

    /// Like [`Self::finish`], where no node was killed: then everything is delivered, too.
    async fn finish_heard(self, scene: &Scene) -> usize {
        scene.is_enough.store(true, SeqCst);
        let until = Instant::now() + 2 * PATIENCE;
        loop {
            let figures = scene.ledger.figures();
            if (figures.acknowledged, figures.delivered) == (figures.sent, figures.sent) {
                break;
            }
            assert!(Instant::now() < until, "not all is delivered: {figures}");
            time::sleep(PAUSE).await;
        }
        self.finish(scene).await
    }

    /// Lets the senders finish, and looks whether the store has what it has to. Gives the number of
    /// rows.
    async fn finish(mut self, scene: &Scene) -> usize {
        scene.is_enough.store(true, SeqCst);
        let finishing = async {
            while let Some(ended) = self.senders.join_next().await {
                ended.expect("a sender's view is as it should be");
            }
        };
        let finished = time::timeout(2 * PATIENCE, finishing).await;
        finished.expect("everything is acknowledged in the end");
        self.receivers.abort_all();
        while let Some(ended) = self.receivers.join_next().await {
            let is_well = ended.is_ok() || ended.is_err_and(|error| error.is_cancelled());
            assert!(is_well, "a receiver's view is not as it should be");
        }
        scene.ledger.check_finished();
        let kept = scene.ledger.kept();
        scene.ledger.check(&kept, &scene.histories().await);
        scene.settled().await;
        let rows = scene.rows();
        scene.ledger.check(&kept, &rows);
        scene.ledger.check(&kept, &scene.histories().await);
        let figures = scene.ledger.figures();
        assert!(0 < figures.found && 0 < figures.delivered, "{figures}");
        rows.len()
    }
}

fn report(what: &str, scene: &Scene, rows: usize, begin: Instant) {
    let (figures, took) = (scene.ledger.figures(), begin.elapsed());
    eprintln!("{what}: {figures}, {rows} rows, in {took:.1?}");
}

impl Scene {
    /// Lets time pass up to the moment of the next kill.
    async fn live(&mut self, node: usize) {
        self.until_more(node, BETWEEN).await;
        time::sleep(self.chance.time(LIFE)).await;
        self.ledger.count(|figures| figures.kills += 1);
    }

    async fn stay_away(&mut self) {
        time::sleep(self.chance.time(AWAY)).await;
    }

    fn shared(&mut self) -> &mut Shared {
        self.shared.as_mut().expect("it is a cluster")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_node_that_is_alone_acknowledged_before_it_was_killed_is_in_its_file_once() {
    let begin = Instant::now();
    let mut scene = Scene::embedded(seed()).await;
    let crowd = Crowd::of(&scene).await;
    for _ in 0..kills() {
        scene.live(0).await;
        scene.nodes[0].kill();
        scene.ledger.check(&scene.ledger.kept(), &scene.rows());
        scene.stay_away().await;
        scene.nodes[0].run_again().await;
    }
    let rows = crowd.finish(&scene).await;
    report("embedded, the node killed", &scene, rows, begin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_cluster_acknowledged_before_a_node_was_killed_is_in_the_database_once() {
    let begin = Instant::now();
    let mut scene = Scene::cluster(seed()).await;
    let crowd = Crowd::of(&scene).await;
    for number in 0..kills() as usize {
        let victim = number % scene.nodes.len();
        scene.live(victim).await;
        scene.nodes[victim].kill();
        scene.stay_away().await;
        scene.nodes[victim].run_again().await;
    }
    let rows = crowd.finish(&scene).await;
    report("cluster, nodes killed", &scene, rows, begin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_the_database_was_killed_is_in_it_once() {
    let begin = Instant::now();
    let mut scene = Scene::cluster(seed()).await;
    let crowd = Crowd::of(&scene).await;
    for number in 0..kills() as usize {
        scene.live(number % 2).await;
        scene.shared().mariadb.kill();
        scene.stay_away().await;
        block_in_place(|| scene.shared().mariadb.run());
    }
    let rows = crowd.finish_heard(&scene).await;
    report("cluster, MariaDB killed", &scene, rows, begin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_before_redis_was_killed_is_in_the_database_once() {
    let begin = Instant::now();
    let mut scene = Scene::cluster(seed()).await;
    let crowd = Crowd::of(&scene).await;
    for number in 0..kills() as usize {
        scene.live(number % 2).await;
        scene.shared().redis.kill();
        scene.stay_away().await;
        block_in_place(|| scene.shared().redis.run());
    }
    let rows = crowd.finish_heard(&scene).await;
    report("cluster, Redis killed", &scene, rows, begin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_stays_away_holds_up_no_acknowledgement_and_no_history_afterwards() {
    let begin = Instant::now();
    let mut scene = Scene::cluster(seed()).await;
    let crowd = Crowd::of(&scene).await;
    scene.live(0).await;
    scene.shared().mariadb.kill();
    let away = lasting(Duration::from_secs(5), Duration::from_secs(60));
    let until = Instant::now() + away;
    while Instant::now() < until {
        for node in 0..scene.nodes.len() {
            let before = scene.ledger.through(node);
            within(GAP, "it goes on acknowledging", async || {
                before < scene.ledger.through(node)
            })
            .await;
        }
    }
    block_in_place(|| scene.shared().mariadb.run());
    // All of it, however much is not moved yet.
    let kept = scene.ledger.kept();
    scene.ledger.check(&kept, &scene.histories().await);
    let rows = crowd.finish_heard(&scene).await;
    report("cluster, MariaDB away", &scene, rows, begin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_drains_has_answered_for_everything_that_it_has_kept() {
    let begin = Instant::now();
    let mut scene = Scene::embedded(seed()).await;
    scene.stays = true;
    let crowd = Crowd::of(&scene).await;
    for _ in 0..kills().div_ceil(2) {
        scene.live(0).await;
        scene.nodes[0].signal(Signal::TERM);
        assert_eq!(scene.nodes[0].ended().await, Some(0));
        within(PATIENCE, "all have heard of it", async || {
            scene.ledger.sessions() == 0
        })
        .await;
        let (kept, rows) = (scene.ledger.kept(), scene.rows());
        scene.ledger.check(&kept, &rows);
        let untold = rows.iter().filter(|row| {
            let key = (row.from, row.packet_id.clone());
            !kept.contains(&key)
        });
        let untold: Vec<_> = untold.collect();
        assert!(untold.is_empty(), "nobody was told of {untold:?}");
        scene.nodes[0].run_again().await;
    }
    let rows = crowd.finish(&scene).await;
    report("embedded, the node drained", &scene, rows, begin);
}
