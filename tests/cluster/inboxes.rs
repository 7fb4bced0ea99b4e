//! Inboxes: what is sent to a member, until it is dealt with.

use tidegate::cluster::streams::{
    Entry, Inbox, Position, READ_WAIT, Sent, Streams as _, StreamsError,
};
use tokio::time::timeout;

use crate::place::{
    Place, Rig, entries, entry, error_of, has_nothing, member, positions, read, sequences, stored,
    to,
};

pub(crate) async fn entries_arrive_in_order_and_are_counted<R: Rig>(place: Place<R>) {
    let (sender, receiver) = (place.streams(), place.streams());
    let (b, c) = (member("b.1"), member("c.1"));
    let mut first = receiver.open_inbox(&b).await.unwrap();
    let mut second = receiver.open_inbox(&c).await.unwrap();
    let batch = vec![
        (b.clone(), entry("a.1", 1)),
        (c.clone(), entry("a.1", 2)),
        (b.clone(), entry("a.1", 3)),
        (c.clone(), entry("a.1", 4)),
        (b.clone(), entry("a.1", 5)),
    ];
    let sent = sender.send(batch).await.unwrap();
    assert_eq!(sent, [1, 1, 2, 2, 3].map(stored));
    let sent = sender.send(to(&b, "a.1", 6..8)).await.unwrap();
    assert_eq!(sent, [4, 5].map(stored));
    let all = read(&mut first, 5).await;
    assert_eq!(sequences(&all), [1, 3, 5, 6, 7]);
    assert_eq!(all[0].1, entry("a.1", 1));
    assert_eq!(sequences(&read(&mut second, 2).await), [2, 4]);
}

pub(crate) async fn an_inbox_is_read_again_until_it_is_acknowledged<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let b = member("b.1");
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    // More than a reader reads at once, and some that it never gets to.
    streams.send(to(&b, "a.1", 0..600)).await.unwrap();
    let all = read_some(&mut inbox, 300).await;
    inbox
        .acknowledge(vec![all[1].0, all[3].0, all[299].0])
        .await
        .unwrap();
    drop(inbox);

    let heir = place.streams();
    let mut inbox = heir.open_inbox(&b).await.unwrap();
    let again = read(&mut inbox, 597).await;
    let expected: Vec<u64> = (0..600).filter(|n| ![1, 3, 299].contains(n)).collect();
    assert_eq!(sequences(&again), expected);
    assert_eq!(again[0], all[0]);
    has_nothing(&mut inbox).await;
    inbox.acknowledge(positions(&again)).await.unwrap();
    // Twice does no harm.
    inbox.acknowledge(positions(&again)).await.unwrap();
    let pulse = heir.beat(&b, "b".into()).await.unwrap();
    assert_eq!(pulse.inbox_entries, 0);
    has_nothing(&mut streams.open_inbox(&b).await.unwrap()).await;
}

pub(crate) async fn a_reader_acknowledges_and_reads_on_at_once<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let b = member("b.1");
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    streams.send(to(&b, "a.1", 1..3)).await.unwrap();
    let all = read(&mut inbox, 2).await;
    streams.send(to(&b, "a.1", 3..4)).await.unwrap();
    let next = inbox.acknowledge_and_next(vec![all[0].0]).await.unwrap();
    assert_eq!(sequences(&next), [3]);
    let none = inbox.acknowledge_and_next(positions(&next)).await.unwrap();
    assert_eq!(none, []);
    // What was left out is there for whoever takes over, who may acknowledge with the first read.
    drop(inbox);
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    let again = inbox.acknowledge_and_next(Vec::new()).await.unwrap();
    assert_eq!(again, [all[1].clone()]);
    streams.send(to(&b, "a.1", 4..5)).await.unwrap();
    let last = inbox.acknowledge_and_next(positions(&again)).await.unwrap();
    assert_eq!(sequences(&last), [4]);
    let waits = inbox.acknowledge_and_next(positions(&last));
    let is_empty = async {
        while 0 < streams.beat(&b, "b".into()).await.unwrap().inbox_entries {
            tokio::task::yield_now().await;
        }
    };
    // At once, not when the read has come back.
    tokio::select! {
        next = waits => panic!("{next:?} was read before that was acknowledged"),
        done = timeout(READ_WAIT / 2, is_empty) => done.unwrap(),
    }
}

