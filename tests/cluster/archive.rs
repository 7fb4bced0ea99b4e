//! The archive: what was accepted comes into the store once, whoever dies or is away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tidegate::{
    cluster::redis::Redis,
    journal::{Accepted, Journal},
    store::{Query, Record, StoreError},
};
use tokio::{task::JoinSet, time};

use crate::{
    chat::{self, Archiver, Shelf, all_is_moved, chat_of},
    contracts::{
        all_of,
        journal::{befriend, keep},
        text,
    },
    redis::{Redis as Server, wait_until},
    rigs,
};

/// What died is not taken over.
const NEVER: Duration = Duration::from_secs(600);
/// What died, or is only slow, is taken over at once.
const SOON: Duration = Duration::from_millis(50);

/// Text and packet id are this number, so that nothing looks like anything else.
async fn accept(journal: &dyn Journal, number: u64) -> Result<Vec<Accepted>, StoreError> {
    let content = text(1, 2, number, &number.to_string());
    journal.accept(vec![content]).await
}

async fn accept_all(journal: &dyn Journal, numbers: std::ops::Range<u64>) {
    let contents = numbers.map(|number| text(1, 2, number, &number.to_string()));
    let accepted = journal.accept(contents.collect()).await.unwrap();
    let is_kept = |accepted: &Accepted| {
        matches!(
            accepted,
            Accepted::Kept {
                is_repeat: false,
                ..
            }
        )
    };
    assert!(accepted.iter().all(is_kept));
}

/// Everything with these numbers stands there once, and nothing else.
#[track_caller]
fn check(shelf: &Shelf, numbers: impl IntoIterator<Item = u64>) {
    let mut found = shelf.texts();
    found.sort();
    let mut expect: Vec<Box<str>> = numbers
        .into_iter()
        .map(|number| number.to_string().into())
        .collect();
    expect.sort();
    assert_eq!(found.len(), expect.len());
    assert_eq!(found, expect);
}

/// A server where 1 and 2 are friends.
async fn server(options: &[&str]) -> (Server, Redis) {
    let server = Server::start_with(options);
    let redis = rigs::redis(&server.url(), "tg:");
    befriend(&redis.contacts()).await;
    (server, redis)
}

