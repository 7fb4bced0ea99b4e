//! Jobs: each of them is done by one member at a time, and none is lost.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use tidegate::jobs::{Added, Job, Jobs, LEASE, NewJob, PutOff, State, Taken, Turn, Which};
use tokio::time::{self, Instant};

use crate::place::{Place, Rig};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// By then what is nobody's any more is taken by somebody else.
const AGAIN: Duration = LEASE.saturating_add(Duration::from_secs(5));

fn job(id: &str, kind: &str) -> NewJob {
    NewJob {
        id: id.into(),
        kind: kind.into(),
        body: body(id),
        origin: None,
    }
}

fn body(id: &str) -> Bytes {
    format!("{{\"user\":\"{id}\",\"data\":\"\u{e9}\\r\\n\"}}").into()
}

async fn add(jobs: &dyn Jobs, ids: &[&str]) {
    for id in ids {
        assert_eq!(jobs.add(job(id, "ocr")).await, Ok(Added::New), "{id}");
    }
}

async fn take_one(jobs: &dyn Jobs) -> Taken {
    let mut taken = jobs.take("ocr", 1).await.unwrap();
    taken.pop().expect("there is a job")
}

/// Takes what becomes free within a lease.
async fn take_again(jobs: &dyn Jobs) -> Taken {
    let until = Instant::now() + AGAIN;
    loop {
        if let Some(taken) = jobs.take("ocr", 1).await.unwrap().pop() {
            return taken;
        }
        assert!(Instant::now() < until, "nobody gets it");
        time::sleep(Duration::from_millis(50)).await;
    }
}

async fn find(jobs: &dyn Jobs, id: &str) -> Job {
    jobs.find(id).await.unwrap().expect("it is known")
}

fn failed(delay: Duration, why: &str) -> PutOff {
    PutOff {
        delay,
        failure: Some(why.to_owned()),
    }
}

fn ids<'a>(jobs: impl IntoIterator<Item = &'a Job>) -> Vec<&'a str> {
    jobs.into_iter().map(|job| &*job.id).collect()
}

