//! What endpoints are to be told: kept for a member until they were, and taken over when it is dead.

use std::{sync::Arc, time::Duration};

use tidegate::{
    cluster::redis::{Redis, RedisHooks},
    dispatch::{Dispatch, DispatchError, DispatchId, Dispatches},
    estate::Estate,
};

use crate::place::{Place, Rig, member, soon};

/// Longest wait for what is there.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough to see that nothing comes.
const SHORT: Duration = Duration::from_millis(100);

fn dispatch(number: u64) -> Dispatch {
    let mut body = vec![0, 255, b'\r', b'\n'];
    body.extend(number.to_be_bytes());
    Dispatch {
        url: "http://h/p?q=\u{e9}".into(),
        lane: format!("room:{}", number % 3).into(),
        event: "room.occupied".into(),
        id: number.to_string().into(),
        since_ms: 1_700_000_000_000 + number,
        body: body.into(),
    }
}

async fn add(to: &dyn Dispatches, numbers: std::ops::Range<u64>) {
    to.add(numbers.map(dispatch).collect()).await.unwrap();
}

/// Reads behind `after` until there are `count`, which have to be these in this order.
async fn read(
    from: &dyn Dispatches,
    mut after: DispatchId,
    expect: std::ops::Range<u64>,
) -> Vec<DispatchId> {
    let count = (expect.end - expect.start) as usize;
    let mut all = Vec::new();
    while all.len() < count {
        let given = from.next(after, 100, PATIENCE).await.unwrap();
        assert!(!given.is_empty(), "only {} of {count} came", all.len());
        after = given.last().unwrap().0;
        all.extend(given);
    }
    let (ids, given): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    assert_eq!(given, expect.map(dispatch).collect::<Vec<_>>());
    assert!(ids.is_sorted_by(|one, next| one < next));
    ids
}

async fn has_nothing(from: &dyn Dispatches, after: DispatchId) {
    assert_eq!(from.next(after, 10, SHORT).await, Ok(Vec::new()));
}

pub(crate) async fn dispatches_are_given_in_order_until_they_are_done<R: Rig>(place: Place<R>) {
    let (kept, _) = place.dispatches().await;
    add(&*kept, 0..250).await;
    let ids = read(&*kept, DispatchId::NONE, 0..250).await;
    has_nothing(&*kept, ids[249]).await;
    assert_eq!(kept.read(ids[7]).await, Ok(Some(dispatch(7))));
    kept.done(ids[..100].to_vec()).await.unwrap();
    // Twice does no harm, nor does nothing.
    kept.done(ids[..100].to_vec()).await.unwrap();
    kept.done(Vec::new()).await.unwrap();
    kept.add(Vec::new()).await.unwrap();
    assert_eq!(kept.read(ids[7]).await, Ok(None));
    add(&*kept, 250..251).await;
    read(&*kept, ids[249], 250..251).await;
    // As after a restart of the node.
    let (again, _) = place.dispatches().await;
    read(&*again, DispatchId::NONE, 100..251).await;
}

pub(crate) async fn whoever_waits_is_given_what_is_added<R: Rig>(place: Place<R>) {
    let (kept, _) = place.dispatches().await;
    let adding = async {
        tokio::time::sleep(SHORT).await;
        add(&*kept, 3..4).await;
    };
    tokio::join!(read(&*kept, DispatchId::NONE, 3..4), adding);
}

pub(crate) async fn what_a_call_that_was_dropped_had_been_given_is_given_again<R: Rig>(
    place: Place<R>,
) {
    let (kept, _) = place.dispatches().await;
    let (mut after, mut count) = (DispatchId::NONE, 0);
    for number in 0..30 {
        add(&*kept, number..number + 1).await;
        let dropped = kept.next(after, 10, PATIENCE);
        let wait = Duration::from_micros(50 * number);
        if let Ok(given) = tokio::time::timeout(wait, dropped).await {
            for (id, given) in given.unwrap() {
                assert_eq!(given, dispatch(count));
                (after, count) = (id, count + 1);
            }
        }
    }
    read(&*kept, after, count..30).await;
}

