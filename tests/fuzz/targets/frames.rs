//! The reader against a naive one: in whatever pieces the bytes come, it sees the same frames and
//! refuses the same ones.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::Incoming,
    session::frames::{Event, Flow, ReadError, Reader},
};

#[derive(Debug, Eq, PartialEq)]
enum Seen {
    Binary(Vec<u8>),
    Close(Option<u16>),
    Ping(Vec<u8>),
    Pong,
    Text(String),
}

type Read = (Vec<Seen>, Option<ReadError>);

// The first byte is the limit, the second the size of pieces, the rest what a client sends.
fuzz_target!(|data: &[u8]| {
    let [limit, size, stream @ ..] = data else {
        return;
    };
    let limit = 2 * usize::from(*limit);
    let whole = read(stream, stream.len(), limit);
    assert_eq!(
        whole,
        read(stream, 1 + usize::from(*size), limit),
        "in pieces"
    );
    assert_eq!(whole, read(stream, 1, limit), "in bytes");
    let naive = naive(stream, limit);
    assert_eq!(whole.0, naive.0, "not what a naive reader sees");
    // Which of two broken rules is named, may differ; that one is, may not. Nor may the code.
    match (whole.1, naive.1) {
        (Some(ReadError::Protocol(_)), Some(ReadError::Protocol(_))) => {}
        (error, expected) => assert_eq!(error, expected, "not what a naive reader refuses"),
    }
});

fn read(stream: &[u8], size: usize, limit: usize) -> Read {
    let mut reader = Reader::default();
    let mut seen = Vec::new();
    for piece in stream.chunks(size.max(1)) {
        let mut piece = piece.to_vec();
        let result = reader.feed(&mut piece, limit, |event| {
            seen.push(match event {
                Event::Close { code } => Seen::Close(code),
                // Is seen with its message.
                Event::Fragment { .. } => return Flow::Continue,
                Event::Message(Incoming::Binary(bytes)) => Seen::Binary(bytes.to_vec()),
                Event::Message(Incoming::Text(text)) => Seen::Text(text.to_owned()),
                Event::Ping(payload) => Seen::Ping(payload.to_vec()),
                Event::Pong(_) => Seen::Pong,
            });
            Flow::Continue
        });
        assert!(reader.message_bytes() <= limit, "holds more than the limit");
        match result {
            Ok(consumed) => assert_eq!(consumed, piece.len(), "something was left"),
            Err(error) => return (seen, Some(error)),
        }
    }
    (seen, None)
}

/// RFC 6455, section 5, on bytes that are all there.
fn naive(mut rest: &[u8], limit: usize) -> Read {
    let mut seen = Vec::new();
    let mut message: Option<(bool, Vec<u8>)> = None;
    loop {
        let result = naive_frame(&mut rest, limit, &mut message, &mut seen);
        match result {
            Ok(true) => {}
            Ok(false) => return (seen, None),
            Err(error) => return (seen, Some(error)),
        }
    }
}

/// Takes one frame; says whether there may be another.
fn naive_frame(
    rest: &mut &[u8],
    limit: usize,
    message: &mut Option<(bool, Vec<u8>)>,
    seen: &mut Vec<Seen>,
) -> Result<bool, ReadError> {
    let broken = ReadError::Protocol("naive");
    let Some(&first) = rest.first() else {
        return Ok(false);
    };
    let (fin, opcode) = (0x80 <= first, first & 0x0F);
    let is_control = 8 <= opcode;
    if first & 0x70 != 0 || ![0, 1, 2, 8, 9, 10].contains(&opcode) || is_control && !fin {
        return Err(broken);
    }
    let Some(&second) = rest.get(1) else {
        return Ok(false);
    };
    if second < 0x80 || is_control && 0x80 + 125 < second {
        return Err(broken);
    }
    let wide = match second & 0x7F {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let Some(mask) = rest.get(2 + wide..6 + wide) else {
        return Ok(false);
    };
    let mut length = u64::from(second & 0x7F);
    if 0 < wide {
        let mut bytes = [0; 8];
        bytes[8 - wide..].copy_from_slice(&rest[2..2 + wide]);
        length = u64::from_be_bytes(bytes);
    }
    if 1 << 63 <= length || (opcode == 0) != message.is_some() && !is_control {
        return Err(broken);
    }
    let held = message.as_ref().map_or(0, |(_, held)| held.len());
    let room = (limit - held) as u64;
    if !is_control && room < length {
        return Err(ReadError::TooBig);
    }
    let payload = &rest[6 + wide..];
    let is_whole = length <= payload.len() as u64;
    let payload = &payload[..payload.len().min(length as usize)];
    let mut payload = payload.to_vec();
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[at % 4];
    }
    if is_whole {
        *rest = &rest[6 + wide + payload.len()..];
    }
    if is_control {
        if is_whole {
            seen.push(naive_control(opcode, payload)?);
        }
        return Ok(is_whole);
    }
    let (is_text, held) = message.get_or_insert((opcode == 1, Vec::new()));
    held.extend(payload);
    if *is_text && let Err(error) = std::str::from_utf8(held) {
        // Half a character at the end may still become a whole one.
        let is_over = is_whole && fin;
        if error.error_len().is_some() || is_over {
            return Err(ReadError::InvalidUtf8);
        }
    }
    if is_whole && fin {
        seen.push(match message.take() {
            Some((true, held)) => Seen::Text(String::from_utf8(held).unwrap()),
            Some((false, held)) => Seen::Binary(held),
            None => unreachable!("there is one"),
        });
    }
    Ok(is_whole)
}

fn naive_control(opcode: u8, payload: Vec<u8>) -> Result<Seen, ReadError> {
    Ok(match (opcode, payload.as_slice()) {
        (9, _) => Seen::Ping(payload),
        (10, _) => Seen::Pong,
        (_, []) => Seen::Close(None),
        (_, [high, low, reason @ ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(ReadError::Protocol("naive"));
            }
            std::str::from_utf8(reason).map_err(|_| ReadError::InvalidUtf8)?;
            Seen::Close(Some(code))
        }
        _ => return Err(ReadError::Protocol("naive")),
    })
}
