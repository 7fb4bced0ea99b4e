use super::*;
use crate::engine::Engine;
use crate::scenario::Merge as _;
use crate::scenario::message::Message;
use crate::template::Template;

/// Rooms of two members each, of whom none is connected: connections 0 and 1, and 2 and 3. Those who publish are others.
fn rooms(engine: &Engine) -> Rooms {
    let message = Message::bare(&Template::new("{seq}"));
    let rooms = [4, 5].map(|publisher| Room::new(publisher, message.clone()));
    let options = Options {
        outstanding: None,
        counted_bytes_min: 10,
        prompt_acks: true,
    };
    let mut rooms = Rooms::new(&engine.io, rooms.into(), &[None; 4], options);
    for (id, room) in [0, 0, 1, 1].into_iter().enumerate() {
        rooms.members[id].room = room;
        rooms.members_open += 1;
        rooms.rooms[room as usize].members += 1;
    }
    rooms
}

#[test]
fn a_message_is_complete_when_the_last_member_has_it() {
    let mut engine = Engine::new().unwrap();
    let mut rooms = rooms(&engine);
    rooms.record();
    for _ in 0..3 {
        rooms.send_next(&mut engine.io, clock::now());
    }
    // The first room has had two of them, and the second one.
    assert_eq!(rooms.under_way(), 3);
    for id in [0, 0, 1, 2] {
        rooms.message(id, 10);
    }
    assert_eq!((rooms.progress(), rooms.under_way()), (1, 2));
    rooms.message(1, 10);
    rooms.message(3, 10);
    assert_eq!((rooms.progress(), rooms.under_way()), (3, 0));
    rooms.stop_recording();
    // While the rate falls it is not measured any more.
    rooms.send_next(&mut engine.io, clock::now());
    for id in [2, 3] {
        rooms.message(id, 10);
    }
    rooms.end();
    assert_eq!((rooms.progress(), rooms.measured.deliveries), (4, 6));
    let outcome = rooms.outcome();
    assert_eq!((outcome.messages, outcome.unexpected), (3, 0));
    assert_eq!(outcome.latency_last.len(), 3);
}

#[test]
fn outcomes_of_several_processes_add_up() {
    let outcome = |number: u64| {
        let mut latency_last = Latencies::default();
        latency_last.record(Duration::from_millis(number));
        Outcome {
            messages: number,
            unexpected: 10 * number,
            reads: 100 * number,
            latency_last,
        }
    };
    let mut sum = outcome(1);
    sum.merge(outcome(2));
    assert_eq!((sum.messages, sum.unexpected, sum.reads), (3, 30, 300));
    assert_eq!(sum.latency_last.len(), 2);
}

#[test]
fn what_another_process_has_published_is_ahead_until_it_is_expected() {
    let engine = Engine::new().unwrap();
    let mut rooms = rooms(&engine);
    assert!(rooms.is_ahead(0, 10) && !rooms.is_ahead(0, 9) && !rooms.is_ahead(4, 10));
    rooms.expect(clock::now());
    assert!(!rooms.is_ahead(0, 10));
    rooms.message(0, 10);
    assert!(rooms.is_ahead(0, 10) && !rooms.is_ahead(1, 10));
    rooms.message(1, 10);
    assert_eq!((rooms.progress(), rooms.under_way()), (1, 0));
}

#[test]
fn short_messages_do_not_count_and_those_too_many_are_told_of() {
    let mut engine = Engine::new().unwrap();
    let mut rooms = rooms(&engine);
    rooms.send_next(&mut engine.io, clock::now());
    rooms.message(0, 9);
    rooms.message(4, 10);
    assert_eq!(rooms.counts.deliveries, 0);
    rooms.message(0, 10);
    rooms.message(0, 10);
    assert_eq!((rooms.counts.deliveries, rooms.counts.unexpected), (1, 1));
}

#[test]
fn nobody_waits_for_a_member_that_is_lost() {
    let mut engine = Engine::new().unwrap();
    let mut rooms = rooms(&engine);
    for _ in 0..4 {
        rooms.send_next(&mut engine.io, clock::now());
    }
    rooms.message(0, 10);
    rooms.message(0, 10);
    rooms.message(1, 10);
    rooms.lost(&mut engine.io, 1, &Loss::Reset);
    assert_eq!((rooms.progress(), rooms.members()), (2, 3));
    let now = clock::now();
    assert!(rooms.check(&mut engine.io, now).is_ok());
    rooms.lost(&mut engine.io, 5, &Loss::Reset);
    let error = rooms.check(&mut engine.io, now).unwrap_err().to_string();
    assert!(error.contains("publisher"), "{error}");
}