pub(crate) async fn what_was_buried_is_with_the_dead<R: Rig>(place: Place<R>) {
    let (kept, graves) = place.dispatches().await;
    add(&*kept, 0..5).await;
    let ids = read(&*kept, DispatchId::NONE, 0..5).await;
    for number in [1, 3] {
        let (id, reason) = (ids[number], format!("because of {number}"));
        let dispatch = dispatch(number as u64);
        kept.bury(id, dispatch, reason).await.unwrap();
        assert_eq!(kept.read(id).await, Ok(None));
    }
    let all = graves.list(DispatchId::NONE, 10).await.unwrap();
    let reasons: Vec<&str> = all.iter().map(|dead| &*dead.reason).collect();
    assert_eq!(reasons, ["because of 1", "because of 3"]);
    assert_eq!(all[1].dispatch, dispatch(3));
    assert_eq!(graves.list(all[0].id, 10).await.unwrap(), all[1..]);
    assert_eq!(graves.list(DispatchId::NONE, 1).await.unwrap(), all[..1]);
    assert_eq!(graves.find(all[1].id).await, Ok(Some(all[1].clone())));
    assert_eq!(graves.remove(vec![all[1].id, all[1].id]).await, Ok(1));
    assert_eq!(graves.remove(Vec::new()).await, Ok(0));
    assert_eq!(graves.find(all[1].id).await, Ok(None));
    assert_eq!(graves.list(all[0].id, 10).await, Ok(Vec::new()));
    let (again, _) = place.dispatches().await;
    let left = again.next(DispatchId::NONE, 10, SHORT).await.unwrap();
    assert_eq!(left.len(), 3);
}

/// A member of the cluster of this case, and what it keeps.
async fn open<R: Rig<Streams = Redis>>(
    place: &Place<R>,
    name: &str,
) -> (RedisHooks, Arc<dyn Dispatches>) {
    let hooks = place.streams().hooks();
    assert!(hooks.current().borrow().is_none());
    hooks.open(&member(name)).await.unwrap();
    let kept = hooks.current().borrow().clone().unwrap();
    (hooks, kept)
}

pub(crate) async fn what_a_dead_member_has_left_is_taken_over_in_order<R: Rig<Streams = Redis>>(
    place: Place<R>,
) {
    let (dying, left) = open(&place, "a.1").await;
    let (heir, kept) = open(&place, "b.1").await;
    add(&*kept, 0..2).await;
    // Some of it was given out, and some was not.
    add(&*left, 2..150).await;
    left.next(DispatchId::NONE, 100, PATIENCE).await.unwrap();
    add(&*left, 150..300).await;
    assert_eq!(dying.is_settled(&member("a.1")).await, Ok(false));
    soon("the hand-over", heir.inherit(&member("a.1")))
        .await
        .unwrap();
    let ids = read(&*kept, DispatchId::NONE, 0..300).await;
    assert_eq!(dying.is_settled(&member("a.1")).await, Ok(true));
    // Nothing can be left where nobody would look for it.
    let late = left.add(vec![dispatch(7)]).await;
    assert_eq!(late, Err(DispatchError::Absent));
    has_nothing(&*kept, ids[299]).await;
    // Again, as whoever goes on with it does.
    heir.inherit(&member("a.1")).await.unwrap();
    has_nothing(&*kept, ids[299]).await;
    // Nobody takes over for a member that is gone itself.
    let (_, other) = open(&place, "c.1").await;
    add(&*other, 0..3).await;
    kept.done(ids).await.unwrap();
    assert_eq!(heir.is_settled(&member("b.1")).await, Ok(true));
    assert!(heir.inherit(&member("c.1")).await.is_err());
    read(&*other, DispatchId::NONE, 0..3).await;
}

pub(crate) async fn another_life_keeps_nothing_of_the_one_before<R: Rig<Streams = Redis>>(
    place: Place<R>,
) {
    let (hooks, first) = open(&place, "a.1").await;
    add(&*first, 0..3).await;
    hooks.open(&member("a.1")).await.unwrap();
    let same = hooks.current().borrow().clone().unwrap();
    assert!(Arc::ptr_eq(&first, &same));
    hooks.open(&member("a.2")).await.unwrap();
    let second = hooks.current().borrow().clone().unwrap();
    has_nothing(&*second, DispatchId::NONE).await;
    hooks.inherit(&member("a.1")).await.unwrap();
    let ids = read(&*second, DispatchId::NONE, 0..3).await;
    // Its own life is none that it could take over.
    assert!(hooks.inherit(&member("a.2")).await.is_err());
    has_nothing(&*second, ids[2]).await;
    assert_eq!(second.read(ids[0]).await, Ok(Some(dispatch(0))));
}