/// Reads until there are at least `count` entries.
async fn read_some(inbox: &mut impl Inbox, count: usize) -> Vec<(Position, Entry)> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(inbox.next().await.unwrap());
    }
    all
}

pub(crate) async fn a_repeat_is_an_entry_with_the_same_sequence<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let b = member("b.1");
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    streams.send(to(&b, "a.1", 5..6)).await.unwrap();
    streams.send(to(&b, "a.1", 5..6)).await.unwrap();
    let all = read(&mut inbox, 2).await;
    assert_eq!(sequences(&all), [5, 5]);
    inbox.acknowledge(vec![all[0].0]).await.unwrap();
    let pulse = streams.beat(&b, "b".into()).await.unwrap();
    assert_eq!(pulse.inbox_entries, 1);
}

pub(crate) async fn where_no_inbox_is_entries_are_gone<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let (b, c) = (member("b.1"), member("c.1"));
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    let batch = vec![
        (c.clone(), entry("a.1", 1)),
        (b.clone(), entry("a.1", 2)),
        (c.clone(), entry("a.1", 3)),
    ];
    let sent = streams.send(batch).await.unwrap();
    assert_eq!(sent, [Sent::Gone, stored(1), Sent::Gone]);
    let all = read(&mut inbox, 1).await;
    inbox.acknowledge(positions(&all)).await.unwrap();
    // Empty and there is not the same as removed.
    let sent = streams.send(to(&b, "a.1", 4..5)).await.unwrap();
    assert_eq!(sent, [stored(1)]);
    let all = read(&mut inbox, 1).await;
    inbox.acknowledge(positions(&all)).await.unwrap();
    assert!(streams.remove(&b).await.unwrap());
    let sent = streams.send(to(&b, "a.1", 5..6)).await.unwrap();
    assert_eq!(sent, [Sent::Gone]);
    // What was gone is nowhere.
    for member in [&b, &c] {
        has_nothing(&mut streams.open_inbox(member).await.unwrap()).await;
    }
}

pub(crate) async fn with_entries_nothing_is_removed_and_else_everything<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let (a, b) = (member("a.1"), member("b.1"));
    let mut log = streams.open_log(&b).await.unwrap();
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    streams.beat(&b, "b".into()).await.unwrap();
    streams.enroll(&a).await.unwrap();
    streams.enroll(&b).await.unwrap();
    streams.send(to(&b, "a.1", 1..2)).await.unwrap();

    assert!(!streams.remove(&b).await.unwrap());
    let pulse = streams.beat(&a, "a".into()).await.unwrap();
    assert_eq!(pulse.members[1], (b.clone(), Some("b".into())));
    streams.append(entries("a.1", 0..1)).await.unwrap();
    assert_eq!(sequences(&read(&mut log, 1).await), [0]);
    let all = read(&mut inbox, 1).await;
    // Given out is not dealt with.
    assert!(!streams.remove(&b).await.unwrap());
    inbox.acknowledge(positions(&all)).await.unwrap();

    assert!(streams.remove(&b).await.unwrap());
    let pulse = streams.beat(&a, "a".into()).await.unwrap();
    assert_eq!(pulse.members, [(a, Some("a".into()))]);
    assert_eq!(error_of(&mut log).await, StreamsError::Lost);
    assert_eq!(error_of(&mut inbox).await, StreamsError::Lost);
    // Nor is there anything the second time, or of somebody whom nobody knows.
    assert!(streams.remove(&b).await.unwrap());
    assert!(streams.remove(&member("c.1")).await.unwrap());
}

pub(crate) async fn a_reader_of_what_was_removed_has_lost_it<R: Rig>(place: Place<R>) {
    let streams = place.streams();
    let b = member("b.1");
    let mut log = streams.open_log(&b).await.unwrap();
    let mut inbox = streams.open_inbox(&b).await.unwrap();
    let removing = async {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert!(streams.remove(&b).await.unwrap());
    };
    let (log, inbox, ()) = tokio::join!(error_of(&mut log), error_of(&mut inbox), removing);
    assert_eq!((log, inbox), (StreamsError::Lost, StreamsError::Lost));
}
