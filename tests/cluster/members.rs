//! Members: their leases, their list, and who may reap whom.

use std::time::Duration;

use tidegate::cluster::streams::{LEASE, Sent, Streams as _};
use tokio::time::{self, Instant};

use crate::place::{Place, Rig, entries, has_nothing, member, to};

pub(crate) async fn a_lease_holds_for_its_time_and_the_place_until_it_is_removed<R: Rig>(
    place: Place<R>,
) {
    let (one, other) = (place.streams(), place.streams());
    let (a, b) = (member("a.1"), member("b.1"));
    let pulse = other.beat(&b, "first".into()).await.unwrap();
    assert_eq!(pulse.members, []);
    other.enroll(&b).await.unwrap();
    // Twice is once.
    other.enroll(&b).await.unwrap();
    other.beat(&b, "of b".into()).await.unwrap();
    let renewed = Instant::now();
    one.enroll(&a).await.unwrap();
    let pulse = one.beat(&a, "of a".into()).await.unwrap();
    let both = [
        (a.clone(), Some("of a".into())),
        (b.clone(), Some("of b".into())),
    ];
    assert_eq!(pulse.members, both);

    time::sleep_until(renewed + LEASE - Duration::from_millis(700)).await;
    let pulse = one.beat(&a, "of a".into()).await.unwrap();
    assert_eq!(pulse.members, both);
    time::sleep_until(renewed + LEASE + Duration::from_millis(200)).await;
    let pulse = one.beat(&a, "of a".into()).await.unwrap();
    assert_eq!(pulse.members[1], (b.clone(), None));

    // Without a lease it still has its place.
    let pulse = other.beat(&b, "of b".into()).await.unwrap();
    assert_eq!(pulse.members, both);
    assert!(one.remove(&b).await.unwrap());
    // It is told with every beat.
    for _ in 0..2 {
        let pulse = other.beat(&b, "of b".into()).await.unwrap();
        assert!(!pulse.lists(&b) && pulse.lists(&a));
    }
    other.enroll(&b).await.unwrap();
    let pulse = other.beat(&b, "of b".into()).await.unwrap();
    assert_eq!(pulse.members, both);
    other.resign(&b).await.unwrap();
    let pulse = one.beat(&a, "of a".into()).await.unwrap();
    assert_eq!(pulse.members[1], (b, None));
}

pub(crate) async fn a_generation_is_the_same_for_all<R: Rig>(place: Place<R>) {
    let (one, other) = (place.streams(), place.streams());
    let first = one.beat(&member("a.1"), "a".into()).await.unwrap();
    let second = other.beat(&member("b.1"), "b".into()).await.unwrap();
    let third = one.beat(&member("a.1"), "a".into()).await.unwrap();
    assert!(!first.generation.is_empty());
    assert_eq!(first.generation, second.generation);
    assert_eq!(first.generation, third.generation);
}

pub(crate) async fn one_may_reap_and_may_ask_again<R: Rig>(place: Place<R>) {
    let (one, other) = (place.streams(), place.streams());
    let (a, b, dead) = (member("a.1"), member("b.1"), member("c.1"));
    let both = tokio::join!(one.begin_reaping(&dead, &a), other.begin_reaping(&dead, &b));
    let (a_may, b_may) = (both.0.unwrap(), both.1.unwrap());
    assert!(a_may != b_may, "exactly one of them may");
    assert_eq!(one.begin_reaping(&dead, &a).await, Ok(a_may));
    assert_eq!(other.begin_reaping(&dead, &b).await, Ok(b_may));
    // Another dead member is another matter, and so is one that has come and died again.
    assert_eq!(one.begin_reaping(&member("d.1"), &a).await, Ok(true));
    assert!(one.remove(&dead).await.unwrap());
    assert_eq!(other.begin_reaping(&dead, &b).await, Ok(true));
    assert_eq!(one.begin_reaping(&dead, &a).await, Ok(false));
}

pub(crate) async fn two_prefixes_do_not_meet<R: Rig>(place: Place<R>) {
    let ours = place.streams();
    // One that begins as the other does.
    let theirs = place.rig.streams(&format!("{}x:", place.prefix));
    let (a, b) = (member("a.1"), member("b.1"));
    let mut log = theirs.open_log(&b).await.unwrap();
    let mut inbox = theirs.open_inbox(&b).await.unwrap();
    theirs.enroll(&b).await.unwrap();
    ours.enroll(&a).await.unwrap();
    let their = theirs.beat(&b, "b".into()).await.unwrap();
    let our = ours.beat(&a, "a".into()).await.unwrap();
    assert!(our.generation != their.generation);
    assert_eq!(our.members, [(a.clone(), Some("a".into()))]);
    ours.append(entries("a.1", 0..1)).await.unwrap();
    let sent = ours.send(to(&b, "a.1", 0..1)).await.unwrap();
    assert_eq!(sent, [Sent::Gone]);
    assert_eq!(ours.begin_reaping(&b, &a).await, Ok(true));
    assert_eq!(theirs.begin_reaping(&b, &b).await, Ok(true));
    assert!(ours.remove(&b).await.unwrap());
    has_nothing(&mut log).await;
    has_nothing(&mut inbox).await;
    let their = theirs.beat(&b, "b".into()).await.unwrap();
    assert_eq!(their.members, [(b, Some("b".into()))]);
}
