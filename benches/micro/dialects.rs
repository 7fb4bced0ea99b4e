//! Decode and encode: a frame of a client, and a message of others, in each dialect.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use tidegate::{
    dialect::{
        Action, Actions, Answer, Conversation, Dialect, Grant, Hello, Incoming, Now, Offers,
        Profile, Question,
        device::{self, Device},
        im::{self, Im},
        live::{self, Live, Party, Passes},
        ride::{self, Ride},
        room::{self, Mode, Room},
    },
    id::{Member, Serial, SessionId},
    message::Message,
    topic::Topic,
};

use crate::Step;

/// 2021-08-05T10:40:00Z.
const NOW: Now = Now {
    uptime: std::time::Duration::from_secs(1000),
    unix_ms: 1_628_160_000_000,
};
const DATA: &str =
    r#"{"id":7,"lat":"23.117055","lng":"113.275999","state":"on its way","eta":420}"#;

/// A dialect, how one gets in, and what one says.
struct Sample {
    name: &'static str,
    dialect: fn() -> Box<dyn Dialect>,
    path: &'static str,
    query: &'static str,
    frame: &'static str,
}

static SAMPLES: [Sample; 5] = [
    Sample {
        name: "ride",
        dialect: || {
            Box::new(Ride::new(ride::Settings {
                realm: Some("ride".into()),
                ..Default::default()
            }))
        },
        path: "/ws/",
        query: "client_id=driver_7&token=hijk",
        frame: r#"{"flag":"latlng","target_token":"abcdefg","token":"hijk","lat":"23.117055","lng":"113.275999"}"#,
    },
    Sample {
        name: "im",
        dialect: || Box::new(Im::new(im::Settings::default())),
        path: "/im/token",
        query: "",
        frame: r#"{"id":"p-1628160000-17","to":42,"type":"t","msg":"the parcel is with the porter","timestamp":1628160000000}"#,
    },
    Sample {
        name: "room",
        dialect: || {
            Box::new(Room::new(room::Settings {
                mode: Mode::Chat,
                open: true,
                ..Default::default()
            }))
        },
        path: "/room/lobby/",
        query: "",
        frame: r#"{"type":2,"to":"lobby","message":{"text":"good morning to everybody in the lobby","mood":"fine"}}"#,
    },
    Sample {
        name: "live",
        dialect: || {
            Box::new(Live::new(live::Settings {
                profile: Profile::Documented,
                receipts: true,
                passes: Arc::new(Anybody),
                builtins: Vec::new(),
                offers: offers("shop."),
            }))
        },
        path: "/live",
        query: "auth=anybody",
        frame: r#"{"method":"shop.like","args":{"goods":17,"times":3}}"#,
    },
    Sample {
        name: "device",
        dialect: || Box::new(Device::new(device::Settings::default())),
        path: "/ws",
        query: "",
        frame: r#"{"type":"status","data":{"to":"room:device/7","celsius":21.5,"volts":3.71}}"#,
    },
];

/// Lets everybody in.
#[derive(Debug)]
struct Anybody;

impl Passes for Anybody {
    fn read(&self, _: &str, _: u64) -> Option<Party> {
        Some(Party {
            user: "7".parse().ok()?,
            id: "7".into(),
            kind: "wechatUser".into(),
            code: "r1".into(),
            nickname: "Tom".into(),
        })
    }
}

pub(crate) fn steps() -> Vec<Step> {
    let decode = SAMPLES.iter().map(|sample| {
        Step::new(format!("decode/{}", sample.name), move || {
            let mut conversation = enter(sample);
            let mut actions = Actions::default();
            move || {
                let mut said = 0;
                conversation.receive(Incoming::Text(black_box(sample.frame)), NOW, &mut actions);
                while let Some(action) = actions.take_next() {
                    assert!(
                        !matches!(action, Action::Close(_)),
                        "{}: {action:?}",
                        sample.name
                    );
                    said += 1;
                    drop(black_box(action));
                }
                assert_ne!(said, 0, "{} has nothing to say to its sample", sample.name);
            }
        })
    });
    let encode = SAMPLES.iter().map(|sample| {
        Step::new(format!("encode/{}", sample.name), move || {
            let dialect = (sample.dialect)();
            let topic = Topic::user(&"42".parse().expect("it is an id"));
            let message = Message::new(topic, "order", Bytes::from_static(DATA.as_bytes()));
            move || drop(black_box(dialect.encode(black_box(&message))))
        })
    });
    decode.chain(encode).collect()
}

/// Methods that begin so are the application's.
fn offers(prefix: &str) -> Arc<Offers> {
    let offers = Offers::default();
    offers.set_methods(vec![prefix.into()]);
    Arc::new(offers)
}

/// A client that is let in.
fn enter(sample: &Sample) -> Box<dyn Conversation> {
    let session = SessionId {
        member: Member::new(&"gw".parse().expect("it is a name"), 1),
        serial: Serial::new(0, 2),
    };
    let hello = Hello {
        session: &session,
        path: sample.path,
        query: sample.query,
        remote: [127, 0, 0, 1].into(),
        now: NOW,
    };
    let dialect = (sample.dialect)();
    let accepted = dialect.accept(&hello);
    let mut conversation = accepted.expect("the upgrade is accepted");
    let mut actions = Actions::default();
    conversation.open(NOW, &mut actions);
    if sample.name == "device" {
        let login = r#"{"type":"auth","data":{"token":"t"}}"#;
        conversation.receive(Incoming::Text(login), NOW, &mut actions);
    }
    while let Some(action) = actions.take_next() {
        match action {
            Action::Ask(question) => {
                conversation.answered(Answer::Granted(grant(&question)), NOW, &mut actions);
            }
            Action::Subscribe(topic) => conversation.moved(&topic, true),
            Action::Close(reason) => panic!("{} is closed: {reason:?}", sample.name),
            _ => {}
        }
    }
    conversation
}

fn grant(question: &Question) -> Grant {
    match question {
        Question::Login { .. } => Grant {
            user: Some("7".parse().expect("it is an id")),
            publish: vec!["room:device/*".into()],
            ..Grant::default()
        },
        _ => Grant::default(),
    }
}
