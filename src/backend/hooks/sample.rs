//! Samples: what an operator sends an endpoint to see whether it understands.

use std::time::Duration;

use super::{
    super::event_id,
    Hooks,
    attempt::{in_words, post},
    body,
};
use crate::{
    dialect::DialectId,
    dispatch::Dispatch,
    happening::{Happening, Kind, Party, What},
    id::{Member, Serial, SessionId},
    message::MessageId,
    topic::Topic,
};

/// What came of a sample.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sampled {
    /// The id in it.
    pub id: Box<str>,
    /// The status of the answer, or why there is none.
    pub answer: Result<u16, Box<str>>,
    /// Time of the exchange.
    pub took: Duration,
}

/// Why there is no sample.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SampleError {
    #[error("there is no such hook in the configuration")]
    NoHook,
}

impl Hooks {
    /// Sends a made-up happening of this kind to a hook of the configuration at once, whatever waits for
    /// it, and whatever it wants to be told of. It is not repeated.
    ///
    /// # Errors
    ///
    /// There is no such hook.
    ///
    /// Cancel safe, in that it may have been sent.
    pub async fn sample(
        &self,
        url: &str,
        kind: Kind,
        member: &Member,
    ) -> Result<Sampled, SampleError> {
        let inner = &*self.0;
        let endpoints = inner.endpoints.load_full();
        let is_hook = endpoints.hooks().iter().any(|(hook, _)| **hook == *url);
        let endpoint = endpoints.get(url).filter(|_| is_hook);
        let endpoint = endpoint.ok_or(SampleError::NoHook)?;
        let now = inner.clock.now();
        let happening = Happening {
            id: event_id().into(),
            time_ms: now.unix_ms,
            member: member.clone(),
            what: made_up(kind, member),
        };
        let dispatch = Dispatch {
            url: url.into(),
            lane: happening.lane().as_str().into(),
            event: kind.label().into(),
            id: happening.id.clone(),
            since_ms: now.unix_ms,
            body: body::encode(&happening),
        };
        let replied = post(&endpoint.service, &dispatch, 1, now.unix_seconds()).await;
        Ok(Sampled {
            id: happening.id,
            answer: match replied {
                Ok(reply) => Ok(reply.status.as_u16()),
                Err(error) => Err(in_words(&error).into()),
            },
            took: inner.clock.uptime() - now.uptime,
        })
    }
}

/// About a session, a user and a room that nobody is.
fn made_up(kind: Kind, member: &Member) -> What {
    let who = || Party {
        session: SessionId {
            member: member.clone(),
            serial: Serial::new(0, 0),
        },
        user: "sample".parse().ok(),
        dialect: DialectId::Ride,
    };
    let room = || Topic::room("sample").expect("it is a name");
    match kind {
        Kind::CallDue => What::CallDue {
            who: who(),
            url: "".into(),
            method: "sample".into(),
            params: "{}".into(),
        },
        Kind::MessageReceived => What::MessageReceived {
            who: who(),
            kind: "sample".into(),
            data: "{}".into(),
        },
        Kind::RoomOccupied => What::RoomOccupied { room: room() },
        Kind::RoomVacated => What::RoomVacated { room: room() },
        Kind::SessionClosed => What::SessionClosed {
            who: who(),
            reason: "client_closed".into(),
            duration_ms: Some(0),
            rooms: vec![room()],
        },
        Kind::SessionOpened => What::SessionOpened {
            who: who(),
            remote: std::net::Ipv4Addr::LOCALHOST.into(),
        },
        Kind::Undeliverable => What::Undeliverable {
            topic: room(),
            message: MessageId::Number(0),
            event: "sample".into(),
            sender: None,
        },
    }
}
