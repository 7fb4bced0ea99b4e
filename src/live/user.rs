//! `live.user`: those with phones.
//!
//! **Invariant:** the walls are told of nobody's coming whose leaving they would not be told of.

use super::{Acting, Controller, Halt, Scene, wall};
use crate::{
    config::random_hex,
    dialect::{
        json::ObjectWriter,
        live::{Builtin, Effect, Reply},
    },
    duty::{Change, Changed, Deed, Duty, OWN},
    sayings::{Draft, SAY_BYTES_MAX, Voice},
    topic::Topic,
};

/// The controller.
#[derive(Debug)]
pub(super) struct User;

/// What is behind [`OWN`] in the id of the duty to tell walls of a leaving; a number follows.
const DUTY: &str = "live.user:";

impl Controller for User {
    fn builtin(&self) -> Builtin {
        Builtin {
            controller: "live.user",
            actions: &["join", "out", "say", "history"],
        }
    }

    fn act<'a>(&'a self, scene: &'a Scene<'a>, action: &'a str) -> Acting<'a> {
        Box::pin(async move {
            match action {
                "join" => join(scene).await,
                "out" => out(scene).await,
                "say" => say(scene).await,
                "history" => wall::page(scene, Voice::Wall).await,
                _ => Err(Halt::Missing),
            }
        })
    }
}

/// First it is kept that the walls are told of the end, then they are told of the beginning.
async fn join(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    scene.only_users()?;
    let rooms = scene.rooms()?;
    let owed = owed(scene);
    if !matches!(owed, Some((_, true))) {
        // Of a join that has failed half-way it is owed already.
        let duty = attach(scene, &rooms.walls, owed.map(|(id, _)| id)).await?;
        // Of whoever has gone by now nothing was said, and nothing will be.
        let coming = scene.tell_while_there(&duty, &rooms.walls, "userJoin", face(scene));
        if !coming.await? {
            return Ok(Vec::new());
        }
    }
    let reply = Reply::plain(200, "userJoinSuccess", "加入房间成功");
    Ok(vec![Effect::Join(rooms.users), Effect::Reply(reply)])
}

async fn out(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    scene.only_users()?;
    let rooms = scene.rooms()?;
    if let Some((duty, true)) = owed(scene) {
        let witness = &scene.parts().witness;
        witness.fulfil(&scene.caller().session, &duty).await?;
    }
    let reply = Reply::plain(200, "userOutSuccess", "退出房间成功");
    Ok(vec![Effect::Leave(rooms.users), Effect::Reply(reply)])
}

/// It waits for a wall's word; the walls that are there are told at once, others when they join.
async fn say(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    scene.only_users()?;
    let rooms = scene.rooms()?;
    let draft = Draft {
        id: random_hex::<16>().into(),
        user_id: scene.party().user.as_str().into(),
        nickname: scene.party().nickname.clone(),
        say: said(scene)?.into(),
        time_ms: scene.parts().clock.now().unix_ms,
    };
    let (data, id) = (to_check(&draft), quoted(&draft.id));
    let drafts = &scene.parts().drafts;
    if !drafts.add(scene.code()?, draft).await? {
        return Err(Halt::refused(403, "pendingFull", "待审核消息过多"));
    }
    scene.tell(&rooms.walls, "userSayNeedCheck", data).await?;
    let reply = Reply::plain(200, "userSaySuccess", "发布聊天内容成功，等待审核").with(id);
    Ok(vec![Effect::Reply(reply)])
}

/// What the client says, escaped.
pub(super) fn said(scene: &Scene<'_>) -> Result<String, Halt> {
    let say = scene.text("say");
    let say = say.ok_or(Halt::refused(403, "sayIsEmpty", "内容不能为空"))?;
    if SAY_BYTES_MAX < say.len() {
        return Err(Halt::refused(403, "sayIsTooLong", "内容过长"));
    }
    Ok(say)
}

/// What walls are told of a draft.
pub(super) fn to_check(draft: &Draft) -> Vec<u8> {
    ObjectWriter::new()
        .text("id", &draft.id)
        .text("nickname", &draft.nickname)
        .text("say", &draft.say)
        .finish()
}

pub(super) fn quoted(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("memory takes every write")
}

/// The duty of a session that has joined, or has begun to, and whether the walls were told.
fn owed(scene: &Scene<'_>) -> Option<(Box<str>, bool)> {
    let witness = &scene.parts().witness;
    witness.owes(&scene.caller().session, &format!("{OWN}{DUTY}"))
}

/// Has the walls told when the session ends. Each time under another name: what was said under one is not
/// said again.
async fn attach(
    scene: &Scene<'_>,
    walls: &Topic,
    owed: Option<Box<str>>,
) -> Result<Box<str>, Halt> {
    let parts = scene.parts();
    let id = owed.unwrap_or_else(|| {
        let number = parts.router.next_id(parts.clock.now());
        format!("{OWN}{DUTY}{number}").into()
    });
    let duty = Duty {
        id: id.clone(),
        deed: Deed::Publish {
            to: walls.clone(),
            event: "userOut".into(),
            data: face(scene).into(),
        },
    };
    let change = Change::Add(duty);
    match parts.witness.change(&scene.caller().session, change).await {
        Changed::Kept(_) => Ok(id),
        _ => Err(Halt::failed("what is owed at its end cannot be kept")),
    }
}

/// Who it is, for walls.
fn face(scene: &Scene<'_>) -> Vec<u8> {
    let party = scene.party();
    ObjectWriter::new()
        .text("fd", &scene.caller().session.to_string())
        .raw("id", party.id.as_bytes())
        .text("nickname", &party.nickname)
        .finish()
}
