//! Queues: work that any member may do, at least once.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use tidegate::queue::{Entry, EntryId, Queue, Taken};
use tokio::time::Instant;

use crate::place::{Place, Rig};

/// No taker of these tests is that slow.
const NEVER: Duration = Duration::from_secs(600);
/// Longest wait for what is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const SHORT: Duration = Duration::from_millis(100);

fn body(number: u64) -> Bytes {
    let mut body = vec![0, 255, b'\r', b'\n'];
    body.extend(number.to_be_bytes());
    body.into()
}

fn entry(number: u64) -> Entry {
    Entry {
        body: body(number),
        at_ms: None,
    }
}

async fn push(queue: &dyn Queue, numbers: std::ops::Range<u64>) {
    queue.push(numbers.map(entry).collect()).await.unwrap();
}

/// Takes until there are `count` entries.
async fn take(queue: &dyn Queue, count: usize) -> Vec<Taken> {
    let mut all = Vec::new();
    while all.len() < count {
        let taken = queue.take(count - all.len(), PATIENCE).await.unwrap();
        assert!(!taken.is_empty(), "only {} of {count} came", all.len());
        all.extend(taken);
    }
    all
}

async fn is_empty(queue: &dyn Queue) -> bool {
    queue.take(10, SHORT).await.unwrap().is_empty()
}

fn ids(taken: &[Taken]) -> Vec<EntryId> {
    taken.iter().map(|entry| entry.id.clone()).collect()
}

fn bodies(taken: &[Taken]) -> BTreeSet<Bytes> {
    taken.iter().map(|entry| entry.body.clone()).collect()
}

pub(crate) async fn what_was_pushed_is_taken_by_one_and_gone_when_it_is_done<R: Rig>(
    place: Place<R>,
) {
    let (one, two) = (place.queue(NEVER), place.queue(NEVER));
    push(&*one, 0..30).await;
    let (first, second) = tokio::join!(take(&*one, 10), take(&*two, 10));
    push(&*two, 30..40).await;
    let third = take(&*one, 20).await;
    let all = [&first[..], &second, &third].concat();
    assert_eq!(bodies(&all), (0..40).map(body).collect());
    assert_eq!(ids(&all).into_iter().collect::<BTreeSet<_>>().len(), 40);
    assert!(all.iter().all(|entry| entry.attempts == 1));
    assert!(is_empty(&*two).await);
    two.done(ids(&first)).await.unwrap();
    one.done(ids(&all)).await.unwrap();
    // Twice does no harm, nor does nothing.
    one.done(ids(&all)).await.unwrap();
    one.done(Vec::new()).await.unwrap();
    one.push(Vec::new()).await.unwrap();
    assert!(is_empty(&*place.queue(Duration::from_millis(1))).await);
}

pub(crate) async fn what_is_not_done_is_taken_again_and_counted<R: Rig>(place: Place<R>) {
    let queue = place.queue(Duration::from_millis(400));
    push(&*queue, 0..3).await;
    let first = take(&*queue, 3).await;
    queue.done(vec![first[1].id.clone()]).await.unwrap();
    let heir = place.queue(Duration::from_millis(400));
    let again = take(&*heir, 2).await;
    let (mut expect, mut found) = (vec![first[0].id.clone(), first[2].id.clone()], ids(&again));
    expect.sort();
    found.sort();
    assert_eq!(found, expect);
    assert!(again.iter().all(|entry| entry.attempts == 2), "{again:?}");
    let third = take(&*queue, 2).await;
    assert!(third.iter().all(|entry| entry.attempts == 3), "{third:?}");
    queue.done(ids(&third)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(is_empty(&*heir).await);
}

pub(crate) async fn what_is_for_later_is_not_taken_before_its_time<R: Rig>(place: Place<R>) {
    const LATER: Duration = Duration::from_secs(2);
    let (one, two) = (place.queue(NEVER), place.queue(NEVER));
    let begin = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = |after: Duration| Some((now + after).as_millis() as u64);
    let later = [(1, LATER), (2, Duration::ZERO), (3, LATER)].map(|(number, after)| Entry {
        body: body(number),
        at_ms: at(after),
    });
    one.push(later.into()).await.unwrap();
    push(&*one, 4..5).await;
    assert_eq!(bodies(&take(&*two, 2).await), [2, 4].map(body).into());
    assert!(is_empty(&*two).await);
    let (first, second) = tokio::join!(take(&*one, 1), take(&*two, 1));
    assert!(LATER <= begin.elapsed(), "{:?}", begin.elapsed());
    assert_eq!(bodies(&[first, second].concat()), [1, 3].map(body).into());
    assert!(is_empty(&*one).await);
}

pub(crate) async fn what_was_buried_is_not_taken<R: Rig>(place: Place<R>) {
    let queue = place.queue(Duration::from_millis(200));
    push(&*queue, 0..2).await;
    let mut taken = take(&*queue, 2).await;
    let (dead, left) = (taken.remove(0), taken.remove(0));
    queue
        .bury(dead.clone(), "no good".to_owned())
        .await
        .unwrap();
    // Whoever does not know whether it has come through does it again.
    queue.bury(dead, "no good".to_owned()).await.unwrap();
    let again = take(&*queue, 1).await;
    assert_eq!(ids(&again), [left.id]);
    queue.done(ids(&again)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(is_empty(&*queue).await);
}

pub(crate) async fn a_taker_waits_for_the_first_entry_and_no_longer_than_it_is_told<R: Rig>(
    place: Place<R>,
) {
    let (taker, pusher) = (place.queue(NEVER), place.queue(NEVER));
    let begin = Instant::now();
    assert!(is_empty(&*taker).await);
    assert!(SHORT <= begin.elapsed());
    let pushing = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        push(&*pusher, 7..8).await;
    };
    let (taken, ()) = tokio::join!(take(&*taker, 1), pushing);
    assert_eq!(bodies(&taken), [body(7)].into());
}
