//! Positions and a phone that stalls: it gets the newest ones, and no queue of old ones.

use futures_util::SinkExt as _;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, Gateway, Raw, Received, raw::TEXT};

const PROFILES: [&str; 2] = ["documented", "observed"];
const POSITIONS: u64 = 3000;
/// The windows of a narrow connection, its unsent bytes, and the newest.
const HEARD_MAX: usize = 400;

/// What `driver` says to `you`.
fn said(driver: &str, flag: &str, number: u64) -> String {
    format!(
        r#"{{"flag":"{flag}","token":"{driver}","target_token":"you","number":{number},"lat":"30.2","lng":"120.1"}}"#
    )
}

/// The next frame of the node.
async fn hear(phone: &mut Raw) -> Value {
    match phone.receive().await {
        Received::Frame {
            opcode: TEXT,
            payload,
        } => serde_json::from_slice(&payload).unwrap(),
        other => panic!("{other:?} came"),
    }
}

#[tokio::test]
async fn a_phone_that_stalls_gets_few_old_positions_and_the_newest_last() {
    for profile in PROFILES {
        let gateway = Gateway::start(&format!(
            "dialect.ride.profile = \"{profile}\"\nruntime.shards = 1"
        ));
        let mut phone = Raw::ride_narrow(&gateway, "phone", "you").await;
        let mut driver = Client::ride(&gateway, "driver_1", "d1").await;
        for number in 0..POSITIONS {
            let position = Message::text(said("d1", "latlng", number));
            // One segment with the ping behind it: each is written before the next one comes, as
            // long as the socket takes it.
            driver.socket.feed(position).await.unwrap();
            driver.ping().await;
        }
        let mut heard = Vec::new();
        while heard.last() != Some(&(POSITIONS - 1)) {
            heard.push(hear(&mut phone).await["number"].as_u64().unwrap());
        }
        assert!(heard.is_sorted(), "{heard:?}");
        assert!(heard.len() < HEARD_MAX, "{} of {POSITIONS}", heard.len());
        phone.ping_ride().await;
    }
}

#[tokio::test]
async fn a_phone_that_stalls_gets_the_newest_position_and_every_other_message() {
    for profile in PROFILES {
        let gateway = Gateway::start(&format!(
            "dialect.ride.profile = \"{profile}\"\n\
             limits.outbox_bytes_max = 65536\nruntime.shards = 2"
        ));
        let mut phone = Raw::ride_narrow(&gateway, "phone", "you").await;
        let names = ["d1", "d2"];
        let mut drivers = [
            Client::ride(&gateway, "driver_1", names[0]).await,
            Client::ride(&gateway, "driver_2", names[1]).await,
        ];
        for number in 0..3000 {
            for (driver, name) in drivers.iter_mut().zip(names) {
                driver.send(said(name, "latlng", number)).await;
                if number % 100 == 0 {
                    driver.send(said(name, "travel", number)).await;
                }
            }
        }
        for driver in &mut drivers {
            driver.ping().await;
        }
        check_both_drivers(&mut phone).await;
        let name = "tidegate_messages_conflated_total";
        assert!(0.0 < gateway.metric(name, "").await);
    }
}

/// Expects few positions of each of two drivers, 2999 last, and every travel, each in order.
async fn check_both_drivers(phone: &mut Raw) {
    let mut last = [None, None];
    let mut travels = [0, 0];
    let mut positions = 0;
    // The newest position stands where the first one waited, so that a travel may come behind it.
    while last != [Some(2999), Some(2999)] || travels != [30, 30] {
        let frame = hear(phone).await;
        let driver = usize::from(frame["token"] == "d2");
        let number = frame["number"].as_u64();
        if frame["flag"] == "travel" {
            assert_eq!(number, Some(travels[driver] * 100));
            travels[driver] += 1;
        } else {
            assert!(last[driver] < number, "older than the one before");
            last[driver] = number;
            positions += 1;
        }
    }
    assert!(positions < HEARD_MAX, "{positions} of 6000");
    phone.ping_ride().await;
}
