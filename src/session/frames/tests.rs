use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1000;
const MASK: [u8; 4] = [1, 2, 3, 4];

/// What a test can own of an [`Event`].
#[derive(Clone, Debug, Eq, PartialEq)]
enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong,
    Close(Option<u16>),
}

/// What there is to own of it: a fragment is seen with its message.
fn see(event: Event<'_>) -> Option<Seen> {
    Some(match event {
        Event::Fragment { .. } => return None,
        Event::Message(Incoming::Text(text)) => Seen::Text(text.into()),
        Event::Message(Incoming::Binary(bytes)) => Seen::Binary(bytes.into()),
        Event::Ping(payload) => Seen::Ping(payload.into()),
        Event::Pong(_) => Seen::Pong,
        Event::Close { code } => Seen::Close(code),
    })
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | length as u8),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(
        payload
            .iter()
            .enumerate()
            .map(|(index, byte)| byte ^ MASK[index % 4]),
    );
    bytes
}

/// Feeds `stream` in pieces of `sizes`, over and over, and collects what arrives.
fn read(stream: &[u8], sizes: &[usize]) -> (Vec<Seen>, Result<(), ReadError>) {
    let mut reader = Reader::default();
    let mut seen = Vec::new();
    let mut sizes = sizes.iter().cycle();
    let mut rest = stream;
    while !rest.is_empty() {
        let size = (*sizes.next().unwrap()).clamp(1, rest.len());
        let (piece, after) = rest.split_at(size);
        rest = after;
        let result = reader.feed(&mut piece.to_vec(), LIMIT, |event| {
            seen.extend(see(event));
            Flow::Continue
        });
        if let Err(error) = result {
            return (seen, Err(error));
        }
    }
    (seen, Ok(()))
}

#[track_caller]
fn check(stream: &[u8], expect: &[Seen]) {
    for sizes in [&[usize::MAX][..], &[1], &[3, 5]] {
        assert_eq!(
            read(stream, sizes),
            (expect.to_vec(), Ok(())),
            "in pieces of {sizes:?}"
        );
    }
}

#[track_caller]
fn check_refused(stream: &[u8], expect: ReadError) {
    for sizes in [&[usize::MAX][..], &[1], &[3, 5]] {
        assert_eq!(read(stream, sizes).1, Err(expect), "in pieces of {sizes:?}");
    }
}

#[test]
fn whole_messages_arrive() {
    let mut stream = frame(0x81, "héllo".as_bytes());
    stream.extend(frame(0x82, &[0, 255]));
    stream.extend(frame(0x81, b""));
    check(
        &stream,
        &[
            Seen::Text("héllo".into()),
            Seen::Binary(vec![0, 255]),
            Seen::Text(String::new()),
        ],
    );
}

#[test]
fn fragments_are_joined_with_controls_between_them() {
    let mut stream = frame(0x01, b"a\xc3");
    stream.extend(frame(0x89, b"ping"));
    stream.extend(frame(0x00, b"\xa9"));
    stream.extend(frame(0x8A, b""));
    stream.extend(frame(0x80, b"z"));
    check(
        &stream,
        &[
            Seen::Ping(b"ping".to_vec()),
            Seen::Pong,
            Seen::Text("aéz".into()),
        ],
    );
}

#[test]
fn the_limit_is_one_of_messages_not_of_frames() {
    check_refused(&frame(0x82, &[0; LIMIT + 1]), ReadError::TooBig);
    let mut stream = frame(0x02, &[0; LIMIT]);
    stream.extend(frame(0x80, &[0; 1]));
    check_refused(&stream, ReadError::TooBig);
    check(&frame(0x82, &[0; LIMIT]), &[Seen::Binary(vec![0; LIMIT])]);
}

#[test]
fn an_announced_length_alone_takes_no_memory() {
    let mut reader = Reader::default();
    let mut announced = vec![0x82, 0x80 | 126, 0x03, 0xE8, 1, 2, 3, 4, 0];
    reader
        .feed(&mut announced, LIMIT, |_| Flow::Continue)
        .unwrap();
    assert!(reader.message_bytes() < 16);
}

#[test]
fn a_growing_message_never_holds_more_than_the_limit() {
    let mut reader = Reader::default();
    for _ in 0..LIMIT {
        let mut piece = frame(if reader.is_partial() { 0x00 } else { 0x02 }, b"x");
        reader.feed(&mut piece, LIMIT, |_| Flow::Continue).unwrap();
        assert!(reader.message_bytes() <= LIMIT);
    }
}

#[test]
fn what_is_not_masked_is_refused() {
    check_refused(
        &[0x81, 0x01, b'x'],
        ReadError::Protocol("frame is not masked"),
    );
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        check_refused(
            &frame(0x81 | bit, b"x"),
            ReadError::Protocol("reserved bits are set"),
        );
    }
    for opcode in [3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        check_refused(
            &frame(0x80 | opcode, b"x"),
            ReadError::Protocol("opcode is reserved"),
        );
    }
}

#[test]
fn long_or_fragmented_controls_are_refused() {
    for opcode in [0x8, 0x9, 0xA] {
        check_refused(
            &frame(0x80 | opcode, &[b'x'; 126]),
            ReadError::Protocol("control frame is too long"),
        );
        check_refused(
            &frame(opcode, b"x"),
            ReadError::Protocol("control frame is fragmented"),
        );
    }
}

#[test]
fn fragments_out_of_order_are_refused() {
    check_refused(
        &frame(0x80, b"x"),
        ReadError::Protocol("nothing to continue"),
    );
    let mut stream = frame(0x01, b"x");
    stream.extend(frame(0x81, b"y"));
    check_refused(
        &stream,
        ReadError::Protocol("message begins inside another one"),
    );
}

