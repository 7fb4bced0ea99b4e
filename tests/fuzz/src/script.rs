//! A conversation from the fuzzer's bytes, one step per line, and what must hold in each.
//!
//! The first line is the query of the upgrade. The first character of every other line says what
//! happens: `+` and a user, a grant; `-`, a denial; `!`, no answer; `~` and milliseconds, a wait; `#`,
//! a binary message; `=`, the return of the oldest call, and if anything follows, not as hoped for.
//! Anything else is a message as it stands.

use std::{collections::VecDeque, time::Duration};

use crate::{
    close::CloseForm,
    dialect::{
        Action, Actions, Answer, Call, Conversation, Dialect, Grant, Hello, Incoming, MethodFailure, Now,
        Outcome, Question, Request, ServiceOutcome, ServiceRefusal, ServiceRequest, im,
        live::{Effect, Reply},
    },
    frame::Frame,
    id::{Member, Person, Serial, SessionId},
    message::{DeliveryClass, Message},
    record::{Chat, Content, Record, RecordId, TEXT_UNITS_MAX},
    topic::TopicKind,
};

/// A day is longer than any deadline.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A heartbeat of some seconds beats more often in it than is worth watching.
const TICKS_MAX: usize = 100;

/// Plays `script` to a conversation of `dialect`.
///
/// # Panics
///
/// When what every dialect promises does not hold.
pub fn play(dialect: &dyn Dialect, script: &[u8]) {
    play_at(dialect, "/im/token", script);
}

/// The same at a path.
///
/// # Panics
///
/// As [`play`].
pub fn play_at(dialect: &dyn Dialect, path: &str, script: &[u8]) {
    let mut lines = script.split(|byte| *byte == b'\n');
    let query = lines.next().unwrap_or_default();
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let Some(mut stage) = Stage::open(dialect, path, query) else {
        return;
    };
    for line in lines {
        if stage.closed {
            return;
        }
        stage.step(line);
    }
}

struct Stage<'a> {
    dialect: &'a dyn Dialect,
    conversation: Box<dyn Conversation>,
    now: Now,
    authenticated: bool,
    /// A question waits for its answer; no message is fed in before.
    asked: bool,
    /// Under way.
    calls: VecDeque<Call>,
    closed: bool,
}

impl<'a> Stage<'a> {
    fn open(dialect: &'a dyn Dialect, path: &str, query: &str) -> Option<Self> {
        let now = Now {
            uptime: Duration::from_secs(1000),
            unix_ms: 1_628_160_000_000,
        };
        let session = SessionId {
            member: Member::new(&"gw".parse().ok()?, 1),
            serial: Serial::new(0, 2),
        };
        let hello = Hello {
            session: &session,
            path,
            query,
            remote: [127, 0, 0, 1].into(),
            now,
        };
        let mut stage = Self {
            dialect,
            conversation: dialect.accept(&hello).ok()?,
            now,
            authenticated: false,
            asked: false,
            calls: VecDeque::new(),
            closed: false,
        };
        stage.act(|conversation, now, out| conversation.open(now, out));
        Some(stage)
    }

    fn step(&mut self, line: &[u8]) {
        match line {
            [b'+', user @ ..] if self.asked => self.answer(Answer::Granted(Grant {
                user: text(user).parse().ok(),
                publish: vec!["user:*".into(), "room:device/*".into()],
                devices: vec!["9".into()],
                role: Some("agent".into()),
                ..Grant::default()
            })),
            [b'-', ..] if self.asked => self.answer(Answer::denied("no")),
            [b'!', ..] if self.asked => self.answer(Answer::Unavailable),
            [b'~', ms @ ..] => {
                let ms = text(ms).parse().unwrap_or_default();
                self.wait(Duration::from_millis(ms).min(WAIT_MAX));
            }
            [b'=', fault @ ..] => self.returned(fault.is_empty()),
            _ if self.asked => {}
            [b'#', bytes @ ..] => self.receive(Incoming::Binary(bytes)),
            bytes => self.receive(match std::str::from_utf8(bytes) {
                Ok(text) => Incoming::Text(text),
                Err(_) => Incoming::Binary(bytes),
            }),
        }
    }

    fn receive(&mut self, message: Incoming<'_>) {
        self.act(|conversation, now, out| conversation.receive(message, now, out));
    }

    fn answer(&mut self, answer: Answer) {
        self.asked = false;
        self.act(|conversation, now, out| conversation.answered(answer, now, out));
    }

    /// Has the oldest call return.
    fn returned(&mut self, is_well: bool) {
        let Some(Call { reference, request }) = self.calls.pop_front() else {
            return;
        };
        let outcome = match (request, is_well) {
            (Request::Chat(_), false) => Outcome::NotFriends,
            (Request::Chat(_), true) => Outcome::Kept { time_ms: 1 },
            (Request::History(_), true) => Outcome::History(vec![record()]),
            (Request::Live(call), true) => Outcome::Live(vec![
                Effect::Reply(Reply::plain(200, "success", "well").with("[1]")),
                Effect::Then(call),
            ]),
            (Request::Live(_), false) => Outcome::Live(Vec::new()),
            (Request::Locate(_), false) => Outcome::NoCourier,
            (Request::Locate(_), true) => Outcome::Located,
            (Request::Online(_), is_online) => Outcome::Online(is_online),
            (Request::Service(_), true) => Outcome::Service(ServiceOutcome::Done),
            (Request::Service(_), false) => {
                Outcome::Service(ServiceOutcome::Refused(ServiceRefusal::TooMany))
            }
            (Request::Method(_), true) => Outcome::Answered(b"[1]".as_slice().into()),
            (Request::Method(_), false) => Outcome::NotAnswered(MethodFailure::Timeout),
            (Request::TakeOrder(_), true) => Outcome::Taken { customer: person() },
            (Request::History(_) | Request::TakeOrder(_), false) => Outcome::Unavailable,
        };
        self.act(|conversation, now, out| conversation.returned(&reference, outcome, now, out));
    }

