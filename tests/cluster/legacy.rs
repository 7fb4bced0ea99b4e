//! The list that older chat servers write into.

use std::{sync::Arc, time::Duration};

use tidegate::{
    cluster::{
        archive,
        redis::{Drawn, Redis},
    },
    stats::ArchiveStats,
    store::Content,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    chat::{self, Archiver, Shelf, all_is_moved, chat_of},
    contracts::{all_of, text},
    place::Rig,
    redis::Redis as Server,
    rigs::{Alone, Cluster},
};

const NEVER: Duration = Duration::from_secs(600);
/// When the first message was accepted: 2026-01-02T03:04:05.000Z.
const BEGIN_MS: u64 = 1_767_323_045_000;

/// What an older server has written, the first message first.
fn write(server: &Server, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let text = format!(
            r#"{{"from":1,"to":2,"type":"t","msg":"{number}","send":true,"timestamp":"2026-01-02T03:04:05.{number:03}Z"}}"#
        );
        assert_ne!(server.ask(&["LPUSH", "MQ", &text]), "");
    }
}

fn start(redis: &Redis) -> (Arc<ArchiveStats>, CancellationToken, JoinSet<()>) {
    let (stats, stop) = (Arc::<ArchiveStats>::default(), CancellationToken::new());
    let legacy = redis.legacy(chat::settings(0));
    let draining = archive::drain(legacy, Arc::clone(&stats), stop.clone());
    let mut task = JoinSet::new();
    task.spawn(draining);
    (stats, stop, task)
}

/// `server`: the one that has the list.
async fn drains<R: Rig<Streams = Redis>>(rig: R, server: impl Fn(&R) -> &Server) {
    let (redis, shelf) = (rig.streams("tg:"), Shelf::new());
    write(server(&rig), 0..250);
    for bad in [
        "",
        "{}",
        r#"{"from":0,"to":2,"type":"t","msg":"x","timestamp":"2026-01-02T03:04:05.000Z"}"#,
    ] {
        server(&rig).ask(&["LPUSH", "MQ", bad]);
    }
    write(server(&rig), 250..300);
    let drainers = [(); 3].map(|()| start(&redis));
    shelf.until_is_moved(&redis, 300).await;
    let rows = shelf.rows();
    let numbers: Vec<u64> = rows
        .iter()
        .map(|row| chat_of(row).msg.parse().unwrap())
        .collect();
    assert_eq!(
        numbers,
        (0..300).collect::<Vec<_>>(),
        "in their order, and none twice"
    );
    for (row, number) in rows.iter().zip(0..) {
        assert_eq!(row.time_ms, BEGIN_MS + number, "it keeps its time");
        assert!(BEGIN_MS + number < row.id.time_ms(), "its id is new");
        let chat = chat_of(row);
        assert_eq!(
            (chat.from.number(), chat.to.number(), chat.is_online),
            (1, 2, true)
        );
    }
    let (mut drained, mut dead) = (0, 0);
    for (stats, stop, task) in drainers {
        stop.cancel();
        task.join_all().await;
        drained += stats.drained.load();
        dead += stats.dead.load();
    }
    assert_eq!(drained, 300);
    // Several may have buried it, which is better than none.
    assert!(3 <= dead);
    assert_eq!(server(&rig).ask(&["LLEN", "MQ"]), "0");
    assert_eq!(server(&rig).ask(&["XLEN", "tg:mq:legacy:{MQ}"]), "0");
}

impl Shelf {
    /// Moves what waits, until there are so many rows.
    async fn until_is_moved(self: &Arc<Self>, redis: &Redis, rows: usize) {
        let archiver = Archiver::start(redis, self, NEVER);
        self.until("all rows", |shelf| shelf.texts().len() == rows)
            .await;
        all_is_moved(redis).await;
        archiver.stop().await;
    }
}

#[tokio::test]
async fn the_list_of_older_servers_is_drained() {
    drains(Alone::start(), |rig| &rig.0).await;
}

#[tokio::test]
async fn the_list_of_older_servers_is_drained_in_a_cluster() {
    drains(Cluster::start(), |rig| {
        let has_it = |node: &&Server| !node.ask(&["LLEN", "MQ"]).starts_with("MOVED");
        rig.0.iter().find(has_it).unwrap()
    })
    .await;
}

#[tokio::test]
async fn who_dies_in_between_leaves_it_to_another_one() {
    let rig = Alone::start();
    let (redis, shelf) = (rig.streams("tg:"), Shelf::new());
    write(&rig.0, 0..5);
    let dead = redis.legacy(chat::settings(0));
    let drawn = dead.draw(3).await.unwrap();
    assert_eq!(drawn.len(), 3);
    assert_eq!(rig.0.ask(&["LLEN", "MQ"]), "2");
    let message = |drawn: &Drawn| -> Content { text(1, 2, drawn.text.len() as u64, "a") };
    let all = || {
        drawn
            .iter()
            .map(|drawn| (drawn, message(drawn), BEGIN_MS))
            .collect()
    };
    // Dead before it was in the journal, and dead behind that: nobody knows, and it is drawn again.
    let heir = redis.legacy(chat::settings(0));
    assert_eq!(heir.draw(3).await.unwrap(), drawn);
    assert_eq!(heir.keep(all()).await, Ok(3));
    assert_eq!(dead.keep(all()).await, Ok(0), "it was there");
    assert_eq!(heir.draw(9).await.unwrap().len(), 2);
    shelf.until_is_moved(&redis, 3).await;
    let journal = chat::journal(&redis, &shelf);
    assert_eq!(journal.history(all_of(2)).await.unwrap().len(), 3);
}

#[tokio::test]
async fn without_memory_nothing_leaves_the_list() {
    let rig = Alone::start();
    let redis = rig.streams("tg:");
    write(&rig.0, 0..2);
    rig.0.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    let legacy = redis.legacy(chat::settings(0));
    assert!(legacy.draw(9).await.is_err());
    assert_eq!(rig.0.ask(&["LLEN", "MQ"]), "2");
    rig.0.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(legacy.draw(9).await.unwrap().len(), 2);
}
