//! How something is published: by a frame on the publisher's connection, or by a request on one of its own.

use std::fmt::Write as _;

use crate::frame::{self, opcode};
use crate::template::{Seat, Template};

/// How something is published.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    /// The text; `{seq}` is its number, `{pad}` fills it up.
    pub message: Template,
    /// The way that it goes.
    pub way: Way,
    /// Bytes that a message is longer by when it is delivered; less than 0 if it is shorter.
    pub grows: isize,
}

/// The way of a message into the server.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// A text frame on the publisher's connection.
    Frame,
    /// The body of an HTTP request.
    Post {
        /// What is posted to.
        path: String,
        /// Further lines of the request.
        headers: Vec<String>,
    },
}

impl Publish {
    /// Whether the publisher has a WebSocket.
    #[must_use]
    pub fn is_by_frames(&self) -> bool {
        self.way == Way::Frame
    }

    /// The same by one connection.
    #[must_use]
    pub fn bind(&self, seat: Seat) -> Self {
        Self {
            message: self.message.bind(seat),
            ..self.clone()
        }
    }
}

impl Way {
    /// Appends all bytes of a message on its way.
    pub fn encode(&self, out: &mut Vec<u8>, text: &str) {
        match self {
            Self::Frame => frame::encode_client(out, opcode::TEXT, text.as_bytes()),
            Self::Post { path, headers } => {
                let mut head = format!("POST {path} HTTP/1.1\r\nHost: loadtest\r\n");
                for line in headers {
                    head.push_str(line);
                    head.push_str("\r\n");
                }
                let _ = write!(head, "Content-Length: {}\r\n\r\n", text.len());
                out.extend_from_slice(head.as_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
}
