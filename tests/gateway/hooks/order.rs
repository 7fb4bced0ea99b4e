//! What of a session is told stays in order, whatever the endpoint answers, and no endpoint waits for
//! another one.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::*;

const SESSIONS: u64 = 4;
const EACH: u64 = 6;

#[tokio::test]
async fn what_of_a_session_is_not_taken_comes_again_before_what_follows() {
    let count = AtomicU64::new(0);
    let mut receiver = Service::start(move |_| match count.fetch_add(1, Relaxed) % 4 {
        0 => (503, ""),
        _ => (200, ""),
    });
    let toml = hooks(&[hook(&receiver.url("/hook"), "")]);
    for gateway in forms(&toml) {
        for number in 0..EACH {
            let all = (0..SESSIONS).map(|session| message(session, number));
            keep(&gateway, all.collect()).await;
        }
        let mut next = HashMap::new();
        let mut tries: HashMap<String, Vec<Request>> = HashMap::new();
        let mut left = SESSIONS * EACH;
        while 0 < left {
            let heard = receiver.next().await;
            let session = heard.json()["session"].as_str().unwrap().to_owned();
            let expect: &mut u64 = next.entry(session).or_default();
            assert_eq!(heard.json()["data"]["number"], *expect, "out of order");
            if heard.status == Some(200) {
                *expect += 1;
                left -= 1;
            }
            tries.entry(id(&heard)).or_default().push(heard);
        }
        // The same each time, but for the number of the attempt and the signature.
        for tries in tries.values() {
            for (attempt, heard) in tries.iter().enumerate() {
                assert_eq!(heard.body, tries[0].body);
                let number = (attempt + 1).to_string();
                assert_eq!(heard.header("x-tidegate-attempt").unwrap(), number);
                let signature = heard.header("x-tidegate-signature").unwrap();
                assert!(signature.starts_with("t="), "{signature}");
            }
        }
        assert!(tries.values().any(|tries| 1 < tries.len()));
        until_told(&gateway).await;
        assert_eq!(
            counted(&gateway, "delivered").await,
            (SESSIONS * EACH) as f64
        );
        assert_eq!(counted(&gateway, "kept").await, (SESSIONS * EACH) as f64);
        assert!(0.0 < counted(&gateway, "retried").await);
    }
}

#[tokio::test]
async fn an_endpoint_that_hangs_delays_no_other() {
    let mut hanging = Service::start(|_| Reply::Never);
    let mut quick = Service::taking();
    let toml = hooks(&[
        hook(&hanging.url("/"), ", concurrency_max = 2"),
        hook(&quick.url("/"), ""),
    ]);
    for gateway in forms(&toml) {
        let all = (0..50).map(|session| message(session, 0));
        keep(&gateway, all.collect()).await;
        taken(&mut quick, 50).await;
        // Both of the requests that it may have are there, and no more.
        for _ in 0..2 {
            hanging.next().await;
        }
        assert!(hanging.next_within(SHORT).await.is_none());
        let states = hooks_of(&gateway).await;
        assert_eq!(
            (&states[0]["pending"], &states[0]["in_flight"]),
            (&50.into(), &2.into())
        );
        assert_eq!(states[1]["pending"], 0);
        assert!(0.0 < gateway.metric("tidegate_hooks_oldest_seconds", "").await);
    }
}

#[tokio::test]
async fn what_happens_while_an_endpoint_is_down_is_told_when_it_is_back() {
    let address = format!("127.0.0.1:{}", crate::support::machine::free_port());
    let toml = hooks(&[hook(&format!("http://{address}/"), "")]);
    let gateway = Gateway::start_alone(&toml);
    for session in 0..3 {
        keep_of(&gateway, session, 0..20).await;
    }
    gateway
        .until_metric("tidegate_hooks_failing", "", 1.0)
        .await;
    soon("it counts as failing", async {
        while hooks_of(&gateway).await[0]["failures"].as_u64().unwrap() < 5 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let state = hooks_of(&gateway).await[0].take();
    assert!(now_ms() / 1000 < state["failing_since"].as_u64().unwrap() + 60);
    let error = state["last_error"].as_str().unwrap();
    assert!(error.contains("could not be spoken to"), "{error}");
    let mut receiver = Service::at(address.parse().unwrap(), |_| (200, ""));
    let ids = taken(&mut receiver, 60).await;
    for session in 0..3 {
        let prefix = format!("{session}-");
        let of: Vec<_> = ids.iter().filter(|id| id.starts_with(&prefix)).collect();
        let expect: Vec<String> = (0..20)
            .map(|number| format!("{session}-{number}"))
            .collect();
        assert_eq!(of, expect.iter().collect::<Vec<_>>());
    }
    until_told(&gateway).await;
    assert_eq!(hooks_of(&gateway).await[0]["failing_since"], Value::Null);
}

/// The end of session number `session`.
fn end(session: u64) -> Happening {
    let mut end = message(session, 0);
    let What::MessageReceived { who, .. } = end.what else {
        unreachable!()
    };
    end.id = format!("end-{session}").into();
    end.what = What::SessionClosed {
        who,
        reason: "idle".into(),
        duration_ms: Some(1),
        rooms: Vec::new(),
    };
    end
}

#[tokio::test]
async fn beyond_the_bound_of_the_backlog_what_is_new_is_dropped_and_counted() {
    static OPEN: Mutex<bool> = Mutex::new(false);
    let mut receiver = Service::start(|_| match *OPEN.lock().unwrap() {
        true => (200, ""),
        false => (503, ""),
    });
    let events = "events = [\"message.received\", \"session.closed\"]";
    let toml = format!(
        "backend.hooks = [{{ url = \"{}\", messages = [\"*\"], {events} }}]\n\
         backend.hooks_backlog_max = 10\n",
        receiver.url("/")
    );
    for gateway in forms(&toml) {
        *OPEN.lock().unwrap() = false;
        let all =
            |numbers: std::ops::Range<u64>| numbers.map(|number| message(7, number)).collect();
        assert_eq!(keep(&gateway, all(0..8)).await.dropped, 0);
        assert_eq!(keep(&gateway, all(8..12)).await.dropped, 2);
        assert_eq!(keep(&gateway, all(12..20)).await.dropped, 8);
        let dropped = "tidegate_hooks_dropped_total";
        gateway.until_metric(dropped, "backlog", 10.0).await;
        // Who was told of a beginning is told of the end.
        assert_eq!(keep(&gateway, vec![end(7)]).await.dropped, 0);
        *OPEN.lock().unwrap() = true;
        let ids = taken(&mut receiver, 11).await;
        let expect = (0..10).map(|number| format!("7-{number}"));
        let expect: Vec<_> = expect.chain(["end-7".to_owned()]).collect();
        assert_eq!(ids, expect);
        until_told(&gateway).await;
        // There is room again.
        assert_eq!(keep(&gateway, all(20..30)).await.dropped, 0);
        taken(&mut receiver, 10).await;
    }
}
