//! WebSocket frames: a scanner that finds the ends of server messages by their headers only, and an encoder.
//!
//! The scanner never buffers data and never allocates on data frames. It accepts the stream cut anywhere: between
//! two reads it keeps at most a partial header and the number of payload bytes still to come.

use thiserror::Error;

/// Opcodes of RFC 6455.
pub mod opcode {
    /// A later fragment of a message.
    pub const CONTINUATION: u8 = 0x0;
    /// A text message or its first fragment.
    pub const TEXT: u8 = 0x1;
    /// A binary message or its first fragment.
    pub const BINARY: u8 = 0x2;
    /// The closing handshake.
    pub const CLOSE: u8 = 0x8;
    /// A ping, to be answered with a pong of the same payload.
    pub const PING: u8 = 0x9;
    /// The answer to a ping.
    pub const PONG: u8 = 0xA;
}

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASKED: u8 = 0x80;
const CONTROL_BYTES_MAX: u64 = 125;
/// Two bytes, and eight of extended length; server frames carry no mask.
const HEADER_BYTES_MAX: usize = 10;

/// Any key is allowed, and a constant one makes runs repeatable; not zero, so that the server has to unmask.
const MASK_KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What a server sent that RFC 6455 forbids.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum FrameError {
    /// A frame from the server has its mask bit set.
    #[error("a masked frame from the server")]
    Masked,
    /// Reserved bits without a negotiated extension.
    #[error("reserved bits set in frame header {0:#04x}")]
    Reserved(u8),
    /// An opcode that RFC 6455 does not define.
    #[error("unknown opcode {0:#x}")]
    Opcode(u8),
    /// A control frame that is fragmented or over 125 bytes.
    #[error("a control frame that is fragmented or too long")]
    Control,
    /// A continuation without a beginning, or a beginning within a message.
    #[error("fragments out of order")]
    Fragment,
}

/// Receives what a [`Scanner`] finds.
pub trait Sink {
    /// A piece of a data message's payload; pieces never span messages.
    #[inline]
    fn payload(&mut self, chunk: &[u8]) {
        let _ = chunk;
    }

    /// A data message ended; `bytes` is the length of its whole payload.
    fn message(&mut self, bytes: u64);

    /// A control frame, whole.
    fn control(&mut self, opcode: u8, payload: &[u8]);
}

/// Position within the stream of frames from a server.
#[derive(Debug, Default)]
pub struct Scanner {
    /// Payload bytes of the current frame that have not come yet.
    left_bytes: u64,
    /// Payload of the current message, over all its fragments so far.
    message_bytes: u64,
    /// Payload of the current control frame.
    control: Vec<u8>,
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// First header byte of the current frame.
    first: u8,
    in_frame: bool,
    in_message: bool,
}

impl Scanner {
    /// Consumes the next bytes of the stream.
    ///
    /// # Errors
    /// A [`FrameError`] when the server breaks the protocol; the scanner is useless afterwards.
    #[inline]
    pub fn scan<S: Sink>(&mut self, bytes: &[u8], sink: &mut S) -> Result<(), FrameError> {
        let mut rest = bytes;
        loop {
            if self.in_frame {
                let take = usize::try_from(self.left_bytes)
                    .unwrap_or(usize::MAX)
                    .min(rest.len());
                let (chunk, tail) = rest.split_at(take);
                rest = tail;
                self.take_payload(chunk, sink);
                if self.left_bytes > 0 {
                    return Ok(());
                }
                self.end_frame(sink);
            }
            if rest.is_empty() {
                return Ok(());
            }
            rest = self.take_header(rest)?;
        }
    }

    /// Whether the stream stands between two messages, with nothing half received.
    #[must_use]
    pub fn is_at_boundary(&self) -> bool {
        !self.in_frame && !self.in_message && self.header_len == 0
    }

    #[inline]
    fn take_payload<S: Sink>(&mut self, chunk: &[u8], sink: &mut S) {
        self.left_bytes -= chunk.len() as u64;
        if is_control(self.first) {
            self.control.extend_from_slice(chunk);
        } else {
            self.message_bytes += chunk.len() as u64;
            sink.payload(chunk);
        }
    }

    #[inline]
    fn end_frame<S: Sink>(&mut self, sink: &mut S) {
        self.in_frame = false;
        if is_control(self.first) {
            sink.control(self.first & OPCODE, &self.control);
            self.control.clear();
        } else if self.first & FIN == 0 {
            self.in_message = true;
        } else {
            self.in_message = false;
            sink.message(std::mem::take(&mut self.message_bytes));
        }
    }

    /// Takes header bytes and gives what follows them, which is nothing when the header is still incomplete.
    #[inline]
    fn take_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FrameError> {
        if let [first, second, rest @ ..] = bytes
            && self.header_len == 0
            && *second <= 125
        {
            self.begin_frame(*first, u64::from(*second))?;
            return Ok(rest);
        }
        self.take_long_header(bytes)
    }

    fn take_long_header<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], FrameError> {
        let mut rest = bytes;
        while let [byte, tail @ ..] = rest {
            self.header[usize::from(self.header_len)] = *byte;
            self.header_len += 1;
            rest = tail;
            let header = &self.header[..usize::from(self.header_len)];
            let length = match header {
                [_, length] if *length <= 125 => u64::from(*length),
                [_, length, ..] if length & MASKED != 0 => return Err(FrameError::Masked),
                [_, 126, high, low] => u64::from(u16::from_be_bytes([*high, *low])),
                [_, 127, extended @ ..] if extended.len() == 8 => extended
                    .iter()
                    .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
                _ => continue,
            };
            self.header_len = 0;
            self.begin_frame(self.header[0], length)?;
            return Ok(rest);
        }
        Ok(rest)
    }

    #[inline]
    fn begin_frame(&mut self, first: u8, length: u64) -> Result<(), FrameError> {
        if first & RESERVED != 0 {
            return Err(FrameError::Reserved(first));
        }
        match first & OPCODE {
            opcode::CONTINUATION if !self.in_message => return Err(FrameError::Fragment),
            opcode::TEXT | opcode::BINARY if self.in_message => return Err(FrameError::Fragment),
            opcode::CONTINUATION | opcode::TEXT | opcode::BINARY => {}
            opcode::CLOSE | opcode::PING | opcode::PONG => {
                if first & FIN == 0 || length > CONTROL_BYTES_MAX {
                    return Err(FrameError::Control);
                }
            }
            unknown => return Err(FrameError::Opcode(unknown)),
        }
        self.first = first;
        self.left_bytes = length;
        self.in_frame = true;
        Ok(())
    }
}

#[inline]
fn is_control(first: u8) -> bool {
    first & 0x08 != 0
}

/// Appends one whole masked frame, as clients send it.
pub fn encode_client(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    encode_header(out, opcode, payload.len(), MASKED);
    out.extend_from_slice(&MASK_KEY);
    out.extend(
        payload
            .iter()
            .zip(MASK_KEY.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

/// Appends one whole unmasked frame, as servers send it.
pub fn encode_server(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    encode_header(out, opcode, payload.len(), 0);
    out.extend_from_slice(payload);
}

fn encode_header(out: &mut Vec<u8>, opcode: u8, length: usize, masked: u8) {
    out.push(FIN | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ 0..=125), _) => out.push(masked | short),
        (_, Ok(middle)) => {
            out.push(masked | 126);
            out.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            out.push(masked | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests;
