//! `live.wall`: big screens, who decide about what users say.

use std::fmt::Display;

use super::{Acting, Controller, Halt, Scene, user};
use crate::{
    dialect::{
        json::{self, ObjectWriter},
        live::{Builtin, Effect, Reply, escaped_text},
    },
    sayings::{DEPTH_MAX, Draft, Found, PAGE_MAX, Page, Saying, Voice},
};

/// Most drafts that a wall is told of when it joins.
const TOLD_MAX: usize = 100;
/// Sayings of a page for whoever does not say how many.
const PAGE: u64 = 10;
/// What a wall calls for itself when it has joined.
const CATCH_UP: &str = "join.pending";

/// The controller.
#[derive(Debug)]
pub(super) struct Wall;

impl Controller for Wall {
    fn builtin(&self) -> Builtin {
        Builtin {
            controller: "live.wall",
            actions: &["join", "out", "say", "recall", "check", "clean", "history"],
        }
    }

    fn act<'a>(&'a self, scene: &'a Scene<'a>, action: &'a str) -> Acting<'a> {
        Box::pin(async move {
            match action {
                "history" => return history(scene).await,
                _ => scene.only_walls()?,
            }
            match action {
                "join" => join(scene),
                CATCH_UP => catch_up(scene).await,
                "out" => out(scene),
                "say" => say(scene).await,
                "recall" => recall(scene).await,
                "check" => check(scene).await,
                "clean" => clean(scene).await,
                _ => Err(Halt::Missing),
            }
        })
    }
}

/// What waits is looked up when the wall is in its room: what comes meanwhile it may be told twice, and
/// misses nothing.
fn join(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let rooms = scene.rooms()?;
    let reply = Reply::plain(200, "wallJoinSuccess", "加入房间成功");
    Ok(vec![
        Effect::Join(rooms.walls),
        Effect::Reply(reply),
        Effect::Then(scene.then(CATCH_UP)),
    ])
}

async fn catch_up(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let drafts = &scene.parts().drafts;
    let waiting = drafts.list(scene.code()?, TOLD_MAX).await?;
    let told = waiting.iter().map(|draft| {
        let data = user::to_check(draft);
        Effect::Reply(Reply::of_message("userSayNeedCheck", data.into()))
    });
    Ok(told.collect())
}

fn out(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let rooms = scene.rooms()?;
    let reply = Reply::plain(200, "wallOutSuccess", "退出房间成功");
    Ok(vec![Effect::Leave(rooms.walls), Effect::Reply(reply)])
}

async fn say(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let (code, rooms) = (scene.code()?, scene.rooms()?);
    let (party, say) = (scene.party(), user::said(scene)?);
    let saying = Saying {
        code: code.into(),
        kind: Voice::Wall,
        name: None,
        user_id: party.user.as_str().into(),
        nickname: party.nickname.clone(),
        say: say.as_str().into(),
        time_ms: scene.parts().clock.now().unix_ms,
    };
    let id = publish(scene, saying).await?;
    let data = ObjectWriter::new()
        .text("code", &escaped_text(code))
        .text("nickname", &party.nickname)
        .text("say", &say)
        .raw("user_id", party.id.as_bytes())
        .number("id", id)
        .finish();
    scene.tell(&rooms.users, "wallSayBroadcast", data).await?;
    let reply = Reply::plain(200, "wallSaySuccess", "广播成功").with(id.to_string());
    Ok(vec![Effect::Reply(reply)])
}

async fn publish(scene: &Scene<'_>, saying: Saying) -> Result<u64, Halt> {
    let publishing = scene.parts().sayings.publish(saying).await;
    publishing
        .map_err(|error| Halt::from(error).saying(501, "insertDbError", "保存数据至数据库失败"))
}

async fn recall(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let (code, rooms) = (scene.code()?, scene.rooms()?);
    const FAILED: (u16, &str, &str) = (403, "wallRecallFail", "撤回广播失败");
    let (status, event, info) = FAILED;
    let refusal = || Halt::refused(status, event, info);
    let id = scene.number("id").ok_or_else(refusal)?;
    let now_ms = scene.parts().clock.now().unix_ms;
    let recalling = scene.parts().sayings.recall(code, id, now_ms).await;
    if !recalling.map_err(|error| Halt::from(error).saying(status, event, info))? {
        return Err(refusal());
    }
    let data = id.to_string();
    scene.tell(&rooms.users, "wallSayRecall", data).await?;
    let reply = Reply::plain(200, "wallRecallSuccess", "撤回广播成功");
    Ok(vec![Effect::Reply(reply)])
}

