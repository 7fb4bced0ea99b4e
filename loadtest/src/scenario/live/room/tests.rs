use std::time::Duration;

use super::*;
use crate::engine::Engine;

fn broadcast(room: &mut Room, phone: usize) {
    let text = br#"{"status":200,"event":"userSayBroadcast","info":"","param":{}}"#;
    room.payload(phone, text);
    room.message(phone, text.len() as u64);
}

fn show(room: &mut Room, say: &str) {
    let word = format!(
        r#"{{"status":200,"event":"userSayNeedCheck","info":"","param":{{"id":"ab","nickname":"n","say":"{say}"}}}}"#
    );
    let (head, tail) = word.as_bytes().split_at(50);
    room.payload(0, head);
    room.payload(0, tail);
    room.message(0, word.len() as u64);
}

#[test]
fn a_word_is_heard_when_the_last_phone_has_it() {
    let mut engine = Engine::new().unwrap();
    let mut room = Room::new(0, (3, 1), None, &Meter::default());
    room.record();
    room.send_next(&mut engine.io, clock::now());
    let word = Word {
        process: 0,
        due: nanoseconds_of(clock::now()),
    };
    show(&mut room, &word.text());
    assert_eq!(room.to_approve, [("ab".to_owned(), word)]);
    room.approve(&mut engine.io).unwrap();
    broadcast(&mut room, 1);
    assert_eq!((room.under_way(), room.spread().reached.len()), (1, 0));
    assert!(!room.has_heard_all().unwrap());
    broadcast(&mut room, 2);
    // Nobody has approved it.
    broadcast(&mut room, 2);
    let spread = room.spread();
    assert_eq!((room.under_way(), spread.reached.len()), (0, 1));
    assert_eq!(spread.sent[0].0, word.due);
    assert!(spread.recorded.start <= word.due && word.due <= spread.reached[0]);
    assert_eq!((room.counts.shown, room.counts.heard), (1, 2));
}

#[test]
fn words_of_other_runs_are_passed_over() {
    let mut room = Room::new(0, (3, 1), None, &Meter::default());
    let later = clock::now() + Duration::from_secs(60);
    for due in [room.began - 1, nanoseconds_of(later)] {
        show(&mut room, &format!("0 {due}"));
    }
    show(&mut room, "7");
    assert_eq!((room.counts.shown, room.to_approve.len()), (0, 0));
}

#[test]
fn refusals_are_counted() {
    let mut room = Room::new(0, (2, 1), None, &Meter::default());
    for (id, text) in [
        (
            0,
            &br#"{"status":403,"event":"mustBeWall","info":"","param":null}"#[..],
        ),
        (1, br#"{"status":500,"event":"controllerError","info":""}"#),
    ] {
        room.payload(id, text);
        room.message(id, 1);
    }
    assert_eq!((room.counts.refused, room.missing()), (2, 2));
}
