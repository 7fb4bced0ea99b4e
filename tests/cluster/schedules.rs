//! Schedules: each occurrence is fired once, whoever is there.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use tidegate::schedules::{Added, Entry, Firing, Schedules};

use crate::place::{Place, Rig};

/// Nobody takes what others have taken.
const NEVER: Duration = Duration::from_secs(600);

fn entry(id: &str, next_ms: u64) -> Entry {
    Entry {
        id: id.into(),
        next_ms,
        body: Bytes::from(format!("{{\"of\":\"{id}\"}}")),
    }
}

fn firing(entry: &Entry, next_ms: Option<u64>, push: Option<&'static str>) -> Firing {
    Firing {
        entry: entry.clone(),
        next_ms,
        push: push.map(|push| Bytes::from_static(push.as_bytes())),
    }
}

async fn add(schedules: &dyn Schedules, entry: &Entry) {
    assert_eq!(schedules.add(entry.clone()).await, Ok(Added::New));
}

pub(crate) async fn an_occurrence_is_fired_by_one_of_all_and_pushes_once<R: Rig>(place: Place<R>) {
    const ROUNDS: u64 = 20;
    let members: Vec<_> = (0..3).map(|_| place.schedules()).collect();
    let mut now = entry("a\"b", 1_000);
    add(&*members[0], &now).await;
    for round in 1..=ROUNDS {
        let next_ms = (round < ROUNDS).then_some(1_000 + round);
        let fired = members
            .iter()
            .map(|member| member.fire(firing(&now, next_ms, Some("push"))));
        let fired = join_all(fired).await.into_iter();
        let fired: Vec<bool> = fired.collect::<Result<_, _>>().unwrap();
        assert_eq!(fired.iter().filter(|won| **won).count(), 1, "{round}");
        now.next_ms = next_ms.unwrap_or(now.next_ms);
    }
    assert_eq!(members[1].find("a\"b").await, Ok(None));
    let queue = place.queue(NEVER);
    let mut pushed = 0;
    loop {
        let taken = queue.take(100, Duration::from_millis(200)).await.unwrap();
        if taken.is_empty() {
            break;
        }
        assert!(taken.iter().all(|entry| entry.body == "push"));
        pushed += taken.len() as u64;
    }
    assert_eq!(pushed, ROUNDS);
}

pub(crate) async fn what_is_due_is_what_has_its_time_behind_it<R: Rig>(place: Place<R>) {
    let (one, two) = (place.schedules(), place.schedules());
    let now_ms = one.now_ms().await.unwrap();
    let (past, soon, later) = (
        entry("past", now_ms - 1_000),
        entry("soon", now_ms + 500),
        entry("later", now_ms + 3_600_000),
    );
    for entry in [&later, &soon, &past] {
        add(&*one, entry).await;
    }
    let due = two.due(10).await.unwrap();
    assert!((now_ms..now_ms + 500).contains(&due.now_ms));
    assert_eq!(due.entries, std::slice::from_ref(&past));
    assert_eq!(
        two.list(0).await.unwrap(),
        [past.clone(), soon.clone(), later.clone()]
    );
    assert_eq!(two.list(1).await.unwrap(), [soon.clone(), later]);
    let both = async {
        loop {
            let due = two.due(10).await.unwrap();
            if 1 < due.entries.len() {
                return due;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let both = crate::place::soon("its time", both).await;
    assert!(soon.next_ms <= both.now_ms);
    assert_eq!(both.entries, [past.clone(), soon]);
    assert_eq!(two.due(1).await.unwrap().entries, [past]);
}

pub(crate) async fn an_id_belongs_to_its_schedule<R: Rig>(place: Place<R>) {
    let schedules = place.schedules();
    let (first, mut second) = (entry("a", 5_000_000_000_000), entry("a", 6_000_000_000_000));
    add(&*schedules, &first).await;
    second.body = Bytes::from_static(b"{}");
    let known = schedules.add(second.clone()).await;
    assert_eq!(known, Ok(Added::Known(first.clone())));
    assert_eq!(schedules.find("a").await, Ok(Some(first.clone())));
    assert_eq!(schedules.remove("a").await, Ok(true));
    assert_eq!(schedules.remove("a").await, Ok(false));
    add(&*schedules, &second).await;
    // Whoever has seen the one that is gone fires nothing.
    assert_eq!(
        schedules.fire(firing(&first, None, Some("x"))).await,
        Ok(false)
    );
    let mut same_time = first;
    same_time.next_ms = second.next_ms;
    let fired = schedules.fire(firing(&same_time, None, Some("x"))).await;
    assert_eq!(fired, Ok(false));
    assert_eq!(schedules.find("a").await, Ok(Some(second)));
}