/// Whoever takes an approved draft out tells of it: of several walls one. It is in the history by then,
/// under one id however often it is approved.
async fn check(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let (code, rooms) = (scene.code()?, scene.rooms()?);
    let id = scene.text("id").unwrap_or_default();
    let drafts = &scene.parts().drafts;
    if !is_approval(scene) {
        drafts.reject(code, &id).await?;
    } else if let Some(draft) = drafts.approve(code, &id).await? {
        publish(scene, approved(scene, code, &draft)).await?;
        if drafts.take(code, &id).await? {
            let data = user::to_check(&draft);
            scene.tell(&rooms.users, "userSayBroadcast", data).await?;
        }
    }
    let id = scene.field("id").map_or("null", |id| id.get());
    let reply = Reply::plain(200, "wallCheckSuccess", "审核消息成功").with(id.to_owned());
    Ok(vec![Effect::Reply(reply)])
}

/// 1, "1" or true; anything else is a refusal.
fn is_approval(scene: &Scene<'_>) -> bool {
    let Some(status) = scene.field("status") else {
        return false;
    };
    status.get() == "true" || json::id(status).is_some_and(|status| status == "1")
}

fn approved(scene: &Scene<'_>, code: &str, draft: &Draft) -> Saying {
    Saying {
        code: code.into(),
        kind: Voice::User,
        name: Some(draft.id.clone()),
        user_id: draft.user_id.clone(),
        nickname: draft.nickname.clone(),
        say: draft.say.clone(),
        time_ms: scene.parts().clock.now().unix_ms,
    }
}

/// Says nothing: the receipt is all.
async fn clean(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    scene.rooms()?;
    scene.parts().drafts.clear(scene.code()?).await?;
    Ok(Vec::new())
}

async fn history(scene: &Scene<'_>) -> Result<Vec<Effect>, Halt> {
    let kind = scene.text("type");
    let kind = kind.and_then(|kind| Voice::of_label(&kind));
    let kind = kind.ok_or(Halt::refused(401, "typeError", "类型错误"))?;
    page(scene, kind).await
}

/// A page of what was published in the caller's room, whoever the caller is.
pub(super) async fn page(scene: &Scene<'_>, kind: Voice) -> Result<Vec<Effect>, Halt> {
    scene.rooms()?;
    let count = scene.number("count").filter(|count| 0 < *count);
    let max = count.unwrap_or(PAGE).min(PAGE_MAX as u64) as usize;
    let page = scene.number("page").unwrap_or(1).max(1);
    let skip = (page - 1).saturating_mul(max as u64);
    let wanted = Page {
        code: scene.code()?.into(),
        kind,
        skip: usize::try_from(skip).map_or(DEPTH_MAX, |skip| skip.min(DEPTH_MAX)),
        max,
    };
    let found = scene.parts().sayings.history(wanted).await?;
    let (event, info) = match kind {
        Voice::Wall => ("wallSayHistory", "获取历史成功"),
        Voice::User => ("userSayHistory", "获取消息历史成功"),
    };
    let reply = Reply::plain(200, event, info).with(written(&found));
    Ok(vec![Effect::Reply(reply)])
}

fn written(found: &Found) -> Vec<u8> {
    let mut list = b"[".to_vec();
    for (id, saying) in &found.sayings {
        if 1 < list.len() {
            list.push(b',');
        }
        list.extend_from_slice(&row(id, saying));
    }
    list.push(b']');
    ObjectWriter::new()
        .raw("list", &list)
        .number("count", found.count)
        .finish()
}

/// The id is the one that was told when it was published. Times are in seconds, as in the original.
fn row(id: &impl Display, saying: &Saying) -> Vec<u8> {
    let row = ObjectWriter::new();
    let row = match &saying.name {
        Some(name) => row.text("id", name),
        None => row.raw("id", id.to_string().as_bytes()),
    };
    row.text("code", &escaped_text(&saying.code))
        .text("nickname", &saying.nickname)
        .text("say", &saying.say)
        .text("user_id", &escaped_text(&saying.user_id))
        .number("create_time", saying.time_ms / 1000)
        .finish()
}
