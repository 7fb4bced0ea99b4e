//! What members write to one another: an entry with many envelopes, and the log of topics.

use std::hint::black_box;

use bytes::Bytes;
use tidegate::{
    envelope::{Body, Delta, Envelope, Version},
    message::Message,
    topic::Topic,
};

use crate::Step;

/// Envelopes of an entry under load.
const ENVELOPES: usize = 100;
const TOPICS: u64 = 100;

pub(crate) fn steps() -> Vec<Step> {
    vec![
        Step::new(format!("bus/encode an entry of {ENVELOPES}"), || {
            let message = message();
            move || drop(black_box(entry(black_box(&message))))
        }),
        Step::new(format!("bus/decode an entry of {ENVELOPES}"), || {
            let bytes = entry(&message());
            move || {
                let envelopes = Body::split(black_box(bytes.clone())).expect("it is an entry");
                assert_eq!(envelopes.len(), ENVELOPES);
                for envelope in &envelopes {
                    drop(black_box(envelope.decode().expect("it is one")));
                }
            }
        }),
        Step::new(format!("bus/encode a delta of {TOPICS}"), || {
            let delta = [delta()];
            move || drop(black_box(Delta::encode(black_box(&delta), Version::MAX)))
        }),
        Step::new(format!("bus/decode a delta of {TOPICS}"), || {
            let bytes = Delta::encode(&[delta()], Version::MAX);
            move || drop(black_box(Delta::decode(black_box(bytes.clone()))))
        }),
    ]
}

fn entry(message: &Message) -> Bytes {
    let mut body = Body::new(Version::MAX.number());
    for _ in 0..ENVELOPES {
        body.push(&Envelope::encode_message(message, Version::MAX));
    }
    body.finish()
}

fn message() -> Message {
    let topic = Topic::user(&"42".parse().expect("it is an id"));
    let data =
        br#"{"lat":"23.117055","lng":"113.275999","state":"on its way","eta":420,"pad":"xxxx"}"#;
    Message::new(topic, "latlng", Bytes::from_static(data))
}

fn delta() -> Delta {
    Delta::Topics {
        joined: (0..TOPICS).map(|number| number * 0x9E37_79B9).collect(),
        left: Vec::new(),
    }
}