pub(crate) async fn each_job_is_taken_by_one_and_known_when_it_is_done<R: Rig>(place: Place<R>) {
    let (one, two) = (place.jobs(DAY), place.jobs(DAY));
    let names: Vec<String> = (0..20).map(|number| format!("j {number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    add(&*one, &names).await;
    assert_eq!(one.figures().await.unwrap().open, 20);
    let (first, second) = tokio::join!(one.take("ocr", 8), two.take("ocr", 100));
    let all = [first.unwrap(), second.unwrap()].concat();
    let taken: BTreeSet<&str> = all.iter().map(|job| &*job.turn.id).collect();
    assert_eq!((all.len(), taken), (20, names.iter().copied().collect()));
    for job in &all {
        assert_eq!(job.body, body(&job.turn.id));
        assert_eq!((job.turn.number, job.failures, &job.answer), (1, 0, &None));
    }
    assert_eq!(two.take("ocr", 1).await, Ok(Vec::new()));
    assert_eq!(find(&*two, "j 3").await.state, State::Running);
    for job in &all {
        let answer = Bytes::from_static(b"{\"n\":1}");
        assert_eq!(one.answer(&job.turn, answer).await, Ok(true));
        assert_eq!(one.done(&job.turn).await, Ok(true));
        // Whoever does not know whether it has come through says it again.
        assert_eq!(one.done(&job.turn).await, Ok(false));
    }
    let done = find(&*two, "j 3").await;
    assert_eq!((done.state, done.attempts), (State::Done, 1));
    assert_eq!(done.answer, Some(Bytes::from_static(b"{\"n\":1}")));
    assert_eq!(one.list(Which::Open, 0).await, Ok(Vec::new()));
    assert_eq!(one.figures().await.unwrap().open, 0);
    assert_eq!(one.add(job("j 3", "ocr")).await, Ok(Added::Known));
    let short = place.jobs(Duration::from_millis(1));
    add(&*short, &["short"]).await;
    let turn = take_one(&*short).await.turn;
    assert_eq!(short.done(&turn).await, Ok(true));
    let until = Instant::now() + Duration::from_secs(5);
    while short.find("short").await.unwrap().is_some() {
        assert!(Instant::now() < until, "it is known for ever");
        // Whoever is done next clears away.
        add(&*short, &["next"]).await;
        let turn = take_one(&*short).await.turn;
        short.done(&turn).await.unwrap();
        short.forget("next").await.unwrap();
    }
}

pub(crate) async fn an_id_belongs_to_its_job<R: Rig>(place: Place<R>) {
    let jobs = place.jobs(DAY);
    add(&*jobs, &["a"]).await;
    assert_eq!(jobs.add(job("a", "ocr")).await, Ok(Added::Known));
    assert_eq!(jobs.add(job("a", "other")).await, Ok(Added::Conflict));
    let other = NewJob {
        body: body("b"),
        ..job("a", "ocr")
    };
    assert_eq!(jobs.add(other).await, Ok(Added::Conflict));
    assert_eq!(jobs.take("ocr", 9).await.unwrap().len(), 1);
    assert_eq!(jobs.find("b").await, Ok(None));
}

pub(crate) async fn what_is_not_held_is_taken_again_with_its_answer<R: Rig>(place: Place<R>) {
    let (one, two) = (place.jobs(DAY), place.jobs(DAY));
    add(&*one, &["a"]).await;
    let first = take_one(&*one).await;
    let answer = Bytes::from_static(b"[1]");
    assert_eq!(one.answer(&first.turn, answer.clone()).await, Ok(true));
    let second = take_again(&*two).await;
    assert_eq!((second.turn.number, second.failures), (2, 0));
    assert_eq!(second.answer, Some(answer));
    // What the first one says does not count any more.
    let lost = one.hold(vec![first.turn.clone(), second.turn.clone()]);
    assert_eq!(lost.await, Ok(vec![first.turn.clone()]));
    let late = Bytes::from_static(b"[2]");
    assert_eq!(one.answer(&first.turn, late).await, Ok(false));
    let why = failed(Duration::ZERO, "late");
    assert_eq!(one.put_off(&first.turn, why).await, Ok(false));
    assert_eq!(one.bury(&first.turn, "late".into()).await, Ok(false));
    assert_eq!(one.done(&first.turn).await, Ok(false));
    assert_eq!(two.done(&second.turn).await, Ok(true));
    let done = find(&*one, "a").await;
    assert_eq!((done.state, done.reason), (State::Done, None));
    assert_eq!(one.figures().await.unwrap().dead, 0);
}

pub(crate) async fn what_is_held_is_nobody_elses<R: Rig>(place: Place<R>) {
    let (one, two) = (place.jobs(DAY), place.jobs(DAY));
    add(&*one, &["a"]).await;
    let turn = take_one(&*one).await.turn;
    let until = Instant::now() + LEASE + Duration::from_secs(2);
    while Instant::now() < until {
        assert_eq!(one.hold(vec![turn.clone()]).await, Ok(Vec::new()));
        assert_eq!(two.take("ocr", 1).await, Ok(Vec::new()));
        time::sleep(LEASE / 20).await;
    }
    assert_eq!(one.done(&turn).await, Ok(true));
}

pub(crate) async fn what_has_failed_waits_and_counts<R: Rig>(place: Place<R>) {
    let (one, two) = (place.jobs(DAY), place.jobs(DAY));
    add(&*one, &["a"]).await;
    let first = take_one(&*one).await;
    let delay = Duration::from_millis(700);
    let begin = Instant::now();
    let put = one.put_off(&first.turn, failed(delay, "no \"good\""));
    assert_eq!(put.await, Ok(true));
    let waits = find(&*two, "a").await;
    assert!(matches!(waits.state, State::Waiting(_)), "{waits:?}");
    assert_eq!(waits.reason.as_deref(), Some("no \"good\""));
    assert_eq!(two.take("ocr", 1).await, Ok(Vec::new()));
    let second = take_again(&*two).await;
    assert!(delay <= begin.elapsed() + Duration::from_millis(5));
    assert_eq!((second.turn.number, second.failures), (2, 1));
    // Given back without a failure, it is there at once; nodes without Redis have clocks of their own.
    let back = PutOff {
        delay: Duration::ZERO,
        failure: None,
    };
    assert_eq!(two.put_off(&second.turn, back).await, Ok(true));
    assert_eq!(find(&*two, "a").await.state, State::Queued);
    let third = take_one(&*two).await;
    assert_eq!((third.turn.number, third.failures), (3, 1));
}

pub(crate) async fn kinds_are_in_nobody_elses_way<R: Rig>(place: Place<R>) {
    let jobs = place.jobs(DAY);
    for number in 0..300 {
        let added = jobs.add(job(&format!("slow {number}"), "slow")).await;
        assert_eq!(added, Ok(Added::New));
    }
    add(&*jobs, &["quick"]).await;
    assert_eq!(&*take_one(&*jobs).await.turn.id, "quick");
    assert_eq!(jobs.take("nobody", 9).await, Ok(Vec::new()));
    assert_eq!(jobs.take("slow", 2).await.unwrap().len(), 2);
    let pages = [jobs.list(Which::Open, 0), jobs.list(Which::Open, 100)];
    let [first, second] = pages;
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    assert_eq!((first.len(), second.len()), (100, 100));
    let all: BTreeSet<&str> = ids(first.iter().chain(&second)).into_iter().collect();
    assert_eq!(all.len(), 200);
    let figures = jobs.figures().await.unwrap();
    assert_eq!((figures.open, figures.dead), (301, 0));
    assert!(Duration::ZERO < figures.oldest, "{figures:?}");
}

pub(crate) async fn the_dead_are_listed_and_can_be_retried_and_forgotten<R: Rig>(place: Place<R>) {
    let jobs = place.jobs(DAY);
    add(&*jobs, &["a", "b"]).await;
    for taken in jobs.take("ocr", 2).await.unwrap() {
        let answer = Bytes::from_static(b"1");
        assert_eq!(jobs.answer(&taken.turn, answer).await, Ok(true));
        assert_eq!(jobs.bury(&taken.turn, "no".into()).await, Ok(true));
        assert_eq!(jobs.bury(&taken.turn, "no".into()).await, Ok(false));
    }
    let none = NewJob {
        body: Bytes::from_static(b"{"),
        ..job("entry:1", "")
    };
    for _ in 0..2 {
        assert_eq!(jobs.add_dead(none.clone(), "no JSON".into()).await, Ok(()));
    }
    let dead = jobs.list(Which::Dead, 0).await.unwrap();
    let mut names = ids(&dead);
    names.sort_unstable();
    assert_eq!(names, ["a", "b", "entry:1"]);
    assert!(dead.iter().all(|job| job.state == State::Dead));
    let found = find(&*jobs, "entry:1").await;
    assert_eq!(
        (&found.body[..], found.reason.as_deref()),
        (&b"{"[..], Some("no JSON"))
    );
    assert_eq!(jobs.figures().await.unwrap().dead, 3);
    assert_eq!(jobs.take("ocr", 9).await, Ok(Vec::new()));
    assert_eq!(jobs.retry("a").await, Ok(true));
    assert_eq!(jobs.retry("a").await, Ok(false));
    let again = take_one(&*jobs).await;
    assert_eq!((again.failures, again.answer), (0, None));
    assert_eq!(again.turn.number, 2);
    assert_eq!(jobs.forget("b").await, Ok(true));
    assert_eq!(jobs.forget("b").await, Ok(false));
    assert_eq!(jobs.find("b").await, Ok(None));
    assert_eq!(jobs.retry("nobody").await, Ok(false));
    let figures = jobs.figures().await.unwrap();
    assert_eq!((figures.open, figures.dead), (1, 1));
}

pub(crate) async fn what_was_forgotten_is_lost_to_whoever_works_on_it<R: Rig>(place: Place<R>) {
    let jobs = place.jobs(DAY);
    add(&*jobs, &["a"]).await;
    let turn: Turn = take_one(&*jobs).await.turn;
    assert_eq!(jobs.forget("a").await, Ok(true));
    assert_eq!(jobs.hold(vec![turn.clone()]).await, Ok(vec![turn.clone()]));
    assert_eq!(jobs.done(&turn).await, Ok(false));
    assert_eq!(jobs.find("a").await, Ok(None));
    assert_eq!(jobs.take("ocr", 9).await, Ok(Vec::new()));
}
