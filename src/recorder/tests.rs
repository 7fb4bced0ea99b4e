use crate::{
    clock::Clock,
    id::Serial,
    message::{DeliveryClass, Message, MessageId, Sender},
    trace::{MILLION, WatchQuery},
};

use super::*;

const ALL: Settings = Settings {
    sample: MILLION,
    bytes_max: 1 << 20,
};

fn recorder(settings: Settings) -> Arc<Recorder> {
    let recorder = Recorder::new("gw.1".parse().unwrap(), Clock::start());
    recorder.set(settings);
    recorder
}

fn topic() -> Topic {
    "room:news".parse().unwrap()
}

fn message(number: u64) -> Message {
    let mut message = Message::new(topic(), "e", Bytes::from_static(b"\"secret\""));
    message.id = MessageId::Number(number);
    message
}

fn of_client(number: u64) -> Message {
    Message {
        sender: Some(Sender {
            user: None,
            session: "gw.1.7".parse().unwrap(),
        }),
        ..message(number)
    }
}

fn names(recorder: &Recorder, id: TraceId) -> Vec<String> {
    let steps = recorder.explain(id).steps;
    steps.iter().map(|step| step.name.to_string()).collect()
}

#[test]
fn nothing_is_wanted_before_anybody_says_so() {
    let recorder = recorder(Settings::default());
    assert!(recorder.follow(&message(1)).is_none());
    recorder.note_remembered(message(1).trace(), What::RepeatedId);
    assert!(!recorder.minds_sessions());
    assert_eq!(recorder.bytes(), 0);
}

#[test]
fn what_applications_say_and_what_is_kept_is_remembered_and_of_clients_a_share() {
    let recorder = recorder(Settings { sample: 0, ..ALL });
    let is_wanted = |message: &Message| recorder.follow(message).is_some();
    assert!(is_wanted(&message(1)));
    assert!(!is_wanted(&of_client(1)));
    let kept = Message {
        class: DeliveryClass::Durable,
        ..of_client(1)
    };
    assert!(is_wanted(&kept));
    recorder.set(Settings {
        sample: MILLION / 2,
        ..ALL
    });
    let wanted = (0..1000).filter(|number| is_wanted(&of_client(*number)));
    assert!((400..600).contains(&wanted.count()));
}

#[test]
fn steps_come_back_in_their_order_with_what_there_is_to_say() {
    let recorder = recorder(ALL);
    let message = message(5);
    recorder.note(&message, || What::published(&message));
    let session = Serial::new(0, 7);
    recorder.note(&message, || What::Queued { session });
    recorder.note_remembered(message.trace(), What::Confirmed { session });
    recorder.begin_life("gw.2".parse().unwrap());
    recorder.note(&message, || What::Written { session });
    let steps = recorder.explain(message.trace()).steps;
    assert_eq!(
        names(&recorder, message.trace()),
        ["published", "queued", "confirmed", "written"]
    );
    assert_eq!(steps[0].fact("topic"), Some("room:news"));
    assert_eq!(steps[0].fact("way"), Some("gateway"));
    // Each is of the life in which it happened.
    assert_eq!(steps[1].fact("session"), Some("gw.1.7"));
    assert_eq!(steps[3].fact("session"), Some("gw.2.7"));
    assert_eq!(names(&recorder, TraceId::of_text("other")), [""; 0]);
}

#[test]
fn the_oldest_steps_give_way_and_it_is_known_since_when_all_are_there() {
    let recorder = recorder(Settings {
        bytes_max: 64 * 1024,
        ..ALL
    });
    let began = recorder.since_ms();
    for number in 0..10_000 {
        let message = message(number);
        recorder.note(&message, || What::published(&message));
    }
    assert!(recorder.bytes() <= 64 * 1024);
    assert!(30 * 1024 < recorder.bytes(), "{}", recorder.bytes());
    assert_eq!(names(&recorder, message(0).trace()), [""; 0]);
    assert_eq!(names(&recorder, message(9_999).trace()), ["published"]);
    assert!(began <= recorder.explain(message(0).trace()).since_ms);
    let stats = &recorder.stats;
    assert_eq!(stats.steps.load(), 10_000);
    assert!((1..10_000).contains(&stats.overwritten.load()));
    recorder.set(Settings::default());
    assert_eq!(recorder.bytes(), 0);
    assert_eq!(stats.overwritten.load(), 10_000);
}