    /// Lets time pass, with a tick at each deadline, as a session does.
    fn wait(&mut self, time: Duration) {
        let end = self.now.uptime + time;
        for _ in 0..TICKS_MAX {
            let Some(deadline) = self.conversation.deadline() else {
                break;
            };
            if self.closed || end < deadline {
                break;
            }
            self.advance(deadline);
            self.act(|conversation, now, out| conversation.tick(now, out));
            let next = self.conversation.deadline();
            assert!(
                next.is_none_or(|next| deadline < next),
                "a tick did nothing"
            );
        }
        self.advance(end);
    }

    fn advance(&mut self, to: Duration) {
        let step = to.saturating_sub(self.now.uptime);
        self.now.uptime += step;
        self.now.unix_ms += step.as_millis() as u64;
    }

    fn act(&mut self, act: impl FnOnce(&mut dyn Conversation, Now, &mut Actions)) {
        let mut out = Actions::default();
        act(&mut *self.conversation, self.now, &mut out);
        while let Some(action) = out.take_next() {
            // Nobody decides about those who are known: they come in.
            if matches!(action, Action::Ask(Question::Connect { .. })) {
                let answer = Answer::Granted(Grant::default());
                self.conversation.answered(answer, self.now, &mut out);
                continue;
            }
            self.check(&action);
            if let Action::Subscribe(topic) = &action
                && topic.kind() == TopicKind::Room
            {
                self.conversation.moved(topic, true);
            }
        }
    }

    /// What holds for every dialect.
    fn check(&mut self, action: &Action) {
        assert!(!self.closed, "an action follows the end: {action:?}");
        match action {
            Action::Ask(_) => {
                assert!(!self.asked, "asked again before the answer");
                self.asked = true;
            }
            Action::Authenticate(_) | Action::Enter => {
                assert!(!self.authenticated, "authenticated twice");
                self.authenticated = true;
            }
            Action::Call(call) => {
                assert!(self.authenticated, "{action:?} before authentication");
                self.check_call(call);
                self.calls.push_back(call.clone());
            }
            Action::Claim(_) | Action::Subscribe(_) => {
                assert!(self.authenticated, "{action:?} before authentication");
            }
            Action::Close(reason) => {
                self.closed = true;
                if let CloseForm::Code(code) = self.dialect.close_form(*reason) {
                    assert!((1000..5000).contains(&code), "{reason:?} is {code}");
                }
            }
            Action::Publish(message) => {
                assert!(self.authenticated, "published before authentication");
                self.check_published(message);
            }
            Action::Reply(frame) => check_text(frame),
            Action::Unsubscribe(_) => {}
        }
    }

    /// What is kept can be kept, and what reaches others can be read by them.
    fn check_call(&self, call: &Call) {
        match &call.request {
            Request::Chat(draft) => {
                assert!(draft.msg.encode_utf16().count() <= TEXT_UNITS_MAX);
                let message = im::chat_message(person(), draft, RecordId::at(self.now.unix_ms));
                self.check_published(&message);
                let relay = message.relay.expect("it is relayed");
                let packet = serde_json::from_slice::<serde_json::Value>(&relay.text);
                assert!(packet.is_ok(), "relayed text is no JSON: {draft:?}");
            }
            Request::Locate(position) => {
                assert!(position.longitude.abs() <= 180.0 && position.latitude.abs() <= 85.06);
            }
            Request::Live(call) => {
                let body = serde_json::from_slice::<serde::de::IgnoredAny>(&call.request);
                assert!(body.is_ok(), "a controller would be given no JSON: {call:?}");
            }
            Request::Method(call) => {
                let body = serde_json::from_slice::<serde::de::IgnoredAny>(&call.body);
                assert!(body.is_ok(), "a service would be sent no JSON: {call:?}");
            }
            Request::Service(ServiceRequest::Ask { data, .. }) => {
                let data = serde_json::from_slice::<serde::de::IgnoredAny>(data);
                assert!(data.is_ok(), "an agent would be sent no JSON: {call:?}");
            }
            Request::Service(_) => {}
            Request::History(_) | Request::Online(_) | Request::TakeOrder(_) => {}
        }
    }

    fn check_published(&self, message: &Message) {
        let data = serde_json::from_slice::<serde::de::IgnoredAny>(&message.data);
        assert!(data.is_ok(), "published data is no JSON: {message:?}");
        let is_latest = message.class == DeliveryClass::Latest;
        assert_eq!(message.conflate.is_some(), is_latest, "{message:?}");
        check_text(&self.dialect.encode(message));
    }
}

/// A whole text frame with UTF-8 in it.
fn check_text(frame: &Frame) {
    let bytes = frame.bytes();
    assert_eq!(bytes[0], 0x81, "not a whole text frame");
    let header = match bytes[1] {
        126 => 4,
        127 => 10,
        short => {
            assert!(short < 126, "masked");
            2
        }
    };
    assert!(std::str::from_utf8(&bytes[header..]).is_ok(), "not UTF-8");
}

fn person() -> Person {
    Person::new(7).expect("it is a user")
}

fn record() -> Record {
    Record {
        id: RecordId::at(1),
        time_ms: 1,
        content: Content::Chat(Chat {
            from: person(),
            to: person(),
            kind: 't',
            msg: "\"".into(),
            packet_id: None,
            is_online: true,
        }),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
