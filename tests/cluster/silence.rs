//! Servers that are gone, and those that are there and say nothing: every call ends in its time.

use std::{future::Future, time::Duration};

use rustix::process::Signal;
use tidegate::cluster::{
    redis::Redis,
    streams::{CALL_TIMEOUT, Inbox as _, Position, READ_WAIT, Reader as _, Streams, StreamsError},
};
use tokio::time::Instant;

use crate::{
    place::{entries, member, soon, to},
    proxy::{Proxy, Way},
    rigs::{Alone, PASSWORD, Sentinels, redis},
};

/// What a machine that has other things to do may add.
const SLACK: Duration = Duration::from_millis(400);
const PREFIX: &str = "tg:";

/// Members that have talked to the server before, one for each call of the seam.
struct Callers {
    redis: Vec<Redis>,
    log: <Redis as Streams>::Log,
    inbox: <Redis as Streams>::Inbox,
    acknowledging: <Redis as Streams>::Inbox,
}

/// What a call has ended with, and when.
struct Call {
    name: &'static str,
    limit: Duration,
    took: Duration,
    result: Result<(), StreamsError>,
}

async fn call<T>(
    name: &'static str,
    limit: Duration,
    calling: impl Future<Output = Result<T, StreamsError>>,
) -> Call {
    let begin = Instant::now();
    let result = soon(name, calling).await.map(drop);
    Call {
        name,
        limit,
        took: begin.elapsed(),
        result,
    }
}

impl Callers {
    async fn connect(url: &str) -> Self {
        let me = member("a.1");
        let redis: Vec<Redis> = (0..9).map(|_| redis(url, PREFIX)).collect();
        for caller in &redis {
            caller.check().await.unwrap();
        }
        let mut log = redis[0].open_log(&me).await.unwrap();
        let mut inbox = redis[1].open_inbox(&me).await.unwrap();
        let acknowledging = redis[2].open_inbox(&me).await.unwrap();
        let (read, other) = tokio::join!(log.next(), inbox.next());
        assert_eq!((read, other), (Ok(Vec::new()), Ok(Vec::new())));
        Self {
            redis,
            log,
            inbox,
            acknowledging,
        }
    }

    /// Every call of the seam, all at a time.
    async fn call(&mut self) -> Vec<Call> {
        let (me, other, limit) = (member("a.1"), member("b.1"), CALL_TIMEOUT);
        let reading = READ_WAIT + CALL_TIMEOUT;
        let redis = &self.redis;
        let calls = tokio::join!(
            call("beat", limit, redis[0].beat(&me, "a".into())),
            call("enroll", limit, redis[1].enroll(&me)),
            call("begin_reaping", limit, redis[2].begin_reaping(&me, &me)),
            call("open_log", limit, redis[3].open_log(&me)),
            call("append", limit, redis[4].append(entries("a.1", 0..1))),
            call("open_inbox", limit, redis[5].open_inbox(&me)),
            call("send", limit, redis[6].send(to(&me, "a.1", 0..1))),
            call("remove", limit, redis[7].remove(&other)),
            call("check", limit, redis[8].check()),
            call("next of the log", reading, self.log.next()),
            call("next of the inbox", reading, self.inbox.next()),
        );
        let (one, two, three, four, five, six, seven, eight, nine, ten, eleven) = calls;
        // By itself: its server is asked by another one too.
        let positions = vec![Position::default()];
        let acknowledging = self.acknowledging.acknowledge(positions);
        let last = call("acknowledge", limit, acknowledging).await;
        vec![
            one, two, three, four, five, six, seven, eight, nine, ten, eleven, last,
        ]
    }

    /// All have to end in time, whichever way.
    async fn end_in_time(&mut self) -> Vec<Call> {
        let calls = self.call().await;
        for Call {
            name, limit, took, ..
        } in &calls
        {
            assert!(*took < *limit + SLACK, "{name} took {took:?}");
        }
        calls
    }

    /// All have to find the server unavailable, in time.
    async fn find_nobody(&mut self) {
        for Call { name, result, .. } in self.end_in_time().await {
            assert!(
                matches!(result, Err(StreamsError::Unavailable(_))),
                "{name}: {result:?}"
            );
        }
    }

    /// All have to go well.
    async fn find_somebody(&mut self) {
        for Call { name, result, .. } in self.call().await {
            assert_eq!(result, Ok(()), "{name}");
        }
    }
}

#[tokio::test]
async fn calls_of_a_server_that_is_frozen_end_in_time() {
    let rig = Alone::start();
    let mut callers = Callers::connect(&rig.url()).await;
    rig.0.signal(Signal::STOP);
    callers.find_nobody().await;
    // And those that have to connect first: the system takes connections for a frozen process.
    callers.find_nobody().await;
    rig.0.signal(Signal::CONT);
    callers.find_somebody().await;
}

#[tokio::test]
async fn calls_of_a_server_that_is_killed_end_in_time() {
    let mut rig = Alone::start();
    let mut callers = Callers::connect(&rig.url()).await;
    rig.0.kill();
    callers.find_nobody().await;
    callers.find_nobody().await;
}

#[tokio::test]
async fn calls_of_a_primary_that_is_frozen_end_in_time() {
    let rig = Sentinels::start();
    let mut callers = Callers::connect(&rig.url(PASSWORD)).await;
    rig.primary.signal(Signal::STOP);
    callers.find_nobody().await;
    callers.find_nobody().await;
}

#[tokio::test]
async fn calls_of_a_server_that_is_far_away_end_in_time() {
    let rig = Alone::start();
    let proxy = Proxy::to(rig.0.port()).await;
    let mut callers = Callers::connect(&proxy.url()).await;
    // Longer than a call may take, for those that ask several times or have to connect.
    let slow = Way::Slow(Duration::from_millis(450));
    proxy.set(slow);
    callers.end_in_time().await;
    proxy.set(Way::Cut);
    callers.find_nobody().await;
    proxy.set(slow);
    callers.end_in_time().await;
    proxy.set(Way::Open);
    callers.find_somebody().await;
}

#[tokio::test]
async fn sentinels_that_are_frozen_delay_nobody() {
    let rig = Sentinels::start();
    for sentinel in &rig.sentinels[..2] {
        sentinel.signal(Signal::STOP);
    }
    Callers::connect(&rig.url(PASSWORD)).await;
}
