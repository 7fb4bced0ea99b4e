//! Redis that freezes, dies, comes back empty or with its data, loses its primary, and forgets.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{self, Instant};

use crate::{
    TRUTH, WHOLE,
    client::Client,
    fleet::{Node, is_whole},
    lasting,
    redis::Redis,
    within,
};

async fn are_ready(nodes: &[Node]) {
    for node in nodes {
        within(WHOLE, "it is ready again", async || node.is_ready().await).await;
    }
}

#[tokio::test]
async fn while_redis_is_frozen_nobody_dies_and_what_was_said_arrives_afterwards() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    time::sleep(Duration::from_secs(5)).await;
    redis.signal(Signal::STOP);
    let begin = Instant::now();
    for node in &nodes {
        within(TRUTH, "it says that it is not ready", async || {
            node.readiness().await.contains("Redis")
        })
        .await;
    }
    anna.say("bert", 1).await;
    let frozen = lasting(Duration::from_secs(9), Duration::from_secs(30));
    time::sleep_until(begin + frozen).await;
    redis.signal(Signal::CONT);
    let thawed = Instant::now();
    assert_eq!(bert.hears(WHOLE).await, Some(1));
    are_ready(&nodes).await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    assert!(thawed.elapsed() < WHOLE, "{:?}", thawed.elapsed());
    // Nobody's session was ended.
    anna.ping().await;
    bert.ping().await;
    // Long enough for a judgement, had there been a reason for one.
    time::sleep(Duration::from_secs(7)).await;
    for node in &nodes {
        assert_eq!(node.nodes().await.len(), 2);
        node.has_counted_none(&["bus_lost", "fenced", "takeovers"])
            .await;
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_empty_is_filled_again() {
    let mut redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    redis.kill();
    for node in &nodes {
        within(TRUTH, "it says that it is not ready", async || {
            !node.is_ready().await
        })
        .await;
    }
    redis.run();
    are_ready(&nodes).await;
    // Sessions and what others know of them have outlived it.
    within(WHOLE, "they hear one another", async || {
        anna.say("bert", 2).await;
        bert.hears(Duration::from_millis(200)).await == Some(2)
    })
    .await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    for node in &nodes {
        assert_eq!(node.metric("tidegate_fenced_total", "").await, 0.0);
        assert_eq!(node.metric("tidegate_takeovers_total", "").await, 0.0);
    }
}

#[tokio::test]
async fn while_everybody_opens_anew_nothing_is_lost_in_silence() {
    const COUNT: u64 = 3000;
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    let mut heard = Vec::new();
    for number in 0..COUNT {
        if number % 1000 == 500 {
            redis.ask(&["FLUSHALL"]);
        }
        anna.say("bert", number).await;
        // The pace of a round trip to the node: some of them fall into the time of each loss.
        anna.ping().await;
        while let Some(number) = bert.hears(Duration::ZERO).await {
            heard.push(number);
        }
    }
    are_ready(&nodes).await;
    while heard.last() != Some(&(COUNT - 1)) {
        heard.extend(bert.hears(WHOLE).await);
    }
    assert!(
        heard.is_sorted_by(|one, next| one < next),
        "doubled, or out of order"
    );
    let mut announced = 0.0;
    for node in &nodes {
        announced += node.metric("tidegate_bus_lost_total", "").await;
        assert_eq!(node.metric("tidegate_fenced_total", "").await, 0.0);
    }
    let missing = COUNT - heard.len() as u64;
    assert!(
        missing as f64 <= announced,
        "{missing} are missing, {announced} announced"
    );
}

#[tokio::test]
async fn a_redis_that_comes_back_with_its_data_loses_nothing() {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start_with(&options);
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    for number in 0..50 {
        anna.say("bert", number).await;
    }
    redis.kill();
    for number in 50..100 {
        anna.say("bert", number).await;
    }
    redis.run();
    for number in 0..100 {
        assert_eq!(bert.hears(WHOLE).await, Some(number));
    }
    are_ready(&nodes).await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
}

#[tokio::test]
async fn the_replica_that_sentinels_promote_is_found() {
    let options = ["--repl-diskless-sync-delay", "0"];
    let mut primary = Redis::start_with(&options);
    let port = primary.port().to_string();
    let mut with_primary = options.to_vec();
    with_primary.extend(["--replicaof", "127.0.0.1", &port]);
    let replica = Redis::start_with(&with_primary);
    within(WHOLE, "the replica follows", async || {
        replica
            .ask(&["INFO", "replication"])
            .contains("master_link_status:up")
    })
    .await;
    let mut sentinels = Vec::new();
    for _ in 0..3 {
        sentinels.push(Redis::sentinel(primary.port()));
    }
    for sentinel in &sentinels {
        within(
            WHOLE,
            "the Sentinels know one another and the replica",
            async || {
                let known = sentinel.ask(&["SENTINEL", "MASTER", "main"]);
                let lines: Vec<&str> = known.lines().collect();
                let value = |name: &str| {
                    let at = lines.iter().position(|line| *line == name);
                    at.map(|at| lines[at + 1].to_owned())
                };
                value("num-other-sentinels").as_deref() == Some("2")
                    && value("num-slaves").as_deref() == Some("1")
            },
        )
        .await;
    }
    let hosts = sentinels
        .iter()
        .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()));
    let url = format!(
        "redis+sentinel://{}/main",
        hosts.collect::<Vec<_>>().join(",")
    );
    let nodes = Node::fleet(2, &url).await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    primary.kill();
    within(2 * WHOLE, "the replica is promoted", async || {
        replica.ask(&["ROLE"]).starts_with("master")
    })
    .await;
    are_ready(&nodes).await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
}

#[tokio::test]
async fn what_is_trimmed_under_a_member_that_lags_is_noticed_and_made_good() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let _bert = Client::ride(nodes[1].public(), "bert").await;
    is_whole(&[&nodes[0], &nodes[1]]).await;
    // Shorter than a lease, so that nobody is found dead for it.
    nodes[1].signal(Signal::STOP);
    let mut carl = Client::ride(nodes[0].public(), "carl").await;
    for number in 0..20 {
        anna.say("bert", number).await;
        anna.ping().await;
    }
    within(WHOLE, "it is written", async || {
        let inbox = redis.ask(&["KEYS", "tg:inbox:{gw-2.*"]);
        redis.ask(&["XLEN", &inbox]) != "0"
    })
    .await;
    let inbox = redis.ask(&["KEYS", "tg:inbox:{gw-2.*"]);
    redis.ask(&["XTRIM", &inbox, "MAXLEN", "0"]);
    redis.ask(&["XTRIM", "tg:presence", "MAXLEN", "0"]);
    nodes[1].signal(Signal::CONT);
    // The next numbers show the gaps.
    anna.say("bert", 99).await;
    let _dora = Client::ride(nodes[0].public(), "dora").await;
    within(WHOLE, "the loss is announced", async || {
        1.0 <= nodes[1].metric("tidegate_bus_lost_total", "gap").await
    })
    .await;
    within(WHOLE, "the gap in the log is noticed", async || {
        1.0 <= nodes[1].metric("tidegate_presence_gaps_total", "").await
    })
    .await;
    // What was told in the gap is known all the same.
    let mut erik = Client::ride(nodes[1].public(), "erik").await;
    within(WHOLE, "who came meanwhile is reached", async || {
        erik.say("carl", 5).await;
        carl.hears(Duration::from_millis(200)).await == Some(5)
    })
    .await;
}
