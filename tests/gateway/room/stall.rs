//! Members that stop reading: they are closed, and the others of the room hear everything.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::join;
use crate::support::{Client, Gateway, Raw, client::code};

const COUNT: u64 = 1000;

fn number(text: &[u8]) -> u64 {
    let said: Value = serde_json::from_slice(text).unwrap();
    said["number"].as_u64().unwrap()
}

async fn hear_all(client: &mut Client) {
    for expect in 0..COUNT {
        assert_eq!(number(client.text().await.as_bytes()), expect);
    }
}

#[tokio::test]
async fn a_member_that_stops_reading_is_closed_and_the_others_hear_everything() {
    // Observed, so that who speaks need not listen.
    let gateway = Gateway::start(
        "dialect.room.mode = \"chat\"\ndialect.room.profile = \"observed\"\n\
         limits.outbox_bytes_max = 65536\nruntime.shards = 2",
    );
    let mut stalled = Raw::upgrade_narrow(&gateway, "/room/crowd/").await;
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(join(&gateway, "/room/crowd/").await);
    }
    let mut speaker = join(&gateway, "/room/stage/").await;
    let speaking = async {
        let fill = "x".repeat(1000);
        for number in 0..COUNT {
            let message = json!({"number": number, "fill": fill});
            let said = json!({"message": message, "from": "crowd"});
            speaker.send(said.to_string()).await;
        }
        speaker.heard().await;
    };
    tokio::join!(speaking, join_all(others.iter_mut().map(hear_all)));
    let (heard, closed) = stalled.closed_after_frames().await;
    assert_eq!(closed, code(1013, "slow_consumer"));
    let numbers: Vec<_> = heard.iter().map(|text| number(text)).collect();
    assert_eq!(numbers, (0..heard.len() as u64).collect::<Vec<_>>());
    assert!(heard.len() < COUNT as usize);
}