#[test]
fn a_mark_notes_one_fate() {
    let recorder = recorder(ALL);
    let traced = recorder.follow(&message(1));
    let group = Group::of(traced.iter()).unwrap();
    let mark = group.mark(Serial::new(0, 1));
    mark.queued();
    mark.end(Fate::Written);
    mark.end(Fate::Replaced);
    drop(mark);
    drop(group.mark(Serial::new(0, 2)));
    let trace = message(1).trace();
    assert_eq!(names(&recorder, trace), ["queued", "written", "dropped"]);
    assert!(Group::of([].iter()).is_none());
}

fn query(watch: u64) -> WatchQuery {
    WatchQuery {
        watch,
        topic: topic(),
        with_data: watch == 1,
    }
}

#[test]
fn who_follows_is_told_of_the_topic_and_its_sessions_and_of_nothing_else() {
    let recorder = recorder(Settings::default());
    assert_eq!(recorder.watch(&query(1)), Some(true));
    assert_eq!(recorder.watch(&query(1)), Some(false));
    let [member, stranger] = [1, 2].map(|count| Serial::new(0, count));
    recorder.cover(&topic(), [member].into_iter());
    let message = of_client(1);
    recorder.note(&message, || What::published(&message));
    for session in [member, stranger] {
        recorder.note(&message, || What::Queued { session });
        recorder.note_session(session, What::Entered { session }, &[]);
    }
    let mut other = of_client(2);
    other.topic = "room:other".parse().unwrap();
    recorder.note(&other, || What::published(&other));
    recorder.note(&other, || What::Queued { session: member });
    let tailed = recorder.fetch(1);
    let names: Vec<&str> = tailed
        .events
        .iter()
        .map(|event| &*event.step.name)
        .collect();
    assert_eq!(names, ["published", "queued", "entered", "queued"]);
    let numbers: Vec<u64> = tailed.events.iter().map(|event| event.number).collect();
    assert_eq!(numbers, [0, 1, 2, 3]);
    assert_eq!(tailed.events[0].step.fact("data"), Some("\"secret\""));
    assert_eq!(tailed.events[0].trace, message.trace());
    assert_eq!(tailed.sessions, 1);
    // They were told once, and are not remembered.
    assert_eq!(recorder.fetch(1).events, []);
    assert_eq!(recorder.bytes(), 0);
    recorder.uncover(None, member);
    recorder.note_session(member, What::Entered { session: member }, &[]);
    assert_eq!(recorder.fetch(1).events, []);
}

#[test]
fn what_messages_say_is_shown_to_whoever_asked_for_it_and_cut() {
    let recorder = recorder(Settings::default());
    for watch in [1, 2] {
        recorder.watch(&query(watch)).unwrap();
    }
    let session = Serial::new(0, 1);
    recorder.cover(&topic(), [session].into_iter());
    let text = "ä".repeat(500);
    let what = What::Received {
        session,
        bytes: text.len(),
    };
    recorder.note_session(session, what, text.as_bytes());
    let [shown, hidden] = [1, 2].map(|watch| {
        let event = recorder.fetch(watch).events.remove(0);
        event.step.fact("data").map(str::to_owned)
    });
    assert_eq!(shown, Some(format!("{}...", "ä".repeat(128))));
    assert_eq!(hidden, None);
}

#[test]
fn what_is_not_fetched_is_left_out_and_counted() {
    let recorder = recorder(Settings::default());
    recorder.watch(&query(1)).unwrap();
    for number in 0..1500 {
        let message = of_client(number);
        recorder.note(&message, || What::published(&message));
    }
    let first = recorder.fetch(1).events;
    assert_eq!(first[0].number, 500);
    assert_eq!(recorder.stats.left_out.load(), 500);
    let mut count = first.len();
    loop {
        let more = recorder.fetch(1).events.len();
        if more == 0 {
            break;
        }
        count += more;
    }
    assert_eq!(count, 1000);
}

#[test]
fn a_watch_ends_by_itself_and_there_are_so_many_at_a_time() {
    let recorder = recorder(Settings::default());
    let watch = |watch, now| recorder.watch_at(&query(watch), now);
    let now = recorder.clock.uptime();
    for number in 0..16 {
        assert_eq!(watch(number, now), Some(true));
    }
    assert_eq!(watch(16, now), None);
    assert_eq!(recorder.watches_at(now), 16);
    let now = now + WATCH_LEASE / 2;
    assert_eq!(watch(3, now), Some(false));
    let now = now + WATCH_LEASE / 2;
    assert_eq!(recorder.watches_at(now), 1);
    assert_eq!(watch(16, now), Some(true));
    assert_eq!(recorder.watches_at(now + WATCH_LEASE), 0);
    assert!(!recorder.is_watching());
    assert!(recorder.follow(&of_client(1)).is_none());
}
