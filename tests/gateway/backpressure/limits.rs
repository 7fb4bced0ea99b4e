//! Bounds beyond a single outbox: all of them together, and positions, which take no room at all.

use futures_util::future::join_all;

use super::{batch, hear_all, number, prompt};
use crate::support::{Client, Closed, Gateway, Raw, Received, client::code};

/// A megabyte for each of four who stall, where one and a half may wait in all.
const MESSAGES: usize = 900;

#[tokio::test]
async fn all_outboxes_together_are_bounded() {
    let toml = "limits.outbox_bytes_max = 3000000\nlimits.outboxes_bytes_max = 1500000\n\
                runtime.shards = 1";
    let gateway = Gateway::start(toml);
    let names = ["a", "b", "c", "d"];
    let mut stalled = join_all(names.map(|name| Raw::ride_narrow(&gateway, name, "crowd"))).await;
    let mut neighbours = prompt(&gateway, 3).await;
    let mut publisher = Raw::ride(&gateway, "p", "me").await;
    let publishing = async {
        for begin in (0..MESSAGES).step_by(10) {
            publisher.write(&batch("me", begin..begin + 10)).await;
        }
        publisher.ping_ride().await;
    };
    let hearing = join_all(
        neighbours
            .iter_mut()
            .map(|client| hear_all(client, MESSAGES)),
    );
    tokio::join!(publishing, hearing);
    let ends = join_all(stalled.iter_mut().map(resume)).await;
    let heard_all = ends.iter().filter(|end| end.is_none()).count();
    assert!(0 < heard_all && heard_all < 4, "{ends:?}");
    for end in ends.into_iter().flatten() {
        assert_eq!(end, code(1013, "slow_consumer"));
    }
}

/// Reads again, up to the last frame, or to the end.
async fn resume(client: &mut Raw) -> Option<Closed> {
    for expect in 0..MESSAGES {
        match client.receive().await {
            Received::Frame { opcode: 1, payload } => assert_eq!(number(&payload), expect),
            Received::Frame { payload, .. } => {
                let (code, text) = payload.split_at(2);
                let code = u16::from_be_bytes(code.try_into().unwrap());
                return Some(Closed::Code(
                    code,
                    String::from_utf8(text.to_vec()).unwrap(),
                ));
            }
            Received::End | Received::Reset => return Some(Closed::Gone),
        }
    }
    None
}

#[tokio::test]
async fn a_phone_that_stalls_gets_the_newest_position_and_every_other_message() {
    let gateway = Gateway::start("limits.outbox_bytes_max = 65536\nruntime.shards = 2");
    let mut phone = Raw::ride_narrow(&gateway, "phone", "you").await;
    let mut drivers = [
        Client::ride(&gateway, "driver_1", "d1").await,
        Client::ride(&gateway, "driver_2", "d2").await,
    ];
    for number in 0..3000 {
        for (driver, name) in drivers.iter_mut().zip(["d1", "d2"]) {
            driver.send(said(name, "latlng", number)).await;
            if number % 100 == 0 {
                driver.send(said(name, "travel", number)).await;
            }
        }
    }
    for driver in &mut drivers {
        driver.ping().await;
    }
    let mut last = [None, None];
    let mut travels = [0, 0];
    let mut heard = 0;
    while last != [Some(2999), Some(2999)] {
        let Received::Frame { opcode: 1, payload } = phone.receive().await else {
            panic!("it was closed after {heard} messages");
        };
        let frame: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let driver = usize::from(frame["token"] == "d2");
        let number = frame["number"].as_u64();
        if frame["flag"] == "travel" {
            assert_eq!(number, Some(travels[driver] * 100));
            travels[driver] += 1;
        } else {
            assert!(
                last[driver] < number,
                "a position older than the one before"
            );
            last[driver] = number;
        }
        heard += 1;
    }
    assert!(heard < 6000);
    let conflated = gateway
        .metric("tidegate_messages_conflated_total", "")
        .await;
    assert!(0.0 < conflated);
    // The newest position stands where the first one waited, so that these may come behind it.
    while travels != [30, 30] {
        let Received::Frame { payload, .. } = phone.receive().await else {
            panic!("it was closed");
        };
        let frame: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(frame["flag"], "travel");
        travels[usize::from(frame["token"] == "d2")] += 1;
    }
    phone.ping_ride().await;
}

fn said(driver: &str, flag: &str, number: usize) -> String {
    format!(
        r#"{{"flag":"{flag}","token":"{driver}","target_token":"you","number":{number},"lat":"30.2","lng":"120.1"}}"#
    )
}
