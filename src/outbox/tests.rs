use proptest::prelude::*;

use super::*;

fn entry(text: &str) -> Entry {
    Entry {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        frames: 1,
        since: 0,
        key: None,
        mark: None,
    }
}

fn keyed(text: &str, key: &str) -> Entry {
    Entry {
        key: Some(ConflationKey::new(&[key.as_bytes()])),
        ..entry(text)
    }
}

fn waiting(outbox: &Outbox) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 256];
    let filled = outbox.slices(&mut slices, usize::MAX);
    slices[..filled]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect()
}

#[track_caller]
fn check(outbox: &Outbox, expect: &[u8]) {
    assert_eq!(
        String::from_utf8_lossy(&waiting(outbox)),
        String::from_utf8_lossy(expect)
    );
}

#[test]
fn entries_leave_in_order() {
    let mut outbox = Outbox::default();
    for text in ["a", "b", "c"] {
        assert_eq!(outbox.push(entry(text), 1000), Pushed::Queued);
    }
    check(&outbox, b"abc");
    assert_eq!(
        outbox.advance(2),
        Advanced {
            frames: 2,
            bytes: 2
        }
    );
    check(&outbox, b"c");
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut outbox = Outbox::default();
    let bytes_max = 8 + ENTRY_COST;
    assert_eq!(outbox.push(entry("12345"), bytes_max), Pushed::Queued);
    assert_eq!(outbox.push(entry("6789"), bytes_max), Pushed::Overflow);
    assert_eq!(outbox.push(entry("678"), bytes_max), Pushed::Queued);
    check(&outbox, b"12345678");
}

#[test]
fn tiny_entries_are_charged_what_they_keep() {
    let mut outbox = Outbox::default();
    let queued =
        (0..100_000).take_while(|_| outbox.push(entry("pong"), 256 * 1024) == Pushed::Queued);
    assert!(queued.count() < 1400);
}

#[test]
fn the_latest_takes_the_place_of_the_waiting_one_with_its_key() {
    let mut outbox = Outbox::default();
    outbox.push(keyed("a1", "a"), 1000);
    outbox.push(keyed("b1", "b"), 1000);
    outbox.push(entry("x"), 1000);
    assert_eq!(outbox.push(keyed("a2!", "a"), 1000), Pushed::Conflated);
    check(&outbox, b"a2!b1x");
    assert_eq!(outbox.bytes(), 6 + 2 * ENTRY_COST);
}

#[test]
fn a_partly_written_entry_is_never_replaced() {
    let mut outbox = Outbox::default();
    outbox.push(keyed("a1", "a"), 1000);
    outbox.advance(1);
    assert_eq!(outbox.push(keyed("a2", "a"), 1000), Pushed::Queued);
    check(&outbox, b"1a2");
}

#[test]
fn controls_go_next_after_the_entry_that_is_partly_written() {
    let mut outbox = Outbox::default();
    outbox.push(entry("abc"), 1000);
    outbox.push(entry("def"), 1000);
    outbox.advance(1);
    outbox.push_control(Frame::pong(b"!"));
    check(&outbox, b"bc\x8a\x01!def");
    outbox.advance(4);
    check(&outbox, b"!def");
}

#[test]
fn a_flood_of_pings_is_answered_up_to_a_bound_with_the_newest() {
    let mut outbox = Outbox::default();
    for index in 0..1000u16 {
        outbox.push_control(Frame::pong(&index.to_be_bytes()));
    }
    let bytes = waiting(&outbox);
    assert_eq!(bytes.len(), CONTROLS_MAX * 4);
    assert_eq!(bytes[bytes.len() - 2..], 999u16.to_be_bytes());
}

#[test]
fn a_close_follows_what_was_queued() {
    let mut outbox = Outbox::default();
    outbox.push(entry("a"), 1000);
    assert!(outbox.close(CloseReason::Draining, CloseForm::Empty));
    assert!(!outbox.close(CloseReason::Kicked, CloseForm::Empty));
    assert_eq!(outbox.closed(), Some(CloseReason::Draining));
    assert_eq!(outbox.push(entry("b"), 1000), Pushed::Closed);
    check(&outbox, b"a\x88\x00");
    assert!(!outbox.is_finished());
    outbox.advance(3);
    assert!(outbox.is_finished());
}

#[test]
fn a_slow_consumer_gets_the_rest_of_its_frame_and_the_close() {
    let mut outbox = Outbox::default();
    outbox.push(entry("abc"), 1000);
    outbox.push(entry("def"), 1000);
    outbox.advance(1);
    outbox.close(CloseReason::SlowConsumer, CloseForm::Empty);
    check(&outbox, b"bc\x88\x00");
    assert_eq!(outbox.bytes(), 2);
}