#[tokio::test]
async fn three_archivers_at_once_make_no_double_rows() {
    let (server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    accept_all(&*journal, 0..1500).await;
    // What one of them has is given to the next one before it is done.
    let archivers = [(); 3].map(|()| Archiver::start(&redis, &shelf, Duration::from_millis(1)));
    accept_all(&*journal, 1500..3000).await;
    all_is_moved(&redis).await;
    check(&shelf, 0..3000);
    let mut stored = 0;
    for archiver in archivers {
        stored += archiver.stats.stored.load();
        assert_eq!(archiver.stats.errors.load(), 0);
        archiver.stop().await;
    }
    assert_eq!(stored, 3000, "each counts with one of them");
    assert_eq!(server.keys("tg:mq:of:"), 0);
    let pending = server.ask(&["XPENDING", "tg:mq", "archive"]);
    assert!(pending.starts_with('0'), "{pending}");
}

#[tokio::test]
async fn who_dies_before_it_has_removed_what_it_stored_leaves_it_to_another_one() {
    let (_server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    let archiver = Archiver::start(&redis, &shelf, SOON);
    shelf.hang(true);
    keep(&*journal, text(1, 2, 7, "7")).await;
    shelf
        .until("the row", |shelf| !shelf.texts().is_empty())
        .await;
    archiver.kill().await;
    let lag = redis.backlog(SOON).lag().await.unwrap();
    assert_eq!(lag.entries, 1);
    assert_eq!(
        journal.history(all_of(1)).await.unwrap().len(),
        1,
        "it is there once"
    );
    shelf.hang(false);
    let heir = Archiver::start(&redis, &shelf, SOON);
    all_is_moved(&redis).await;
    heir.stop().await;
    check(&shelf, [7]);
}

#[tokio::test]
async fn a_store_that_is_away_delays_nobody_and_loses_nothing() {
    let (_server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    let archivers = [(); 2].map(|()| Archiver::start(&redis, &shelf, SOON));
    let mut accepted = Vec::new();
    for number in 0..300 {
        // There, away, and there again, while messages come.
        shelf.take_nothing((100..200).contains(&number));
        let (id, _) = keep(&*journal, text(1, 2, number, &number.to_string())).await;
        accepted.push(id);
        let found = journal.history(all_of(2)).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|record| record.id).collect();
        found.reverse();
        assert_eq!(found, accepted, "no gap, and nothing twice");
        if number == 199 {
            let calls = shelf.calls();
            shelf
                .until("another attempt", |shelf| calls < shelf.calls())
                .await;
        }
    }
    all_is_moved(&redis).await;
    check(&shelf, 0..300);
    for archiver in archivers {
        assert_eq!(archiver.stats.dead.load(), 0);
        archiver.stop().await;
    }
}

#[tokio::test]
async fn what_cannot_be_stored_or_read_goes_to_the_dead_ones_and_the_rest_goes_on() {
    let (server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    shelf.refuse("3");
    shelf.refuse("5");
    accept_all(&*journal, 0..8).await;
    // By hands that do not know better: a name that is no id, a body that is none, and none at all.
    let add = |id: &str, name: &str, value: &str| server.ask(&["XADD", "tg:mq", id, name, value]);
    add("*", "m", "x");
    let ahead = add("*", "m", "x");
    let (ahead, _) = ahead.split_once('-').unwrap();
    let ahead: u64 = ahead.parse().unwrap();
    add(&format!("{}-0", ahead + 1), "m", "\u{1}garbage");
    add(&format!("{}-0", ahead + 2), "other", "x");
    add(&format!("{}-0", ahead + 3), "m", "\u{2}newer");
    accept_all(&*journal, 8..10).await;
    let archiver = Archiver::start(&redis, &shelf, NEVER);
    shelf
        .until("the rest", |shelf| shelf.texts().len() == 8)
        .await;
    wait_until("the dead ones", || {
        server.ask(&["XLEN", "tg:mq:dead"]) == "6"
    });
    check(&shelf, [0, 1, 2, 4, 6, 7, 8, 9]);
    // Not all of it is text.
    let dead = server.ask(&["--no-raw", "XRANGE", "tg:mq:dead", "-", "+"]);
    for (reason, times) in [
        ("it is poison", 2),
        ("its name is no id of a record", 2),
        ("it is not of the form that was agreed", 1),
        ("it has no body", 1),
    ] {
        assert_eq!(dead.matches(reason).count(), times, "{dead}");
    }
    for field in ["\"other\"", &format!("\"{}-0\"", ahead + 2)] {
        assert_eq!(dead.matches(field).count(), 1, "{field}: {dead}");
    }
    wait_until("it is counted", || archiver.stats.dead.load() == 6);
    // What a newer node has written waits for one.
    assert_eq!(redis.backlog(NEVER).lag().await.unwrap().entries, 1);
    archiver.stop().await;
    assert_eq!(server.keys("tg:mq:of:"), 0);
}

#[tokio::test]
async fn how_far_the_store_is_behind_is_known() {
    let (_server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    shelf.take_nothing(true);
    let archiver = Archiver::start(&redis, &shelf, NEVER);
    let journal = chat::journal(&redis, &shelf);
    accept_all(&*journal, 0..3).await;
    let seen = async |what: &str, holds: &dyn Fn(u64, Duration) -> bool| {
        for _ in 0..1000 {
            if holds(archiver.stats.entries(), archiver.stats.lag()) {
                return;
            }
            time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{what} was not seen");
    };
    seen("what waits", &|entries, lag| {
        entries == 3 && Duration::from_millis(900) < lag
    })
    .await;
    assert!(0 < archiver.stats.errors.load());
    shelf.take_nothing(false);
    seen("that nothing waits", &|entries, lag| {
        entries == 0 && lag.is_zero()
    })
    .await;
    archiver.stop().await;
}

/// Waits until many more were accepted.
async fn more(accepted: &Mutex<BTreeSet<u64>>) {
    let enough = accepted.lock().len() + 200;
    for _ in 0..4000 {
        if enough <= accepted.lock().len() {
            return;
        }
        time::sleep(Duration::from_millis(5)).await;
    }
    panic!("nothing is accepted any more");
}

/// Whoever is not answered asks again, as clients do.
#[tokio::test]
async fn a_server_that_is_killed_under_load_loses_nothing_that_was_answered_for() {
    const WRITERS: u64 = 4;
    let (mut server, redis) = server(&["--appendonly", "yes", "--appendfsync", "always"]).await;
    let shelf = Shelf::new();
    let archivers = [(); 2].map(|()| Archiver::start(&redis, &shelf, SOON));
    let accepted: Arc<Mutex<BTreeSet<u64>>> = Arc::default();
    let mut writers = JoinSet::new();
    let is_over = tokio_util::sync::CancellationToken::new();
    for writer in 0..WRITERS {
        let journal = chat::journal(&redis, &shelf);
        let (accepted, is_over) = (Arc::clone(&accepted), is_over.clone());
        writers.spawn(async move {
            let mut errors = 0;
            let mut number = writer;
            while !is_over.is_cancelled() {
                match accept(&*journal, number).await {
                    Ok(_) => {
                        accepted.lock().insert(number);
                        number += WRITERS;
                    }
                    Err(_) => {
                        errors += 1;
                        time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
            errors
        });
    }
    for _ in 0..3 {
        more(&accepted).await;
        server.kill();
        server.run();
    }
    more(&accepted).await;
    is_over.cancel();
    let errors: u64 = writers.join_all().await.into_iter().sum();
    assert!(0 < errors, "nobody has noticed");
    all_is_moved(&redis).await;
    for archiver in archivers {
        archiver.stop().await;
    }
    let accepted = accepted.lock().clone();
    let found = shelf.texts();
    let numbers: BTreeSet<u64> = found.iter().map(|text| text.parse().unwrap()).collect();
    assert_eq!(found.len(), numbers.len(), "something is there twice");
    assert!(accepted.is_subset(&numbers), "something is lost");
    // Each writer may not have heard of its last one.
    assert!(numbers.len() <= accepted.len() + WRITERS as usize);
    println!("{} messages, {errors} errors", accepted.len());
}

/// The worst moment: the store has looked, and only then has what it did not find.
#[tokio::test]
async fn what_is_moved_while_the_store_is_asked_is_in_the_history() {
    let (_server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    accept_all(&*journal, 0..3).await;
    shelf.give_late(true);
    let moving = async {
        shelf.until("a question", |shelf| 0 < shelf.asked()).await;
        let archiver = Archiver::start(&redis, &shelf, NEVER);
        all_is_moved(&redis).await;
        archiver.stop().await;
        shelf.give_late(false);
    };
    let (found, ()) = tokio::join!(journal.history(all_of(1)), moving);
    assert_eq!(found.unwrap().len(), 3);
    check(&shelf, 0..3);
}

/// Reads the newest messages until this one is there. Says how often; each number has to stand next to
/// the one before it.
async fn read_until(journal: Arc<dyn Journal>, last: u64) -> usize {
    let newest = Query {
        max: 40,
        ..all_of(1)
    };
    let number = |record: &Record| -> u64 { chat_of(record).msg.parse().unwrap() };
    let mut reads = 0;
    loop {
        let found = journal.history(newest.clone()).await.unwrap();
        let numbers: Vec<u64> = found.iter().map(number).collect();
        let mut pairs = numbers.windows(2);
        assert!(pairs.all(|pair| pair[0] == pair[1] + 1), "{numbers:?}");
        reads += 1;
        if numbers.first() == Some(&last) {
            return reads;
        }
    }
}

/// Moved in the middle of a history: it is in one half or in the other, and in both for a moment.
#[tokio::test]
async fn a_history_has_no_gap_while_messages_are_moved() {
    let (server, redis) = server(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    let archiver = Archiver::start(&redis, &shelf, SOON);
    let mut reader = JoinSet::new();
    let reading = chat::journal(&rigs::redis(&server.url(), "tg:"), &shelf);
    reader.spawn(read_until(reading, 999));
    for number in 0..1000 {
        keep(&*journal, text(1, 2, number, &number.to_string())).await;
    }
    assert!(10 < reader.join_all().await[0]);
    all_is_moved(&redis).await;
    archiver.stop().await;
}
