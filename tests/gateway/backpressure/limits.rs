//! The bound of all outboxes together.

use futures_util::future::join_all;

use super::{batch, hear_all, number, prompt};
use crate::support::{Closed, Gateway, Raw, Received, client::code};

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
