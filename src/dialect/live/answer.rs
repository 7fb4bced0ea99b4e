//! Frames of the server.

use std::borrow::Cow;

use bytes::Bytes;

use crate::dialect::{MethodFailure, Profile, json::ObjectWriter};

/// The answer to the client's sign of life.
pub(super) const HEARTBEAT: &[u8] = b"3";
/// What each frame is answered with before it is worked on. Without a `param` in both profiles.
pub(super) const RECEIPT: &str =
    r#"{"status":200,"event":"receiveMessage","info":"服务端已收到您的请求内容"}"#;

/// The answer of `index.index.index`.
pub const INDEX: Reply = Reply::plain(200, "success", "执行完成");
/// There is no such method.
pub(super) const METHOD_NOT_FOUND: Reply =
    Reply::plain(405, "methodNotFound", "您请求的method方法不存在");
/// What a method is answered with that has failed, and in the observed profile one of a controller that
/// there is not.
pub(super) const CONTROLLER_ERROR: Reply = Reply::plain(500, "controllerError", "程序错误");

/// What the dialect has to say of the events that it knows. `userJoin` and `userOut` are ours.
const INFOS: [(&str, &str); 8] = [
    ("serverBroadcast", "收到服务广播内容"),
    ("userJoin", "用户加入房间"),
    ("userOut", "用户退出房间"),
    ("userSayBroadcast", "用户消息审核通过"),
    ("userSayNeedCheck", "收到用户广播内容"),
    ("wallSayBroadcast", "收到大屏幕广播内容"),
    ("wallSayRecall", "撤回一条大屏幕消息"),
    ("success", "执行完成"),
];

/// A frame of the server: `{"status","event","info","param"}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// How it went, in the manner of HTTP.
    pub status: u16,
    /// What has happened.
    pub event: Cow<'static, str>,
    /// The same for people.
    pub info: &'static str,
    /// One JSON value; none: `null`.
    pub param: Bytes,
}

// === impl Reply ===

impl Reply {
    /// One without a `param`.
    pub const fn plain(status: u16, event: &'static str, info: &'static str) -> Self {
        Self {
            status,
            event: Cow::Borrowed(event),
            info,
            param: Bytes::new(),
        }
    }

    /// With a `param`, one JSON value.
    pub fn with(self, param: impl Into<Bytes>) -> Self {
        Self {
            param: param.into(),
            ..self
        }
    }

    /// What is told of an event to whoever it reaches.
    pub fn of_message(event: &str, data: Bytes) -> Self {
        let known = INFOS.iter().find(|(known, _)| *known == event);
        Self {
            status: 200,
            event: event.to_owned().into(),
            info: known.map_or("", |(_, info)| info),
            param: data,
        }
    }

    /// As JSON. In the observed profile an empty `param` is left out.
    pub fn encode(&self, profile: Profile) -> Vec<u8> {
        let frame = ObjectWriter::new()
            .number("status", self.status.into())
            .text("event", &self.event)
            .text("info", self.info);
        match profile {
            Profile::Observed if is_empty(&self.param) => frame.finish(),
            _ => frame.raw("param", &self.param).finish(),
        }
    }
}

/// What a client is told whose call an application has not answered.
pub(super) const fn failed(failure: MethodFailure) -> Reply {
    match failure {
        MethodFailure::Unknown => METHOD_NOT_FOUND,
        _ => CONTROLLER_ERROR,
    }
}

/// Whether the original takes a JSON value for nothing.
fn is_empty(json: &[u8]) -> bool {
    let inner = |open: u8, close: u8| {
        let inner = json
            .strip_prefix(&[open])
            .and_then(|rest| rest.strip_suffix(&[close]));
        inner.is_some_and(|inner| inner.trim_ascii().is_empty())
    };
    match json.first() {
        None | Some(b'n' | b'f') => true,
        Some(b'"') => json.len() == 2,
        Some(b'[') => inner(b'[', b']'),
        Some(b'{') => inner(b'{', b'}'),
        Some(b'-' | b'0') => {
            let number = std::str::from_utf8(json).ok();
            number.and_then(|text| text.parse::<f64>().ok()) == Some(0.0)
        }
        Some(_) => false,
    }
}
