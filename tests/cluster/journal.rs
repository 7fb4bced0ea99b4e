//! The journal in Redis: what was accepted and is in no database yet.

use std::{sync::Arc, time::Duration};

use rustix::process::Signal;
use tidegate::{
    cluster::redis::Redis,
    contacts::Contacts,
    journal::{Accepted, Journal, REPEATS_MS},
    store::{Query, RecordId, StoreError},
};

use crate::{
    chat::{self, Archiver, Shelf, all_is_moved},
    contracts::{
        all_of, all_to,
        journal::{self as contract, befriend, keep},
        person, push, text,
    },
    place::{Place, Rig},
    redis::{Redis as Server, wait_until},
    rigs,
};

/// What died is not taken over in these tests.
const NEVER: Duration = Duration::from_secs(600);
const PREFIX: &str = "tg:";

type Parts = (Arc<dyn Journal>, Arc<dyn Contacts>);

fn parts<R: Rig<Streams = Redis>>(place: &Place<R>) -> Parts {
    let redis = place.streams();
    let journal = chat::journal(&redis, &Shelf::new());
    (journal, Arc::new(redis.contacts()))
}

/// The case, as it stands in the contract.
macro_rules! contract {
    ($($name:ident: $case:ident),+ $(,)?) => {
        $(
            pub(crate) async fn $name<R: Rig<Streams = Redis>>(place: Place<R>) {
                let (journal, contacts) = parts(&place);
                contract::$case(journal, contacts).await;
            }
        )+
    };
}

contract! {
    an_empty_journal: nothing_accepted_is_nothing_kept,
    ids_grow: ids_grow_in_the_order_of_what_was_accepted,
    history_of_what_waits: the_history_answers_every_query,
    everybody_reads_at_once: what_one_was_answered_everybody_reads_at_once,
    repeats: a_repeat_is_the_message_that_was_kept,
    repeats_in_one_call: a_repeat_in_one_call_is_one_message,
    repeats_of_pushes: a_push_is_told_by_its_name_and_topic,
    no_packet_id: what_has_no_packet_id_is_no_repeat,
}

/// Wherever it is by now: it is moved while it is asked for.
pub(crate) async fn history_of_what_is_moved<R: Rig<Streams = Redis>>(place: Place<R>) {
    let (redis, shelf) = (place.streams(), Shelf::new());
    let archiver = Archiver::start(&redis, &shelf, NEVER);
    let journal = chat::journal(&redis, &shelf);
    let contacts = Arc::new(redis.contacts());
    contract::the_history_answers_every_query(journal, contacts).await;
    all_is_moved(&redis).await;
    archiver.stop().await;
}

/// More than one run of the script takes, and more than one page of a history has.
pub(crate) async fn many_at_once<R: Rig<Streams = Redis>>(place: Place<R>) {
    let (journal, contacts) = parts(&place);
    befriend(&*contacts).await;
    let call: Vec<_> = (0..450)
        .map(|number| text(1 + number % 2, 2 - number % 2, number, "a"))
        .collect();
    let accepted = journal.accept(call.clone()).await.unwrap();
    let ids: Vec<RecordId> = accepted.iter().filter_map(kept).collect();
    assert_eq!(ids.len(), 450);
    assert!(ids.is_sorted_by(|one, next| one < next));
    assert_eq!(
        journal
            .accept(call)
            .await
            .unwrap()
            .iter()
            .filter_map(kept)
            .count(),
        0
    );
    let mut found = journal.history(all_of(1)).await.unwrap();
    found.reverse();
    assert!(found.iter().map(|record| record.id).eq(ids.iter().copied()));
    // What it is about stands behind more than a page of what it is not about.
    let topic = |max| Query {
        max,
        from: Some(person(2)),
        ..all_to("user:1")
    };
    assert_eq!(journal.history(topic(1000)).await.unwrap().len(), 225);
    assert_eq!(journal.history(topic(224)).await.unwrap().len(), 224);
}

/// The id of one that was not there.
fn kept(accepted: &Accepted) -> Option<RecordId> {
    match *accepted {
        Accepted::Kept {
            id,
            is_repeat: false,
        } => Some(id),
        _ => None,
    }
}

/// A server, a journal in it, and friends.
async fn alone(options: &[&str]) -> (Server, Redis, Arc<dyn Journal>) {
    let server = Server::start_with(options);
    let redis = rigs::redis(&server.url(), PREFIX);
    befriend(&redis.contacts()).await;
    let journal = chat::journal(&redis, &Shelf::new());
    (server, redis, journal)
}

