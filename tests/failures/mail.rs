//! Durable messages while nodes and Redis die: whatever was answered for comes to its user.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::{GONE, WHOLE, client::Client, fleet::Node, redis::Redis, within};

/// Letters of one test.
const COUNT: u64 = 200;

/// That all of these came, and to each session in order and once.
fn check(sessions: &[Vec<u64>], expect: &[u64]) {
    for session in sessions {
        assert!(session.is_sorted_by(|one, next| one < next), "{session:?}");
    }
    let all: BTreeSet<u64> = sessions.iter().flatten().copied().collect();
    let missing: Vec<_> = expect
        .iter()
        .filter(|number| !all.contains(number))
        .collect();
    assert!(missing.is_empty(), "{missing:?} never came");
}

/// Reads until this letter has come.
async fn read_until(client: &mut Client, last: u64) -> Vec<u64> {
    let mut read = Vec::new();
    while read.last() != Some(&last) {
        let next = client.reads(1).await;
        assert!(!next.is_empty(), "the connection ended behind {read:?}");
        read.extend(next);
    }
    read
}

/// Her mail is out of the way while she logs in, and there again afterwards.
async fn login_past_mail(redis: &Redis, node: &Node) -> Client {
    redis.ask(&["RENAME", "tg:mail:{anna}", "aside"]);
    let mut anna = Client::ride(node.public(), "anna").await;
    anna.ping().await;
    redis.ask(&["RENAME", "aside", "tg:mail:{anna}"]);
    anna
}

/// Pushes these letters one after the other. Says which are kept.
async fn push_all(node: &Node, numbers: std::ops::Range<u64>) -> Vec<u64> {
    let mut kept = Vec::new();
    for number in numbers {
        if node.push("anna", number).await {
            kept.push(number);
        }
    }
    kept
}

#[tokio::test]
async fn what_a_killed_node_had_not_brought_comes_from_another_one() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(2, &redis.url()).await;
    let mut other = nodes.pop().unwrap();
    let node = &nodes[0];
    let mut before = Client::ride(other.public(), "anna").await;
    let reading = async {
        let mut read = before.reads(COUNT as usize / 4).await;
        other.kill();
        read.extend(before.reads(usize::MAX).await);
        read
    };
    let (kept, before) = tokio::join!(push_all(node, 0..COUNT), reading);
    assert_eq!(kept.len(), COUNT as usize, "Redis was there all the time");
    let mut after = Client::ride(node.public(), "anna").await;
    push_all(node, COUNT..COUNT + 1).await;
    let after = read_until(&mut after, COUNT).await;
    check(&[before, after], &kept);
}

#[tokio::test]
async fn what_was_kept_before_redis_died_with_its_data_comes_afterwards() {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start_with(&options);
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut there = Client::ride(nodes[1].public(), "anna").await;
    let pushing = push_all(&nodes[0], 0..COUNT);
    let dying = async {
        let mut read = there.reads(COUNT as usize / 4).await;
        redis.kill();
        redis.run();
        for node in &nodes {
            within(WHOLE, "it is ready again", async || node.is_ready().await).await;
        }
        read.extend(read_until(&mut there, COUNT).await);
        read
    };
    let pushing = async {
        let kept = pushing.await;
        within(WHOLE, "something is kept again", async || {
            nodes[0].push("anna", COUNT).await
        })
        .await;
        kept
    };
    let (kept, there) = tokio::join!(pushing, dying);
    check(&[there], &kept);
}

#[tokio::test]
async fn what_is_pushed_while_a_node_drains_comes_there_or_elsewhere() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(2, &redis.url()).await;
    let mut leaving = nodes.pop().unwrap();
    let node = &nodes[0];
    let mut before = Client::ride(leaving.public(), "anna").await;
    let reading = async {
        let mut read = before.reads(COUNT as usize / 4).await;
        leaving.signal(Signal::TERM);
        read.extend(before.reads(usize::MAX).await);
        read
    };
    let (kept, before) = tokio::join!(push_all(node, 0..COUNT), reading);
    assert_eq!(
        kept.len(),
        COUNT as usize,
        "a drain refuses nothing elsewhere"
    );
    let mut after = Client::ride(node.public(), "anna").await;
    push_all(node, COUNT..COUNT + 1).await;
    let after = read_until(&mut after, COUNT).await;
    check(&[before, after], &kept);
    assert_eq!(leaving.ended().await, Some(0));
}

