//! What tests of dialects share: a conversation that is fed by hand, and actions as text.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    Action, Actions, Answer, Conversation, Dialect, Grant, Hello, Incoming, Now, Outcome, Question,
};
use crate::{
    frame::Frame,
    id::{Member, Serial, SessionId, UserId},
    message::{DeliveryClass, Message},
    topic::{Topic, TopicKind},
};

/// 2021-08-05T10:40:00Z, the sample time of a document.
pub(crate) const UNIX_MS: u64 = 1_628_160_000_000;

/// A conversation under test, with a clock of its own.
pub(crate) struct Client {
    conversation: Box<dyn Conversation>,
    now: Now,
    /// Whether somebody decides about clients who are known; else everybody comes in.
    has_gate: bool,
}

/// Something that happens to a conversation.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Text(String),
    Binary(Vec<u8>),
    Answer(Answer),
    Wait(u64),
}

/// The id of every session under test: `gw.1.2`.
pub(crate) fn session() -> SessionId {
    SessionId {
        member: Member::new(&"gw".parse().unwrap(), 1),
        serial: Serial::new(0, 2),
    }
}

impl Client {
    /// A client whose upgrade is through, and what that did.
    pub(crate) fn open(dialect: &dyn Dialect, query: &str) -> (Self, Vec<Action>) {
        Self::open_at(dialect, "/", query)
    }

    /// The same at a path.
    pub(crate) fn open_at(dialect: &dyn Dialect, path: &str, query: &str) -> (Self, Vec<Action>) {
        Self::begin(dialect, path, query, false)
    }

    /// A client about whom somebody decides when it is known.
    pub(crate) fn gated(dialect: &dyn Dialect, query: &str) -> (Self, Vec<Action>) {
        Self::gated_at(dialect, "/", query)
    }

    /// The same at a path.
    pub(crate) fn gated_at(dialect: &dyn Dialect, path: &str, query: &str) -> (Self, Vec<Action>) {
        Self::begin(dialect, path, query, true)
    }

    fn begin(
        dialect: &dyn Dialect,
        path: &str,
        query: &str,
        has_gate: bool,
    ) -> (Self, Vec<Action>) {
        let now = Now {
            uptime: Duration::from_secs(1000),
            unix_ms: UNIX_MS,
        };
        let hello = Hello {
            session: &session(),
            path,
            query,
            remote: [127, 0, 0, 1].into(),
            now,
        };
        let conversation = dialect.accept(&hello).expect("the upgrade is accepted");
        let mut client = Self {
            conversation,
            now,
            has_gate,
        };
        let actions = client.act(|conversation, now, out| conversation.open(now, out));
        (client, actions)
    }

    /// Lets a test answer whether the client comes in.
    pub(crate) fn with_gate(mut self) -> Self {
        self.has_gate = true;
        self
    }

    pub(crate) fn text(&mut self, text: &str) -> Vec<Action> {
        self.act(|conversation, now, out| conversation.receive(Incoming::Text(text), now, out))
    }

    pub(crate) fn binary(&mut self, bytes: &[u8]) -> Vec<Action> {
        self.act(|conversation, now, out| conversation.receive(Incoming::Binary(bytes), now, out))
    }

    pub(crate) fn answer(&mut self, answer: Answer) -> Vec<Action> {
        self.act(|conversation, now, out| conversation.answered(answer, now, out))
    }

    /// Has a call return.
    pub(crate) fn returned(&mut self, reference: &str, outcome: Outcome) -> Vec<Action> {
        self.act(|conversation, now, out| conversation.returned(reference, outcome, now, out))
    }

    /// Has a subscription refused, since there are too many.
    pub(crate) fn overfull(&mut self) -> Vec<Action> {
        self.act(|conversation, now, out| conversation.overfull(now, out))
    }

    /// Has the session come to a topic, or leave it.
    pub(crate) fn moved(&mut self, topic: &Topic, is_in: bool) {
        if topic.kind() == TopicKind::Room {
            self.conversation.moved(topic, is_in);
        }
    }

    /// Lets time pass, calling `tick` at each deadline as a session does.
    pub(crate) fn wait(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now.uptime + time;
        let mut actions = Vec::new();
        while let Some(deadline) = self.conversation.deadline()
            && deadline <= end
        {
            self.advance(deadline.saturating_sub(self.now.uptime));
            actions.extend(self.tick());
            let next = self.conversation.deadline();
            assert!(next.is_none_or(|next| deadline < next), "tick did nothing");
        }
        self.advance(end - self.now.uptime);
        actions
    }

    /// Calls `tick` now, which may be early.
    pub(crate) fn tick(&mut self) -> Vec<Action> {
        self.act(|conversation, now, out| conversation.tick(now, out))
    }

    pub(crate) fn step(&mut self, step: Step) -> Vec<Action> {
        match step {
            Step::Text(text) => self.text(&text),
            Step::Binary(bytes) => self.binary(&bytes),
            Step::Answer(answer) => self.answer(answer),
            Step::Wait(ms) => self.wait(Duration::from_millis(ms)),
        }
    }

    fn advance(&mut self, time: Duration) {
        self.now.uptime += time;
        self.now.unix_ms += time.as_millis() as u64;
    }