#[test]
fn a_slow_consumer_without_frame_is_finished_at_once() {
    let mut outbox = Outbox::default();
    outbox.push(entry("a"), 1000);
    outbox.push(entry("b"), 1000);
    outbox.close(CloseReason::SlowConsumer, CloseForm::None);
    assert!(outbox.is_finished());
}

#[test]
fn a_close_without_frame_is_finished_when_the_queue_is_empty() {
    let mut outbox = Outbox::default();
    outbox.push(entry("a"), 1000);
    outbox.close(CloseReason::Violation, CloseForm::None);
    assert!(!outbox.is_finished());
    outbox.advance(1);
    assert!(outbox.is_finished());
}

#[test]
fn controls_that_are_partly_written_are_no_waiting_data() {
    let mut outbox = Outbox::default();
    outbox.push_control(Frame::pong(b"ping"));
    outbox.advance(3);
    outbox.close(CloseReason::SlowConsumer, CloseForm::Empty);
    assert_eq!(outbox.bytes(), 0);
    check(&outbox, b"ing\x88\x00");
}

#[test]
fn a_burst_gives_its_memory_back() {
    let mut outbox = Outbox::default();
    for _ in 0..1000 {
        outbox.push(entry("x"), 1_000_000);
    }
    outbox.advance(1000);
    assert!(outbox.backlog.is_none());
}

/// What is done to an outbox, for the comparison with a model.
#[derive(Clone, Debug)]
enum Step {
    Push(u8),
    Keyed(u8, u8),
    Control(u8),
    Write(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..20u8).prop_map(Step::Push),
        (1..20u8, 0..3u8).prop_map(|(length, key)| Step::Keyed(length, key)),
        (0..20u8).prop_map(Step::Control),
        (0..60usize).prop_map(Step::Write),
    ]
}

proptest! {
    /// Bytes leave whole and in order, whatever the socket takes at a time; the account is exact.
    #[test]
    fn every_byte_leaves_once_and_in_order(steps in prop::collection::vec(step(), 0..200)) {
        let mut outbox = Outbox::default();
        let mut number = 0u32;
        let mut written = Vec::new();
        for step in steps {
            match step {
                Step::Push(length) => {
                    number += 1;
                    outbox.push(unit(number, length, None), 5000);
                }
                Step::Keyed(length, key) => {
                    number += 1;
                    outbox.push(unit(number, length, Some(key)), 5000);
                }
                Step::Control(length) => {
                    outbox.push_control(Frame::pong(&vec![0; usize::from(length)]));
                }
                Step::Write(bytes) => {
                    let all = waiting(&outbox);
                    let bytes = bytes.min(all.len());
                    written.extend_from_slice(&all[..bytes]);
                    outbox.advance(bytes);
                }
            }
            prop_assert!(outbox.bytes() <= 5000);
        }
        let rest = waiting(&outbox);
        written.extend_from_slice(&rest);
        outbox.advance(rest.len());
        prop_assert_eq!(outbox.bytes(), 0);
        prop_assert!(outbox.is_empty());
        check_units(&written);
    }
}

/// A frame that says its own length, number and key, so that a stream of them can be checked.
fn unit(number: u32, length: u8, key: Option<u8>) -> Entry {
    let mut payload = number.to_be_bytes().to_vec();
    payload.push(key.map_or(255, |key| key));
    payload.resize(5 + usize::from(length), 0);
    Entry {
        bytes: Frame::binary(&payload).into_bytes(),
        frames: 1,
        since: 0,
        mark: None,
        key: key.map(|key| ConflationKey::new(&[&[key]])),
    }
}

fn check_units(mut stream: &[u8]) {
    let mut unkeyed = 0;
    let mut newest = [0; 256];
    while !stream.is_empty() {
        let length = usize::from(stream[1]);
        let (frame, rest) = stream.split_at(2 + length);
        stream = rest;
        if frame[0] == 0x8A {
            continue;
        }
        assert_eq!(frame[0], 0x82, "a frame begins where the one before ends");
        let number = u32::from_be_bytes(frame[2..6].try_into().unwrap());
        let key = usize::from(frame[6]);
        assert!(newest[key] < number, "newer ones of a key come later");
        newest[key] = number;
        if key == 255 {
            assert!(unkeyed < number);
            unkeyed = number;
        }
    }
}
