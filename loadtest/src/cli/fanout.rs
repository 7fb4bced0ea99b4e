//! Options of `fanout`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use super::values::{parse_address, parse_backend, parse_outstanding, parse_rate, parse_seconds};
use super::{Common, ServerFile};
use crate::engine::Habits;
use crate::server::publish::{Publish, Way};
use crate::server::{Role, Server};
use crate::template::Template;

/// Options of `fanout`.
#[derive(Args, Clone, Debug)]
pub struct FanoutArgs {
    /// Options of every scenario; the connections are the subscribers.
    #[command(flatten)]
    pub common: Common,
    /// How to talk to the server.
    #[command(flatten)]
    pub server: ServerFile,
    /// Messages under way at any time; a message is done when all subscribers have it
    #[arg(long, value_name = "COUNT", default_value = "8", value_parser = parse_outstanding)]
    pub outstanding: usize,
    /// Instead of that: messages per second, each at its own time whatever became of those before
    #[arg(long, value_name = "MSGS", value_parser = parse_rate, conflicts_with = "outstanding")]
    pub rate: Option<f64>,
    /// Size of a message when it is delivered, filled up with {pad}
    #[arg(long, value_name = "BYTES", default_value = "128")]
    pub bytes: usize,
    /// Run so long before measuring
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub warmup: Duration,
    /// Path of subscribers; {i} is the number of the connection [default: the server's]
    #[arg(long)]
    pub path: Option<Template>,
    /// Message that every subscriber sends after connecting; {i} is its number [default: the server's]
    #[arg(long, value_name = "FRAME")]
    pub subscribe: Option<Template>,
    /// Who publishes in the ride dialect, whose publisher has the path /ws/?client_id=NAME&token=SECRET
    #[arg(long, value_name = "NAME:SECRET", value_parser = parse_backend)]
    pub backend: Option<(String, String)>,
    /// Path of the publisher [default: the server's]
    #[arg(long, value_name = "PATH", conflicts_with = "backend")]
    pub publisher_path: Option<Template>,
    /// Message that the publisher sends after connecting [default: the server's]
    #[arg(long, value_name = "FRAME")]
    pub publisher_hello: Option<Template>,
    /// Where the publisher connects to [default: the first of --to]
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub publish_to: Option<SocketAddr>,
    /// What is published; {seq} is a number of 10 characters, {pad} fills up to --bytes [default: the server's]
    #[arg(long, value_name = "TEXT")]
    pub message: Option<Template>,
    /// Messages shorter than this are not deliveries [default: --bytes]
    #[arg(long, value_name = "BYTES")]
    pub counted_bytes_min: Option<u64>,
    /// Before measuring, publish probes until every subscriber has received one
    #[arg(long)]
    pub wait: bool,
    /// Acknowledge every read at once instead of every second segment; costs the load generator more
    #[arg(long)]
    pub prompt_acks: bool,
    /// Sleep so long between two looks at the sockets while few are ready; 0: never
    #[arg(long, value_name = "MICROSECONDS", default_value = "100")]
    pub collect: u64,
    /// Of several processes: subscribers of all of them together.
    #[arg(skip)]
    pub all: Option<usize>,
}

/// Who says what: the server's file with the options over it.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Subscribers.
    pub subscriber: Role,
    /// The publisher, if it has a WebSocket.
    pub publisher: Role,
    /// How it publishes.
    pub publish: Publish,
    /// What is done with messages.
    pub habits: Habits,
}

impl FanoutArgs {
    /// Messages under way at any time; none in an open loop.
    #[must_use]
    pub fn closed_loop(&self) -> Option<usize> {
        self.rate.is_none().then_some(self.outstanding)
    }

    /// Puts the options over the server's file.
    ///
    /// # Errors
    /// One line, when nobody says how to publish.
    pub fn parts(&self) -> Result<Parts, String> {
        let server = self.server.read();
        let backend = self
            .backend
            .as_ref()
            .map(|(name, secret)| Template::new(&format!("/ws/?client_id={name}&token={secret}")));
        let publisher_path = self.publisher_path.as_ref().or(backend.as_ref());
        let subscriber = server.subscriber.at(self.path.as_ref());
        let publisher = server.publisher.at(publisher_path);
        Ok(Parts {
            subscriber: server.having_say(subscriber, self.subscribe.as_ref()),
            publisher: server.having_say(publisher, self.publisher_hello.as_ref()),
            publish: self.publish(&server)?,
            habits: server.habits,
        })
    }

    fn publish(&self, server: &Server) -> Result<Publish, String> {
        match (&server.publish, &self.message) {
            (Some(publish), message) => Ok(Publish {
                message: message.as_ref().unwrap_or(&publish.message).clone(),
                ..publish.clone()
            }),
            (None, Some(message)) => Ok(Publish {
                message: message.clone(),
                way: Way::Frame,
                grows: 0,
            }),
            (None, None) => Err("--server: the file has no [publish]: give --message".to_owned()),
        }
    }
}
