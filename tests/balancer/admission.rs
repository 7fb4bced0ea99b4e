//! A node that takes only so many clients per second, and all of them in the end.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::{self, Instant},
};

use crate::{lab::Lab, node::Node, soon};

const RATE: usize = 100;
const CLIENTS: usize = 300;

/// An answer to an upgrade.
#[derive(Debug, Eq, PartialEq)]
enum Answer {
    /// Taken; the connection stays as long as this is kept.
    Taken,
    /// Refused, with the seconds to wait.
    Later(u64),
}

#[tokio::test]
async fn everybody_is_back_after_a_storm_at_the_rate_that_the_node_allows() {
    let lab = Lab::new().await;
    let node = Node::start_with(&lab, 1, &format!("limits.handshakes_per_second = {RATE}\n")).await;
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|number| come_back(&lab, number));
    let attempts = soon("all clients are back", join_all(clients)).await;
    let took = began.elapsed();

    // One second's worth may be taken at once, the rest has to wait for its turn.
    let least = Duration::from_secs_f64((CLIENTS - RATE) as f64 / RATE as f64 * 0.9);
    assert!(least <= took, "{took:?} is faster than the rate");
    let refused = attempts.iter().sum::<usize>() - CLIENTS;
    println!("{CLIENTS} clients back in {took:?}, {refused} refusals");
    assert!(0 < refused);
    let counted = node
        .metric("tidegate_rejections_total", "handshake_limit")
        .await;
    assert_eq!(counted as usize, refused);
}

/// Tries until it is taken. Gives the number of attempts.
async fn come_back(lab: &Lab, number: usize) -> usize {
    for attempt in 1.. {
        match knock(lab, number).await {
            Answer::Taken => return attempt,
            Answer::Later(seconds) => {
                // Spread over a second, for those that were refused together not to come together.
                let jitter = (number * 7919 + attempt * 104_729) % 1000;
                let wait = Duration::from_secs(seconds) + Duration::from_millis(jitter as u64);
                time::sleep(wait).await;
            }
        }
    }
    unreachable!("it tries for ever")
}

async fn knock(lab: &Lab, number: usize) -> Answer {
    let mut stream = TcpStream::connect(lab.public(1)).await.unwrap();
    let request = format!(
        "GET /ws/?client_id=c{number}&token=t{number} HTTP/1.1\r\nhost: node\r\n\
         connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    // A refusal may be there before the request is.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(error) => panic!("{error} instead of an answer, after {} bytes", head.len()),
        }
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    if head.starts_with("http/1.1 101 ") {
        return Answer::Taken;
    }
    assert!(head.starts_with("http/1.1 503 "), "{head}");
    let after = head.split("retry-after: ").nth(1).unwrap();
    Answer::Later(after.lines().next().unwrap().parse().unwrap())
}