#[tokio::test]
async fn a_repeat_is_known_for_a_day_and_no_longer() {
    let (server, _, journal) = alone(&[]).await;
    let contents = [text(1, 2, 1, "a"), push("room:r", "1", "1")];
    // As if all that is remembered had been accepted so much earlier, and that much of it yesterday.
    let age = |ms: u64, is_yesterday: bool| {
        let script = "local key = redis.call('KEYS', 'tg:mq:seen:*')[1] \
            for _, digest in ipairs(redis.call('HKEYS', key)) do \
                local id = redis.call('HGET', key, digest) - ARGV[1] * 1024 \
                redis.call('HSET', key, digest, string.format('%.0f', id)) end \
            if ARGV[2] == '1' then \
                local day = tonumber(string.match(key, 'seen:(%d+)')) \
                redis.call('RENAME', key, 'tg:mq:seen:' .. (day - 1) .. ':{tg:mq}') end return 'OK'";
        let is_yesterday = if is_yesterday { "1" } else { "0" };
        server.tell(&["EVAL", script, "0", &ms.to_string(), is_yesterday]);
    };
    for is_yesterday in [false, true] {
        for content in &contents {
            let (first, is_repeat) = keep(&*journal, content.clone()).await;
            assert!(!is_repeat);
            let early = 5 * 60 * 1000;
            age(REPEATS_MS - early, is_yesterday);
            let (id, is_repeat) = keep(&*journal, content.clone()).await;
            assert!(
                is_repeat && id < first,
                "{is_yesterday}: it is as old as it was made"
            );
            age(early, false);
            let (id, is_repeat) = keep(&*journal, content.clone()).await;
            assert!(!is_repeat && first < id, "{is_yesterday}");
            assert_eq!(keep(&*journal, content.clone()).await, (id, true));
            server.ask(&["EVAL", "for _, key in ipairs(redis.call('KEYS', 'tg:mq:seen:*')) do redis.call('DEL', key) end", "0"]);
        }
    }
}

#[tokio::test]
async fn ids_grow_whatever_is_lost() {
    let (server, redis, journal) = alone(&[]).await;
    let mut last = RecordId::default();
    let mut packet = 0;
    let mut next = async |what: &str| {
        packet += 1;
        let (id, is_repeat) = keep(&*journal, text(1, 2, packet, "a")).await;
        assert!(!is_repeat && last < id, "{what}: {last:?} {id:?}");
        last = id;
        id
    };
    let first = next("at first").await;
    // A clock that went back: the last id is an hour ahead.
    let ahead = RecordId(first.0 + 3_600_000 * 1024);
    server.tell(&["SET", "tg:mq:last:{tg:mq}", &ahead.0.to_string()]);
    assert_eq!(next("the clock went back").await.0, ahead.0 + 1);
    server.ask(&["DEL", "tg:mq:last:{tg:mq}"]);
    assert_eq!(next("the last id is lost").await.0, ahead.0 + 2);
    server.tell(&["SET", "tg:mq:last:{tg:mq}", &first.0.to_string()]);
    assert_eq!(next("the last id is an old one").await.0, ahead.0 + 3);
    // Also when nothing stands in the stream any more.
    let archiver = Archiver::start(&redis, &Shelf::new(), NEVER);
    all_is_moved(&redis).await;
    archiver.stop().await;
    server.ask(&["DEL", "tg:mq:last:{tg:mq}"]);
    assert_eq!(next("what remains is an empty stream").await.0, ahead.0 + 4);
    server.ask(&["DEL", "tg:mq"]);
    assert_eq!(next("the stream is lost").await.0, ahead.0 + 5);
    server.tell(&["SCRIPT", "FLUSH"]);
    next("the scripts are lost").await;
}

/// Messages of several callers travel together. What one of them cannot do is not the others' fault.
#[tokio::test]
async fn a_message_that_redis_refuses_is_refused_alone() {
    let (server, redis, journal) = alone(&[]).await;
    redis
        .contacts()
        .set_friend(person(1), person(7), true)
        .await
        .unwrap();
    // No set.
    server.tell(&["SET", "tg:mq:of:{tg:mq}:7", "x"]);
    let accepting = (0..40).map(|packet| {
        let journal = Arc::clone(&journal);
        let to = if packet % 10 == 9 { 7 } else { 2 };
        async move { journal.accept(vec![text(1, to, packet, "a")]).await.is_ok() }
    });
    let accepted = futures_util::future::join_all(accepting).await;
    for (packet, is_accepted) in accepted.into_iter().enumerate() {
        assert_eq!(is_accepted, packet % 10 != 9, "{packet}");
    }
    let to_two = Query {
        max: 1000,
        ..all_of(2)
    };
    assert_eq!(journal.history(to_two).await.unwrap().len(), 36);
}