/// Pushes for as long as there is somebody. Gives what is kept.
async fn push_until_gone(node: &Node) -> BTreeSet<u64> {
    let mut kept = BTreeSet::new();
    let mut number = 0;
    while let Ok(is_kept) = node.try_push("anna", number).await {
        if is_kept {
            kept.insert(number);
        }
        number += 1;
    }
    kept
}

#[tokio::test]
async fn what_a_node_answers_for_until_its_end_comes() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(2, &redis.url()).await;
    let mut leaving = nodes.pop().unwrap();
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    leaving.signal(Signal::TERM);
    let mut read = BTreeSet::new();
    let kept = {
        let pushing = push_until_gone(&leaving);
        tokio::pin!(pushing);
        loop {
            tokio::select! {
                kept = &mut pushing => break kept,
                next = anna.reads(1) => read.extend(next),
            }
        }
    };
    assert_eq!(leaving.ended().await, Some(0));
    while !kept.is_subset(&read) {
        let next = anna.reads(1).await;
        assert!(!next.is_empty(), "her connection has ended");
        read.extend(next);
    }
}

#[tokio::test]
async fn letters_that_two_nodes_keep_at_the_same_time_all_come() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let pushing = async {
        tokio::join!(
            push_all(&nodes[0], 0..COUNT),
            push_all(&nodes[1], COUNT..2 * COUNT)
        )
    };
    let reading = anna.reads(2 * COUNT as usize);
    let (_, mut read) = tokio::join!(pushing, reading);
    read.sort_unstable();
    assert_eq!(read, (0..2 * COUNT).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_killed_node_had_kept_and_told_nobody_of_comes_when_it_is_gone() {
    let redis = Redis::start();
    let mut nodes = Node::fleet(2, &redis.url()).await;
    let mut killed = nodes.pop().unwrap();
    // Like a letter whose keeper dies right then.
    assert!(killed.push("anna", 7).await);
    let mut anna = login_past_mail(&redis, &nodes[0]).await;
    killed.kill();
    assert_eq!(anna.reads(1).await, [7]);
}

#[tokio::test]
async fn a_letter_that_its_reader_was_not_told_of_comes_before_the_next_one() {
    let redis = Redis::start();
    let nodes = Node::fleet(1, &redis.url()).await;
    assert!(nodes[0].push("anna", 7).await);
    // Like one of a node that did not know of her yet.
    let mut anna = login_past_mail(&redis, &nodes[0]).await;
    assert!(nodes[0].push("anna", 8).await);
    assert_eq!(anna.reads(2).await, [7, 8]);
}

#[tokio::test]
async fn what_a_node_keeps_that_was_declared_dead_in_its_sleep_comes() {
    let redis = Redis::start();
    let nodes = Node::fleet(2, &redis.url()).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    within(WHOLE, "the other one knows of her", async || {
        nodes[1].api("/api/users/anna").await["online"] == true
    })
    .await;
    nodes[1].signal(Signal::STOP);
    let pushing = nodes[1].push("anna", 7);
    let sleeping = async {
        within(2 * GONE, "it is gone", async || {
            nodes[0].nodes().await.len() == 1
        })
        .await;
        nodes[1].signal(Signal::CONT);
    };
    let (is_kept, ()) = tokio::join!(pushing, sleeping);
    assert!(is_kept, "Redis was there all the time");
    assert_eq!(anna.reads(1).await, [7]);
}

#[tokio::test]
async fn what_was_kept_in_an_empty_redis_before_the_node_was_there_again_comes() {
    let redis = Redis::start();
    let nodes = Node::fleet(1, &redis.url()).await;
    assert!(nodes[0].push("anna", 7).await);
    redis.ask(&["MOVE", "tg:mail:{anna}", "1"]);
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    anna.ping().await;
    // As if another node had kept it there right after everything was lost.
    redis.ask(&["SWAPDB", "0", "1"]);
    assert_eq!(anna.reads(1).await, [7]);
}
