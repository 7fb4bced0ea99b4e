//! Frames to a client: the exact bytes of a server's WebSocket frame.
//!
//! A server's frame is not masked, so that its bytes are the same for every subscriber: encoded
//! once, shared by all. Layout: RFC 6455, section 5.2.

use bytes::Bytes;

use crate::close::CloseForm;

/// Longest payload of a control frame, in bytes: RFC 6455, section 5.5.
pub const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;

/// One whole, unmasked, unfragmented frame, header included. Cheap to clone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame(Bytes);

impl Frame {
    /// A text frame. `payload` must be UTF-8, which every dialect's encoder gives.
    pub fn text(payload: &[u8]) -> Self {
        Self::new(TEXT, payload)
    }

    /// The text frame whose bytes are these, header included: one that is known before the program runs.
    pub const fn fixed(bytes: &'static [u8]) -> Self {
        Self(Bytes::from_static(bytes))
    }

    /// A binary frame.
    pub fn binary(payload: &[u8]) -> Self {
        Self::new(BINARY, payload)
    }

    /// A Ping with this payload, of which at most [`CONTROL_BYTES_MAX`] bytes are taken.
    pub fn ping(payload: &[u8]) -> Self {
        Self::new(PING, &payload[..payload.len().min(CONTROL_BYTES_MAX)])
    }

    /// The answer to a Ping with this payload, of which at most [`CONTROL_BYTES_MAX`] bytes are
    /// taken: the reader has refused longer ones.
    pub fn pong(payload: &[u8]) -> Self {
        Self::new(PONG, &payload[..payload.len().min(CONTROL_BYTES_MAX)])
    }

    /// A Close frame, or nothing for [`CloseForm::None`].
    pub fn close(form: CloseForm, reason: &str) -> Option<Self> {
        let code = match form {
            CloseForm::None => return None,
            CloseForm::Empty => return Some(Self::new(CLOSE, &[])),
            CloseForm::Code(code) => code,
        };
        let mut end = reason.len().min(CONTROL_BYTES_MAX - 2);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut payload = Vec::with_capacity(2 + end);
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(&reason.as_bytes()[..end]);
        Some(Self::new(CLOSE, &payload))
    }

    /// The bytes as they stand on the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The bytes as they stand on the wire.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    fn new(opcode: u8, payload: &[u8]) -> Self {
        let header = match payload.len() {
            0..=125 => 2,
            126..=0xFFFF => 4,
            _ => 10,
        };
        // To the byte: what is longer is kept in two allocations.
        let mut bytes = Vec::with_capacity(header + payload.len());
        bytes.push(FIN | opcode);
        match payload.len() {
            length @ 0..=125 => bytes.push(length as u8),
            length @ 126..=0xFFFF => {
                bytes.push(126);
                bytes.extend_from_slice(&(length as u16).to_be_bytes());
            }
            length => {
                bytes.push(127);
                bytes.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(payload);
        Self(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_takes_the_shortest_form() {
        for (length, header) in [(0, 2), (125, 2), (126, 4), (0xFFFF, 4), (0x1_0000, 10)] {
            let frame = Frame::text(&vec![b'x'; length]);
            assert_eq!(frame.bytes().len(), header + length);
            assert_eq!(frame.bytes()[0], 0x81);
        }
    }

    #[test]
    fn a_close_is_a_code_and_a_reason_cut_at_a_character() {
        let frame = Frame::close(CloseForm::Code(1000), &"é".repeat(100)).unwrap();
        assert_eq!(&frame.bytes()[..4], &[0x88, 124, 0x03, 0xE8]);
        assert!(std::str::from_utf8(&frame.bytes()[4..]).is_ok());
    }

    #[test]
    fn a_close_may_be_empty_or_absent() {
        let empty = Frame::close(CloseForm::Empty, "x").unwrap();
        assert_eq!(&empty.bytes()[..], &[0x88, 0]);
        assert_eq!(Frame::close(CloseForm::None, "x"), None);
    }
}
