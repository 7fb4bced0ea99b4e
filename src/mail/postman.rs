//! The postman: brings sessions the letters of their users, and takes away what clients have.

use std::{sync::Arc, time::Duration};

use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Doorbell as _, Letter, LetterId, MailError,
    bell::Round,
    post::{Parts, Post},
};
use crate::{
    dialect::Now,
    envelope::{DecodeError, letter},
    message::{DeliveryClass, Message},
    pauses::Pauses,
    recorder::What,
    router::{Router, fanout::Outgoing, letters::Given, subscriber::Subscriber},
    topic::Topic,
};

/// First pause after a call that has failed.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause between calls that fail.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Works until `stop` fires, and then takes away what clients have by then. What it has not brought
/// is found in the mail by whoever serves those users next.
pub async fn run(post: Post, stop: CancellationToken) {
    let mut pauses = Pauses::new(PAUSE_MIN, PAUSE_MAX);
    let (_, bell) = post.parts();
    loop {
        tokio::select! {
            () = stop.cancelled() => return end(&post).await,
            () = bell.work() => {}
        }
        if let Some(others) = post.parts().0.router.presence() {
            bell.look(|user| others.members(user), Instant::now());
        }
        let mut round = bell.take();
        let is_done = work(&post, &mut round).await;
        if is_done {
            pauses.reset();
            continue;
        }
        bell.put_back(round);
        tokio::select! {
            () = stop.cancelled() => return end(&post).await,
            () = pauses.wait() => {}
        }
    }
}

async fn end(post: &Post) {
    let (_, bell) = post.parts();
    let ending = async {
        loop {
            let mut confirmed = bell.take().confirmed;
            if confirmed.is_empty() {
                return Ok::<(), MailError>(());
            }
            remove(post, &mut confirmed).await?;
        }
    };
    match time::timeout(PAUSE_MAX, ending).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => {
            post.stats().errors.add(1);
            tracing::warn!("letters that clients have stay in the mail, and come to them again");
        }
    }
}

/// Does a round; what could not be done stays in it. Says whether that is nothing.
async fn work(post: &Post, round: &mut Round) -> bool {
    let (parts, _) = post.parts();
    round.untold.retain(|user| parts.router.ring(user).is_err());
    let moved = async {
        remove(post, &mut round.confirmed).await?;
        read(post, &mut round.expecting).await
    };
    if let Err(error) = moved.await {
        post.stats().errors.add(1);
        tracing::warn!(%error, "mail waits");
        return false;
    }
    round.untold.is_empty()
}

async fn remove(post: &Post, confirmed: &mut Vec<(Topic, Vec<LetterId>)>) -> Result<(), MailError> {
    if confirmed.is_empty() {
        return Ok(());
    }
    let count: usize = confirmed.iter().map(|(_, letters)| letters.len()).sum();
    post.parts().0.mail.remove(confirmed.clone()).await?;
    confirmed.clear();
    post.stats().confirmed.add(count as u64);
    Ok(())
}

async fn read(post: &Post, expecting: &mut Vec<Topic>) -> Result<(), MailError> {
    let (
        Parts {
            mail,
            router,
            clock,
            ..
        },
        bell,
    ) = post.parts();
    let mut readers = Vec::new();
    expecting.retain(|user| {
        let mut sessions = router.readers(user);
        sessions.retain(|session| session.begin_reading());
        let is_awaited = !sessions.is_empty();
        if is_awaited {
            readers.push(sessions);
        }
        is_awaited
    });
    if expecting.is_empty() {
        return Ok(());
    }
    let pages = mail.read(expecting.clone()).await?;
    let mut useless = Vec::new();
    let now = clock.now();
    for ((user, sessions), page) in expecting.drain(..).zip(readers).zip(pages) {
        let Opened {
            letters,
            unreadable,
            newer,
            expired,
        } = open(router, &user, &page, now);
        // What stands behind a page with letters that stay is not to be had before they are gone.
        let is_all = page.len() < super::PAGE || 0 < newer;
        if 0 < newer {
            post.stats().newer.add(newer);
            tracing::warn!(letters = newer, "letters of a newer node wait for one");
        }
        let mut is_again = false;
        for session in sessions {
            is_again |= bring(&session, &letters, is_all);
        }
        post.stats().expired.add(expired.len() as u64);
        if !unreadable.is_empty() {
            post.stats().unreadable.add(unreadable.len() as u64);
            tracing::warn!(
                letters = unreadable.len(),
                "letters that cannot be read are removed"
            );
        }
        let gone = [unreadable, expired].concat();
        // A full page of which some went may have others behind it.
        if is_again || (!is_all && !gone.is_empty()) {
            bell.ring(&user);
        }
        if !gone.is_empty() {
            useless.push((user, gone));
        }
    }
    if !useless.is_empty() {
        mail.remove(useless).await?;
    }
    Ok(())
}

/// What stands in a page of letters.
struct Opened {
    letters: Vec<(LetterId, Arc<Outgoing>)>,
    /// What nobody can read.
    unreadable: Vec<LetterId>,
    /// How many a newer node has written: they stay.
    newer: u64,
    /// Worth nothing any more.
    expired: Vec<LetterId>,
}

fn open(router: &Router, user: &Topic, page: &[Letter], now: Now) -> Opened {
    let mut letters = Vec::with_capacity(page.len());
    let (mut unreadable, mut newer, mut expired) = (Vec::new(), 0, Vec::new());
    for letter in page {
        match letter::decode(&letter.body) {
            Ok(message) if message.has_expired(now.unix_ms) => {
                let recorder = router.recorder();
                recorder.note(&message, || What::Expired { place: "mail" });
                expired.push(letter.id);
            }
            Ok(message) if message.topic == *user => {
                let message = Message {
                    class: DeliveryClass::Durable,
                    ..message
                };
                let traced = router.recorder().follow(&message);
                letters.push((letter.id, Outgoing::new(message, traced, now)));
            }
            Err(DecodeError::Version(_)) => newer += 1,
            Ok(_) | Err(_) => unreadable.push(letter.id),
        }
    }
    Opened {
        letters,
        unreadable,
        newer,
        expired,
    }
}

/// Gives a session what there is room for, in order. Says whether it has to be read again at once.
fn bring(session: &Arc<Subscriber>, letters: &[(LetterId, Arc<Outgoing>)], is_all: bool) -> bool {
    let is_given = letters
        .iter()
        .all(|(id, outgoing)| session.give_read(*id, outgoing) != Given::Later);
    session.end_reading(is_all && is_given)
}
