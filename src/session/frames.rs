//! Reading frames: from the bytes of a socket to whole messages.
//!
//! Works on whatever the socket gave, in place: a message that is complete in it is never copied,
//! and a reader that holds no part of a message holds no memory. All rules of RFC 6455 for frames
//! to a server are enforced here, each before anything is allocated for the frame. One leniency:
//! a length in a longer form than needed is accepted, since home-made clients send such.
//!
//! **Invariant:** a reader never holds more than `message_bytes_max` bytes of a message.

mod header;

use fastwebsockets::{CloseCode, unmask};

use self::header::{HEADER_BYTES_MAX, Header, Kind, Opcode};
use crate::{dialect::Incoming, frame::CONTROL_BYTES_MAX, session::utf8::Utf8};

/// Joins the frames of one client to messages.
#[derive(Debug, Default)]
pub struct Reader {
    /// Present while a part of a frame or message is held.
    partial: Option<Box<Partial>>,
}

/// What arrived.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// A Close frame; its payload is valid.
    Close {
        /// The client's code, if it gave one.
        code: Option<u16>,
    },
    /// A frame of a message that goes on.
    Fragment {
        /// Bytes of its payload, which the message will have.
        length: usize,
    },
    /// A whole message.
    Message(Incoming<'a>),
    /// A Ping with this payload.
    Ping(&'a [u8]),
    /// A Pong, with its payload.
    Pong(&'a [u8]),
}

/// Whether the caller can take more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// Stop after this event: the rest of the input is not consumed.
    Stop,
}

/// Why a client's bytes are refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// A text is not UTF-8.
    #[error("text is not UTF-8")]
    InvalidUtf8,
    /// A rule of the WebSocket protocol was broken.
    #[error("{0}")]
    Protocol(&'static str),
    /// A message is over the limit.
    #[error("message is over the limit")]
    TooBig,
}

/// The parts of a message that is not complete.
#[derive(Debug, Default)]
struct Partial {
    /// Bytes of a header that is not complete.
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Arriving>,
    /// Payload of a control frame that is arriving.
    control: Vec<u8>,
    /// Payload of the message so far.
    message: Vec<u8>,
    /// Set from the first frame of a message to its end.
    kind: Option<Kind>,
    utf8: Utf8,
}

#[derive(Clone, Copy, Debug)]
struct Arriving {
    header: Header,
    /// Payload bytes still to come.
    left: usize,
}

// === impl Reader ===

impl Reader {
    /// Reads frames from `input` and hands each event to `on`. Says how many bytes were consumed:
    /// all, unless `on` said [`Flow::Stop`]. The input is unmasked in place.
    ///
    /// # Errors
    ///
    /// The first broken rule; the reader is of no use afterwards.
    pub fn feed(
        &mut self,
        input: &mut [u8],
        message_bytes_max: usize,
        mut on: impl FnMut(Event<'_>) -> Flow,
    ) -> Result<usize, ReadError> {
        let mut consumed = 0;
        while consumed < input.len() {
            let rest = &mut input[consumed..];
            let (taken, flow) = match &mut self.partial {
                None => self.whole(rest, message_bytes_max, &mut on)?,
                Some(partial) => {
                    let taken = partial.feed(rest, message_bytes_max, &mut on)?;
                    if partial.is_done() {
                        self.partial = None;
                    }
                    taken
                }
            };
            consumed += taken;
            if flow == Flow::Stop {
                break;
            }
        }
        Ok(consumed)
    }

    /// Whether a part of a frame or message is held.
    pub fn is_partial(&self) -> bool {
        self.partial.is_some()
    }

    /// Memory that it holds for a message that is not complete, in bytes.
    pub fn message_bytes(&self) -> usize {
        let partial = self.partial.as_ref();
        partial.map_or(0, |partial| partial.message.capacity())
    }

    /// Takes one frame that is whole in `input` without copying it; anything else becomes partial.
    fn whole(
        &mut self,
        input: &mut [u8],
        message_bytes_max: usize,
        on: &mut impl FnMut(Event<'_>) -> Flow,
    ) -> Result<(usize, Flow), ReadError> {
        let header = Header::parse(input)?;
        if let Some(header) = header {
            header.check(false, 0, message_bytes_max)?;
            let end = header.size + header.length;
            let is_message = header.fin || header.opcode.is_control();
            if is_message && end <= input.len() {
                let payload = &mut input[header.size..end];
                unmask(payload, header.mask);
                return Ok((end, emit(header.opcode, payload, on)?));
            }
        }
        self.partial = Some(Box::default());
        Ok((0, Flow::Continue))
    }
}

// === impl Partial ===

impl Partial {
    fn feed(
        &mut self,
        input: &mut [u8],
        message_bytes_max: usize,
        on: &mut impl FnMut(Event<'_>) -> Flow,
    ) -> Result<(usize, Flow), ReadError> {
        let mut consumed = 0;
        if self.frame.is_none() {
            consumed = self.take_header(input, message_bytes_max)?;
        }
        let Some(mut arriving) = self.frame else {
            return Ok((consumed, Flow::Continue));
        };
        let take = arriving.left.min(input.len() - consumed);
        let payload = &mut input[consumed..consumed + take];
        unmask(payload, arriving.mask());
        arriving.left -= take;
        if arriving.header.opcode.is_control() {
            self.control.extend_from_slice(payload);
        } else {
            self.append(payload, message_bytes_max)?;
        }
        self.frame = Some(arriving);
        let flow = match arriving.left {
            0 => self.finish_frame(arriving.header, on)?,
            _ => Flow::Continue,
        };
        Ok((consumed + take, flow))
    }

    /// Collects a header byte by byte, as it may arrive in any number of pieces.
    fn take_header(&mut self, input: &[u8], message_bytes_max: usize) -> Result<usize, ReadError> {
        for (index, byte) in input.iter().enumerate() {
            self.header[usize::from(self.header_len)] = *byte;
            self.header_len += 1;
            let Some(header) = Header::parse(&self.header[..usize::from(self.header_len)])? else {
                continue;
            };
            header.check(self.kind.is_some(), self.message.len(), message_bytes_max)?;
            self.header_len = 0;
            self.frame = Some(Arriving {
                header,
                left: header.length,
            });
            if let Opcode::Data(kind) = header.opcode {
                self.kind = Some(kind);
            }
            return Ok(index + 1);
        }
        Ok(input.len())
    }

    /// Adds to the message. It grows by doubling, but never to more than the limit.
    fn append(&mut self, payload: &[u8], message_bytes_max: usize) -> Result<(), ReadError> {
        if self.kind == Some(Kind::Text) {
            self.utf8
                .feed(payload)
                .map_err(|_| ReadError::InvalidUtf8)?;
        }
        let needed = self.message.len() + payload.len();
        if self.message.capacity() < needed {
            let doubled = (2 * self.message.capacity()).min(message_bytes_max);
            self.message
                .reserve_exact(doubled.max(needed) - self.message.len());
        }
        self.message.extend_from_slice(payload);
        Ok(())
    }

    fn finish_frame(
        &mut self,
        header: Header,
        on: &mut impl FnMut(Event<'_>) -> Flow,
    ) -> Result<Flow, ReadError> {
        self.frame = None;
        if header.opcode.is_control() {
            let payload = std::mem::take(&mut self.control);
            return emit(header.opcode, &payload, on);
        }
        if !header.fin {
            let length = header.length;
            return Ok(on(Event::Fragment { length }));
        }
        let message = std::mem::take(&mut self.message);
        match self.kind.take() {
            Some(Kind::Text) => {
                self.utf8.finish().map_err(|_| ReadError::InvalidUtf8)?;
                emit(Opcode::Data(Kind::Text), &message, on)
            }
            _ => emit(Opcode::Data(Kind::Binary), &message, on),
        }
    }

    fn is_done(&self) -> bool {
        self.header_len == 0 && self.frame.is_none() && self.kind.is_none()
    }
}

// === impl Arriving ===

impl Arriving {
    /// The mask, turned to where the payload goes on.
    fn mask(&self) -> [u8; 4] {
        let offset = self.header.length - self.left;
        let mut mask = self.header.mask;
        mask.rotate_left(offset % 4);
        mask
    }
}

/// Hands over a whole frame or message. Text of a joined message has been checked on the way, but
/// the check of a borrowed `str` is what makes it one.
fn emit(
    opcode: Opcode,
    payload: &[u8],
    on: &mut impl FnMut(Event<'_>) -> Flow,
) -> Result<Flow, ReadError> {
    debug_assert!(!opcode.is_control() || payload.len() <= CONTROL_BYTES_MAX);
    Ok(match opcode {
        Opcode::Data(Kind::Text) => {
            let text = std::str::from_utf8(payload).map_err(|_| ReadError::InvalidUtf8)?;
            on(Event::Message(Incoming::Text(text)))
        }
        Opcode::Data(Kind::Binary) | Opcode::Continuation => {
            on(Event::Message(Incoming::Binary(payload)))
        }
        Opcode::Close => on(Event::Close {
            code: close_code(payload)?,
        }),
        Opcode::Ping => on(Event::Ping(payload)),
        Opcode::Pong => on(Event::Pong(payload)),
    })
}

/// The code of a Close payload: RFC 6455, sections 5.5.1 and 7.4.
fn close_code(payload: &[u8]) -> Result<Option<u16>, ReadError> {
    let [high, low, reason @ ..] = payload else {
        return match payload.len() {
            0 => Ok(None),
            _ => Err(ReadError::Protocol("close code is half a code")),
        };
    };
    let code = u16::from_be_bytes([*high, *low]);
    // 1012 to 1014 were registered after the library's list was written.
    if !CloseCode::from(code).is_allowed() && !(1012..=1014).contains(&code) {
        return Err(ReadError::Protocol("close code is not allowed"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(ReadError::InvalidUtf8);
    }
    Ok(Some(code))
}

#[cfg(test)]
mod tests;
