//! The header of a frame: RFC 6455, section 5.2.

use super::ReadError;

/// Longest header of a masked frame, in bytes.
pub(super) const HEADER_BYTES_MAX: usize = 14;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Binary,
    Text,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Opcode {
    Continuation,
    Data(Kind),
    Close,
    Ping,
    Pong,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) fin: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    pub(super) length: usize,
    /// Bytes that the header itself takes.
    pub(super) size: usize,
}

// === impl Opcode ===

impl Opcode {
    pub(super) fn parse(bits: u8) -> Result<Self, ReadError> {
        Ok(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Data(Kind::Text),
            0x2 => Self::Data(Kind::Binary),
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return Err(ReadError::Protocol("opcode is reserved")),
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

// === impl Header ===

impl Header {
    /// The header at the beginning of `input`, if it is complete. What its first bytes break is
    /// refused before the rest of it has come.
    pub(super) fn parse(input: &[u8]) -> Result<Option<Self>, ReadError> {
        let Some(&first) = input.first() else {
            return Ok(None);
        };
        if first & 0x70 != 0 {
            return Err(ReadError::Protocol("reserved bits are set"));
        }
        let fin = first & 0x80 != 0;
        let opcode = Opcode::parse(first & 0x0F)?;
        if opcode.is_control() && !fin {
            return Err(ReadError::Protocol("control frame is fragmented"));
        }
        let Some(&second) = input.get(1) else {
            return Ok(None);
        };
        if second & 0x80 == 0 {
            return Err(ReadError::Protocol("frame is not masked"));
        }
        let (length, at) = match second & 0x7F {
            126 => (input.get(2..4).map(big_endian), 4),
            127 => (input.get(2..10).map(big_endian), 10),
            short => (Some(u64::from(short)), 2),
        };
        if opcode.is_control() && 2 < at {
            return Err(ReadError::Protocol("control frame is too long"));
        }
        let (Some(length), Some(mask)) = (length, input.get(at..at + 4)) else {
            return Ok(None);
        };
        if length >> 63 != 0 {
            return Err(ReadError::Protocol("length has its highest bit set"));
        }
        Ok(Some(Self {
            fin,
            opcode,
            mask: [mask[0], mask[1], mask[2], mask[3]],
            length: usize::try_from(length).map_err(|_| ReadError::TooBig)?,
            size: at + 4,
        }))
    }

    /// Whether the frame may follow a message of which `held` bytes are there.
    pub(super) fn check(
        &self,
        in_message: bool,
        held: usize,
        bytes_max: usize,
    ) -> Result<(), ReadError> {
        match self.opcode {
            Opcode::Continuation if !in_message => {
                return Err(ReadError::Protocol("nothing to continue"));
            }
            Opcode::Data(_) if in_message => {
                return Err(ReadError::Protocol("message begins inside another one"));
            }
            _ => {}
        }
        if !self.opcode.is_control() && bytes_max.saturating_sub(held) < self.length {
            return Err(ReadError::TooBig);
        }
        Ok(())
    }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
