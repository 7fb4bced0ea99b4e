use proptest::prelude::*;

use super::*;

#[derive(Debug, Default, Eq, PartialEq)]
struct Seen {
    messages: Vec<Vec<u8>>,
    lengths: Vec<u64>,
    controls: Vec<(u8, Vec<u8>)>,
    current: Vec<u8>,
}

impl Sink for Seen {
    fn payload(&mut self, chunk: &[u8]) {
        self.current.extend_from_slice(chunk);
    }

    fn message(&mut self, bytes: u64) {
        self.messages.push(std::mem::take(&mut self.current));
        self.lengths.push(bytes);
    }

    fn control(&mut self, opcode: u8, payload: &[u8]) {
        self.controls.push((opcode, payload.to_vec()));
    }
}

fn scan_all(pieces: &[&[u8]]) -> Result<Seen, FrameError> {
    let mut scanner = Scanner::default();
    let mut seen = Seen::default();
    for piece in pieces {
        scanner.scan(piece, &mut seen)?;
    }
    assert!(scanner.is_at_boundary());
    Ok(seen)
}

fn check_error(bytes: &[u8], expected: &FrameError) {
    let mut scanner = Scanner::default();
    assert_eq!(
        scanner.scan(bytes, &mut Seen::default()).as_ref(),
        Err(expected)
    );
}

#[test]
fn lengths_of_every_header_size_are_read() {
    for length in [0_usize, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let mut stream = Vec::new();
        encode_server(&mut stream, opcode::TEXT, &vec![b'x'; length]);
        encode_server(&mut stream, opcode::TEXT, b"end");
        let seen = scan_all(&[&stream]).unwrap();
        assert_eq!(seen.lengths, [length as u64, 3]);
    }
}

#[test]
fn a_stream_cut_at_every_byte_gives_the_same_messages() {
    let mut stream = Vec::new();
    encode_server(&mut stream, opcode::TEXT, &[b'a'; 130]);
    encode_server(&mut stream, opcode::PING, b"now");
    encode_server(&mut stream, opcode::BINARY, b"");
    let whole = scan_all(&[&stream]).unwrap();
    for at in 0..stream.len() {
        let (head, tail) = stream.split_at(at);
        assert_eq!(scan_all(&[head, tail]).unwrap(), whole);
    }
    let bytes: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(scan_all(&bytes).unwrap(), whole);
}

#[test]
fn fragments_are_one_message_and_controls_may_come_between() {
    let mut stream = vec![opcode::TEXT, 3, b'a', b'b', b'c'];
    encode_server(&mut stream, opcode::PING, b"?");
    stream.extend_from_slice(&[FIN | opcode::CONTINUATION, 2, b'd', b'e']);
    let seen = scan_all(&[&stream]).unwrap();
    assert_eq!(seen.messages, [b"abcde".to_vec()]);
    assert_eq!(seen.lengths, [5]);
    assert_eq!(seen.controls, [(opcode::PING, b"?".to_vec())]);
}

#[test]
fn what_the_protocol_forbids_is_refused() {
    check_error(&[FIN | opcode::TEXT, MASKED | 1], &FrameError::Masked);
    check_error(&[FIN | opcode::TEXT | 0x40, 1], &FrameError::Reserved(0xC1));
    check_error(&[FIN | 0x3, 0], &FrameError::Opcode(3));
    check_error(&[opcode::PING, 0], &FrameError::Control);
    check_error(&[FIN | opcode::PING, 126, 0, 126], &FrameError::Control);
    check_error(&[FIN | opcode::CONTINUATION, 0], &FrameError::Fragment);
    check_error(
        &[opcode::TEXT, 0, FIN | opcode::TEXT, 0],
        &FrameError::Fragment,
    );
}

#[test]
fn client_frames_are_masked() {
    let mut frame = Vec::new();
    encode_client(&mut frame, opcode::TEXT, b"hello");
    assert_eq!(frame[..2], [FIN | opcode::TEXT, MASKED | 5]);
    assert_eq!(frame[2..6], MASK_KEY);
    let clear: Vec<u8> = frame[6..]
        .iter()
        .zip(MASK_KEY.iter().cycle())
        .map(|(byte, key)| byte ^ key)
        .collect();
    assert_eq!(clear, b"hello");
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_messages(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..12),
        cuts in prop::collection::vec(1_usize..200, 1..60),
    ) {
        let mut stream = Vec::new();
        for payload in &payloads {
            encode_server(&mut stream, opcode::BINARY, payload);
        }
        let mut pieces = Vec::new();
        let mut rest = &stream[..];
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(scan_all(&pieces).unwrap().messages, payloads);
    }

    #[test]
    fn no_input_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let _ = Scanner::default().scan(&bytes, &mut Seen::default());
    }
}
