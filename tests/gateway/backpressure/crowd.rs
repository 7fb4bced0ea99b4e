//! Many publishers and many subscribers: order, completeness, and walks that pause.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::future::join_all;

use super::number;
use crate::support::{
    Client, Gateway, Raw, Received,
    raw::{CLOSE, TEXT, frame},
};

fn short(from: &str, number: usize) -> String {
    format!(r#"{{"flag":"n","token":"{from}","target_token":"crowd","number":{number}}}"#)
}

#[tokio::test]
async fn every_subscriber_hears_every_publisher_in_its_order() {
    const PUBLISHERS: usize = 8;
    const MESSAGES: usize = 400;
    let gateway = Gateway::start("runtime.shards = 4");
    let names: Vec<_> = (0..30).map(|index| format!("s{index}")).collect();
    let subscribers = names
        .iter()
        .map(|name| Client::ride(&gateway, name, "crowd"));
    let mut subscribers = join_all(subscribers).await;
    let publish = async |index: usize| {
        let name = format!("p{index}");
        let mut publisher = Raw::ride(&gateway, &name, &name).await;
        for number in 0..MESSAGES {
            publisher.text(&short(&name, number)).await;
        }
        publisher.ping_ride().await;
    };
    let hear = async |subscriber: &mut Client| {
        let mut next = [0; PUBLISHERS];
        for _ in 0..PUBLISHERS * MESSAGES {
            let text = subscriber.text().await;
            let frame: serde_json::Value = serde_json::from_str(&text).unwrap();
            let publisher: usize = frame["token"].as_str().unwrap()[1..].parse().unwrap();
            assert_eq!(number(text.as_bytes()), next[publisher]);
            next[publisher] += 1;
        }
        assert_eq!(next, [MESSAGES; PUBLISHERS]);
    };
    tokio::join!(
        join_all((0..PUBLISHERS).map(publish)),
        join_all(subscribers.iter_mut().map(hear)),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_walk_over_thousands_is_complete_while_others_join_and_leave() {
    const SUBSCRIBERS: usize = 4500;
    const LEAVING: usize = 500;
    const MESSAGES: usize = 20;
    let gateway = Gateway::start("runtime.shards = 1");
    // Who came first and leaves has others put into its place in every list.
    let names: Vec<_> = (0..LEAVING).map(|index| format!("l{index}")).collect();
    let leaving = names.iter().map(|name| Raw::ride(&gateway, name, "crowd"));
    let mut leaving = join_all(leaving).await;
    let mut subscribers = Vec::new();
    for chunk in 0..SUBSCRIBERS / 100 {
        let joining = (0..100).map(async |index| {
            let path = format!("/ws/?client_id=s{chunk}-{index}&token=crowd");
            Raw::upgrade(&gateway, &path).await
        });
        subscribers.extend(join_all(joining).await);
    }
    // The last of each hundred answers: all have joined.
    join_all(subscribers.iter_mut().map(Raw::ping_ride)).await;
    let is_over = AtomicBool::new(false);
    let churn = async |index: usize| {
        let mut round = 0;
        while !is_over.load(Relaxed) {
            let path = format!("/ws/?client_id=x{index}-{round}&token=crowd");
            let mut passing = Raw::upgrade(&gateway, &path).await;
            if round % 2 == 0 {
                passing.frame(CLOSE, b"").await;
            }
            round += 1;
        }
        round
    };
    let publish = async {
        let mut publisher = Raw::ride(&gateway, "p", "me").await;
        let mut probe = Raw::ride(&gateway, "probe", "probe").await;
        for number in 0..MESSAGES {
            publisher
                .write(&frame(true, TEXT, short("me", number).as_bytes()))
                .await;
            for client in leaving.drain(..LEAVING / MESSAGES) {
                drop(client);
            }
            // Reads go on beside the walk.
            probe.ping_ride().await;
        }
        publisher.ping_ride().await;
        for subscriber in &mut subscribers {
            for expect in 0..MESSAGES {
                let Received::Frame {
                    opcode: TEXT,
                    payload,
                } = subscriber.receive().await
                else {
                    panic!("it was closed");
                };
                assert_eq!(number(&payload), expect);
            }
            // Nobody hears anything twice.
            subscriber.ping_ride().await;
        }
        is_over.store(true, Relaxed);
    };
    let (rounds, ()) = tokio::join!(join_all((0..8).map(churn)), publish);
    assert!(rounds.into_iter().all(|rounds| 0 < rounds));
}