#[test]
fn a_length_with_its_highest_bit_set_is_refused() {
    let mut stream = vec![0x82, 0xFF];
    stream.extend_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0]);
    stream.extend_from_slice(&MASK);
    check_refused(
        &stream,
        ReadError::Protocol("length has its highest bit set"),
    );
}

#[test]
fn text_must_be_utf8_also_across_fragments() {
    check_refused(&frame(0x81, b"\xff"), ReadError::InvalidUtf8);
    let mut stream = frame(0x01, b"\xc3");
    stream.extend(frame(0x80, b"z"));
    check_refused(&stream, ReadError::InvalidUtf8);
    let mut stream = frame(0x01, b"z");
    stream.extend(frame(0x80, b"\xc3"));
    check_refused(&stream, ReadError::InvalidUtf8);
}

#[test]
fn close_codes_are_those_of_the_protocol_and_its_registry() {
    let close = |code: u16| frame(0x88, &code.to_be_bytes());
    for code in [1000, 1003, 1007, 1011, 1012, 1014, 3000, 4999] {
        check(&close(code), &[Seen::Close(Some(code))]);
    }
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535,
    ] {
        check_refused(
            &close(code),
            ReadError::Protocol("close code is not allowed"),
        );
    }
    check(&frame(0x88, b""), &[Seen::Close(None)]);
    check_refused(
        &frame(0x88, b"x"),
        ReadError::Protocol("close code is half a code"),
    );
    check_refused(&frame(0x88, b"\x03\xe8\xff"), ReadError::InvalidUtf8);
}

#[test]
fn a_length_in_a_longer_form_than_needed_is_taken() {
    let short = frame(0x81, b"a");
    for (mark, bytes) in [(126, 2), (127, 8)] {
        let mut stream = vec![short[0], 0x80 | mark];
        stream.extend(vec![0; bytes - 1]);
        stream.push(1);
        stream.extend(&short[2..]);
        check(&stream, &[Seen::Text("a".into())]);
    }
}

#[test]
fn a_caller_that_stops_loses_nothing() {
    let mut stream = frame(0x81, b"a");
    let first = stream.len();
    stream.extend(frame(0x81, b"b"));
    let mut reader = Reader::default();
    let consumed = reader.feed(&mut stream, LIMIT, |_| Flow::Stop);
    assert_eq!(consumed, Ok(first));
    let mut seen = Vec::new();
    let rest = reader.feed(&mut stream[first..], LIMIT, |event| {
        seen.extend(see(event));
        Flow::Continue
    });
    assert_eq!((rest, seen), (Ok(first), vec![Seen::Text("b".into())]));
}

#[test]
fn an_idle_reader_holds_nothing() {
    let mut reader = Reader::default();
    let stream = frame(0x81, b"abc");
    for byte in &stream {
        reader
            .feed(&mut [*byte], LIMIT, |_| Flow::Continue)
            .unwrap();
    }
    assert!(!reader.is_partial());
}

/// A message as a client may send it: cut into fragments, with pings between them.
fn message() -> impl Strategy<Value = (Seen, Vec<u8>)> {
    let text = (".{0,60}", prop::collection::vec(0..40usize, 0..4)).prop_map(|(text, cuts)| {
        let stream = fragments(0x01, text.as_bytes(), &cuts);
        (Seen::Text(text), stream)
    });
    let binary = (
        prop::collection::vec(any::<u8>(), 0..300),
        prop::collection::vec(0..200usize, 0..4),
    )
        .prop_map(|(bytes, cuts)| {
            let stream = fragments(0x02, &bytes, &cuts);
            (Seen::Binary(bytes), stream)
        });
    prop_oneof![text, binary]
}

fn fragments(opcode: u8, payload: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut first = opcode;
    let mut rest = payload;
    for cut in cuts {
        let (piece, after) = rest.split_at(*cut % (rest.len() + 1));
        stream.extend(frame(first, piece));
        stream.extend(frame(0x89, b"p"));
        first = 0x00;
        rest = after;
    }
    stream.extend(frame(0x80 | first, rest));
    stream
}

proptest! {
    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut(
        messages in prop::collection::vec(message(), 0..5),
        sizes in prop::collection::vec(1..80usize, 1..6),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|(_, stream)| stream.clone()).collect();
        let expect: Vec<Seen> = messages.into_iter().map(|(seen, _)| seen).collect();
        let (seen, result) = read(&stream, &sizes);
        prop_assert_eq!(result, Ok(()));
        let seen: Vec<Seen> = seen
            .into_iter()
            .filter(|seen| *seen != Seen::Ping(b"p".to_vec()))
            .collect();
        prop_assert_eq!(seen, expect);
    }

    #[test]
    fn garbage_is_judged_alike_however_it_is_cut(
        stream in prop::collection::vec(
            prop_oneof![
                3 => any::<u8>(),
                2 => prop::sample::select(vec![0x81, 0x01, 0x80, 0x00, 0x88, 0x82, 0xFE]),
            ],
            0..200,
        ),
        sizes in prop::collection::vec(1..20usize, 1..6),
    ) {
        let (seen, result) = read(&stream, &sizes);
        let (whole, expect) = read(&stream, &[usize::MAX]);
        // A piece may show the mistake earlier than the whole, never later, and nothing differs
        // before it.
        prop_assert_eq!(result.is_err(), expect.is_err());
        prop_assert_eq!(&seen[..], &whole[..seen.len()]);
    }
}