#[tokio::test]
async fn without_memory_nothing_is_answered_for_and_then_it_goes_on() {
    let (server, redis, journal) = alone(&[]).await;
    let (first, _) = keep(&*journal, text(1, 2, 1, "a")).await;
    let keys = server.keys("tg:");
    server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
    for _ in 0..2 {
        let refused = journal
            .accept(vec![text(1, 2, 2, "b"), text(1, 2, 3, "c")])
            .await;
        let Err(StoreError::Unavailable(text)) = refused else {
            panic!("{refused:?}");
        };
        assert!(text.contains("OOM"), "{text}");
    }
    assert_eq!(redis.backlog(NEVER).lag().await.unwrap().entries, 1);
    assert_eq!(server.keys("tg:"), keys);
    server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
    let (second, is_repeat) = keep(&*journal, text(1, 2, 2, "b")).await;
    assert!(!is_repeat && first < second);
}

#[tokio::test]
async fn a_message_that_too_few_replicas_have_is_not_answered_for() {
    let (primary, redis, _) = alone(&[]).await;
    let journal = chat::journal_with(&redis, &Shelf::new(), 1);
    let refused = journal.accept(vec![text(1, 2, 1, "a")]).await.unwrap_err();
    let text_of = refused.to_string();
    assert!(
        text_of.contains("0 replicas have it, expected 1"),
        "{text_of}"
    );
    let port = primary.port().to_string();
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &port]);
    wait_until("the replica is there", || {
        replica
            .ask(&["INFO", "replication"])
            .contains("master_link_status:up")
    });
    let (_, is_repeat) = keep(&*journal, text(1, 2, 1, "a")).await;
    assert!(is_repeat, "it was there all the time");
    assert_eq!(replica.ask(&["XLEN", "tg:mq"]), "1");
    // It is there, but not on the replica, whoever asks, and although it seems to be of yesterday.
    replica.signal(Signal::STOP);
    let content = vec![text(1, 2, 2, "b")];
    assert!(journal.accept(content.clone()).await.is_err());
    let rename = "local key = redis.call('KEYS', 'tg:mq:seen:*')[1] \
        local day = tonumber(string.match(key, 'seen:(%d+)')) \
        return redis.call('RENAME', key, 'tg:mq:seen:' .. (day - 1) .. ':{tg:mq}')";
    primary.tell(&["EVAL", rename, "0"]);
    let other = chat::journal_with(&redis, &Shelf::new(), 1);
    assert!(other.accept(content.clone()).await.is_err());
    replica.signal(Signal::CONT);
    let (_, is_repeat) = keep(&*other, content[0].clone()).await;
    assert!(is_repeat);
}

#[tokio::test]
async fn half_a_history_is_an_error() {
    let (mut server, redis, _) = alone(&[]).await;
    let shelf = Shelf::new();
    let journal = chat::journal(&redis, &shelf);
    keep(&*journal, text(1, 2, 1, "a")).await;
    shelf.give_nothing(true);
    assert!(journal.history(all_of(1)).await.is_err());
    shelf.give_nothing(false);
    assert_eq!(journal.history(all_of(1)).await.unwrap().len(), 1);
    server.kill();
    assert!(journal.history(all_of(1)).await.is_err());
    assert!(journal.accept(vec![text(1, 2, 2, "b")]).await.is_err());
}

#[tokio::test]
async fn what_is_remembered_and_read_does_not_stay_for_ever() {
    let (server, redis, journal) = alone(&[]).await;
    keep(&*journal, text(1, 2, 1, "a")).await;
    keep(&*journal, push("room:{a}{tg:mq}", "1", "1")).await;
    let seen = server.ask(&["KEYS", "tg:mq:seen:*"]);
    let left: u64 = server.ask(&["TTL", &seen]).parse().unwrap();
    assert!((47 * 3600..=48 * 3600).contains(&left), "{left}");
    assert_eq!(server.keys("tg:mq:of:"), 3);
    // Somebody has removed the message itself.
    let id = server.ask(&["ZRANGE", "tg:mq:of:{tg:mq}:1", "0", "-1"]);
    server.ask(&["XDEL", "tg:mq", &format!("{id}-0")]);
    assert_eq!(journal.history(all_of(1)).await, Ok(Vec::new()));
    assert_eq!(server.keys("tg:mq:of:"), 2);
    let archiver = Archiver::start(&redis, &Shelf::new(), NEVER);
    all_is_moved(&redis).await;
    archiver.stop().await;
    assert_eq!(journal.history(all_of(2)).await, Ok(Vec::new()));
    assert_eq!(server.keys("tg:mq:of:"), 0);
}