    fn act(&mut self, act: impl FnOnce(&mut dyn Conversation, Now, &mut Actions)) -> Vec<Action> {
        let mut out = Actions::default();
        act(&mut *self.conversation, self.now, &mut out);
        let mut actions = Vec::new();
        while let Some(action) = out.take_next() {
            match action {
                Action::Ask(Question::Connect { .. }) if !self.has_gate => {
                    let answer = Answer::Granted(Grant::default());
                    self.conversation.answered(answer, self.now, &mut out);
                }
                Action::Subscribe(topic) => {
                    self.moved(&topic, true);
                    actions.push(Action::Subscribe(topic));
                }
                action => actions.push(action),
            }
        }
        actions
    }
}

/// The actions, one per line.
pub(crate) fn lines(actions: &[Action]) -> String {
    let lines: Vec<_> = actions.iter().map(line).collect();
    lines.join("\n")
}

fn line(action: &Action) -> String {
    match action {
        Action::Ask(Question::Login { token, client_id }) => {
            format!("ask {token} {}", client_id.as_deref().unwrap_or("-"))
        }
        Action::Ask(Question::Connect {
            user,
            client_id,
            is_proven,
        }) => {
            let client_id = client_id.as_deref().unwrap_or("-");
            let proven = if *is_proven { "proven" } else { "claimed" };
            let user = user.as_ref().map_or("-", UserId::as_str);
            format!("may {user} {client_id} {proven}")
        }
        Action::Ask(Question::Join { room, user }) => {
            let user = user.as_ref();
            let user = user.map_or(String::new(), |user| format!(" as {}", user.as_str()));
            format!("join {}{user}", room.as_str())
        }
        Action::Call(call) => format!("call {} {:?}", call.reference, call.request),
        Action::Authenticate(user) => format!("authenticate {}", user.as_str()),
        Action::Claim(claim) => format!("claim {}", claim.0),
        Action::Close(reason) => format!("close {}", reason.label()),
        Action::Enter => "enter".to_owned(),
        Action::Publish(message) => publish_line(message),
        Action::Reply(frame) => format!("reply {}", payload(frame)),
        Action::Subscribe(topic) => format!("subscribe {}", topic.as_str()),
        Action::Unsubscribe(topic) => format!("unsubscribe {}", topic.as_str()),
    }
}

fn publish_line(message: &Message) -> String {
    assert_eq!(
        message.conflate.is_some(),
        message.class == DeliveryClass::Latest
    );
    let class = match message.class {
        DeliveryClass::Ephemeral => "",
        DeliveryClass::Latest => " latest",
        DeliveryClass::Durable => " durable",
    };
    let retain = message
        .retain
        .map_or(String::new(), |time| format!(" retain {}s", time.as_secs()));
    let spares = if message.spares_sender {
        " sparing"
    } else {
        ""
    };
    let except = message.except.iter().flat_map(|except| except.iter());
    let except: String = except.map(|id| format!(" except {id}")).collect();
    format!(
        "publish {} {}{class}{retain}{spares}{except} {}",
        message.topic.as_str(),
        message.event,
        String::from_utf8_lossy(&message.data)
    )
}

/// The payload of a text frame.
pub(crate) fn payload(frame: &Frame) -> String {
    let bytes = frame.bytes();
    assert_eq!(bytes[0], 0x81, "a whole text frame");
    let header = match bytes[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    String::from_utf8(bytes[header..].to_vec()).unwrap()
}

/// Checks what holds for every dialect: nothing follows a Close, and nobody publishes or
/// subscribes, nor is authenticated twice, before being authenticated.
pub(crate) fn check_order(actions: &[Action]) {
    let mut authenticated = false;
    let mut closed = false;
    for action in actions {
        assert!(!closed, "an action follows the end: {action:?}");
        match action {
            Action::Authenticate(_) | Action::Enter => {
                assert!(!authenticated, "authenticated twice");
                authenticated = true;
            }
            Action::Call(_) | Action::Claim(_) | Action::Publish(_) | Action::Subscribe(_) => {
                assert!(authenticated, "{action:?} before authentication");
            }
            Action::Close(_) => closed = true,
            Action::Ask(_) | Action::Reply(_) | Action::Unsubscribe(_) => {}
        }
    }
}

/// Steps that speak the dialect badly: `text` beside noise, answers and waiting.
pub(crate) fn steps(
    text: impl Strategy<Value = String> + 'static,
) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => text.prop_map(Step::Text),
        1 => any::<String>().prop_map(Step::Text),
        1 => any::<Vec<u8>>().prop_map(Step::Binary),
        2 => answer().prop_map(Step::Answer),
        1 => (0..60_000u64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..24)
}

fn answer() -> impl Strategy<Value = Answer> {
    let granted = proptest::option::of("[a-z/]{1,9}").prop_map(|user| {
        Answer::Granted(Grant {
            user: user.map(|user| user.parse().unwrap()),
            publish: vec!["user:*".into()],
            ..Default::default()
        })
    });
    prop_oneof![
        6 => granted,
        1 => Just(Answer::denied("no")),
        1 => Just(Answer::Unavailable),
    ]
}

/// Any JSON value, as text.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<String>().prop_map(|value| serde_json::to_string(&value).unwrap()),
    ];
    let key = prop_oneof![
        Just("flag".to_owned()),
        Just("target_token".to_owned()),
        any::<String>()
    ];
    leaf.prop_recursive(3, 24, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((key.clone(), inner), 0..5).prop_map(|fields| {
                let fields: Vec<_> = fields
                    .into_iter()
                    .map(|(key, value)| format!("{}:{value}", serde_json::to_string(&key).unwrap()))
                    .collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}
