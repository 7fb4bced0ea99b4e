//! What clients send, frame by frame; fragments are not supported, as no load generator sends any.

use crate::frame::opcode;

/// One frame from a client.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Input<'a> {
    /// A text message.
    Text(&'a [u8]),
    /// A ping with its payload.
    Ping(&'a [u8]),
    /// Something without effect.
    Ignored,
    /// The closing handshake, or what the protocol or this server does not allow.
    End,
}

/// The first frame, unmasked in place, and its whole length; `None` while it is incomplete.
pub(super) fn next(bytes: &mut [u8]) -> Option<(usize, Input<'_>)> {
    let (first, second) = match bytes {
        [first, second, ..] => (*first, *second),
        _ => return None,
    };
    if first & 0x80 == 0 || second & 0x80 == 0 {
        return Some((bytes.len(), Input::End));
    }
    let (length, head) = match second & 0x7f {
        126 => (
            u64::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?)),
            4,
        ),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?), 10),
        short => (u64::from(short), 2),
    };
    let key: [u8; 4] = *bytes.get(head..)?.first_chunk()?;
    let begin = head + 4;
    // A length beyond the address space never becomes complete; the limit on partial frames ends it.
    let end = begin.checked_add(usize::try_from(length).ok()?)?;
    let payload = bytes.get_mut(begin..end)?;
    for (byte, key) in payload.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
    let input = match first & 0x0f {
        opcode::TEXT => Input::Text(payload),
        opcode::PING => Input::Ping(payload),
        opcode::PONG => Input::Ignored,
        _ => Input::End,
    };
    Some((end, input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::encode_client;

    #[test]
    fn what_the_client_encodes_is_understood() {
        for length in [0, 5, 126, 70_000] {
            let payload = vec![b'x'; length];
            let mut bytes = Vec::new();
            encode_client(&mut bytes, opcode::TEXT, &payload);
            let whole = bytes.len();
            for cut in [1, 5, whole - 1] {
                assert_eq!(next(&mut bytes.clone()[..cut]), None);
            }
            bytes.push(0x81);
            assert_eq!(next(&mut bytes), Some((whole, Input::Text(&payload))));
        }
    }

    #[test]
    fn unmasked_frames_and_fragments_end_the_connection() {
        assert_eq!(next(&mut [0x81, 1, b'x']), Some((3, Input::End)));
        assert_eq!(
            next(&mut [0x01, 0x81, 0, 0, 0, 0, b'x']),
            Some((7, Input::End))
        );
    }
}
