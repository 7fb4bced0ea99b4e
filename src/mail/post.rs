//! The post: where durable messages are handed in.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{TryFutureExt as _, future};
use tokio::time::{self, Instant};
use tokio_util::task::TaskTracker;

use super::{Mail, MailError, Put, bell::Bell};
use crate::{
    clock::Clock,
    envelope::letter,
    journal::Journal,
    message::{DeliveryClass, Message, MessageId},
    recorder::What,
    router::{Reached, Router},
    stats::MailStats,
    store::{Content, Push},
    topic::{Topic, TopicKind},
};

/// How long what is kept waits for room on its way to a room or to all. Longer than a flusher needs for
/// what may wait, shorter than callers wait. Users need not: they find it in their mail.
const ROOM_TIMEOUT: Duration = Duration::from_secs(2);

/// Takes durable messages.
#[derive(Clone, Debug)]
pub struct Post(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    bell: Arc<Bell>,
    stats: MailStats,
    /// A token for each call of [`Post::send`]; closed with the post.
    under_way: TaskTracker,
}

/// What a post works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Where letters are kept until clients have them.
    pub mail: Arc<dyn Mail>,
    /// What makes them a part of their users' histories.
    pub journal: Arc<dyn Journal>,
    /// Who is there.
    pub router: Arc<Router>,
    /// The time.
    pub clock: Clock,
}

/// Why a message is not known to be kept, or on its way. Whoever repeats it says so again.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PostError {
    /// It is kept, and may not be on its way to everybody.
    #[error("the node is busy: the message is kept, and not on its way to everybody")]
    Busy,
    /// It is not known to be kept, and on its way to nobody.
    #[error("the message cannot be kept: {0}")]
    NotKept(Box<str>),
}

impl Post {
    /// The post of a node; its router is told, and has its sessions' mail read from now on. At most
    /// once for a router.
    pub fn new(parts: Parts) -> Self {
        let bell = Arc::new(Bell::new(Arc::clone(&parts.mail)));
        parts.router.set_doorbell(Arc::clone(&bell) as Arc<_>);
        Self(Arc::new(Inner {
            parts,
            bell,
            stats: MailStats::default(),
            under_way: TaskTracker::new(),
        }))
    }

    /// Keeps one message for each of these topics, and has it on its way to those who are there: for users
    /// until a client has it, and in the history of every topic. Says whom it is on its way to, topic by
    /// topic. A session of a room that it reaches again is not given it again.
    ///
    /// # Errors
    ///
    /// [`PostError::NotKept`] if it is not known to be kept for all of them, or the post is closed;
    /// [`PostError::Busy`] if it found no room in time on its way to a room or to all. Whoever repeats it does so
    /// with the same message id, which must not be 0, and must be that of no other message of any member.
    ///
    /// Not cancel safe: it may be kept for some, who find it when they log in.
    pub async fn send(
        &self,
        message: &Message,
        topics: &[Topic],
    ) -> Result<Vec<Reached>, PostError> {
        debug_assert_ne!(
            message.id,
            MessageId::Number(0),
            "whoever repeats it names it"
        );
        let _under_way = self.0.under_way.token();
        if self.0.under_way.is_closed() {
            return Err(PostError::NotKept("the node is going away".into()));
        }
        let mut message = message.clone();
        message.class = DeliveryClass::Durable;
        message.conflate = None;
        message.time_ms = self.0.parts.clock.now().unix_ms;
        let put = self.keep(&message, topics).await.map_err(|error| {
            self.0.stats.errors.add(1);
            PostError::NotKept(error.0)
        })?;
        for topic in topics {
            let kept = || What::Kept {
                topic: topic.clone(),
            };
            self.0.parts.router.recorder().note(&message, kept);
        }
        let (mut put, mut reached) = (put.into_iter(), Vec::with_capacity(topics.len()));
        let until = Instant::now() + ROOM_TIMEOUT;
        for topic in topics {
            let put = has_mail(topic).then(|| put.next()).flatten();
            reached.push(match put {
                Some(put) => self.tell(&message, topic, put),
                None => self.spread(&message, topic, until).await?,
            });
        }
        Ok(reached)
    }

    /// Keeps letters for users, and the message in the histories of all topics. Both at once: where they
    /// are in one place, it is one commit. Gives what came of the letters.
    async fn keep(&self, message: &Message, topics: &[Topic]) -> Result<Vec<Put>, MailError> {
        let Parts { mail, journal, .. } = &self.0.parts;
        let users = topics.iter().filter(|topic| has_mail(topic));
        let letters = users.map(|user| {
            let mut message = message.clone();
            message.topic = user.clone();
            (user.clone(), letter::encode(&message))
        });
        let letters: Vec<(Topic, Bytes)> = letters.collect();
        let pushes = topics.iter().map(|topic| {
            Content::Push(Push {
                topic: topic.clone(),
                name: message.id.to_json().into(),
                event: message.event.clone(),
                data: message.data.clone(),
                sender: message
                    .sender
                    .as_ref()
                    .and_then(|sender| sender.user.clone()),
            })
        });
        let accepting = journal.accept(pushes.collect());
        let accepting = accepting.map_err(|error| MailError(error.to_string().into()));
        let putting = async {
            match letters.is_empty() {
                true => Ok(Vec::new()),
                false => mail.put(letters).await,
            }
        };
        let (put, _) = future::try_join(putting, accepting).await?;
        Ok(put)
    }

    /// Has what is kept in a history alone on its way to those who are there. Others find it there.
    async fn spread(
        &self,
        message: &Message,
        topic: &Topic,
        until: Instant,
    ) -> Result<Reached, PostError> {
        let Parts { router, clock, .. } = &self.0.parts;
        let mut message = message.clone();
        message.topic = topic.clone();
        let publishing = router.publish_in_turn(message, *clock);
        let published = time::timeout_at(until, publishing).await;
        published.map_err(|_| PostError::Busy)
    }

    /// Takes no more messages, and waits for those that are under way: the others are told that the
    /// node leaves after that, and look at their mail for what it may not have told them of.
    pub async fn close(&self) {
        self.0.under_way.close();
        self.0.under_way.wait().await;
    }

    /// Has a letter that is kept on its way to those who are there.
    fn tell(&self, message: &Message, user: &Topic, put: Put) -> Reached {
        let Inner {
            parts, bell, stats, ..
        } = &*self.0;
        stats.kept.add(1);
        if 0 < put.dropped {
            stats.dropped.add(put.dropped);
            tracing::warn!(
                letters = put.dropped,
                "a user has too much mail: the oldest went"
            );
        }
        let mut message = message.clone();
        message.topic = user.clone();
        message.letter = Some(put.posted);
        let told = parts.router.presence().map(|others| others.members(user));
        if let Some(told) = told {
            bell.look_again(user.clone(), told, Instant::now());
        }
        let published = parts.router.publish(message, parts.clock.now());
        published.unwrap_or_else(|_| {
            // It is kept; whoever is there reads it when there is room again.
            bell.tell_later(user.clone());
            Reached::default()
        })
    }

    /// What it counts.
    pub fn stats(&self) -> &MailStats {
        &self.0.stats
    }

    /// Users who wait for their mail.
    pub fn waiting(&self) -> usize {
        self.0.bell.waiting()
    }

    pub(super) fn parts(&self) -> (&Parts, &Bell) {
        (&self.0.parts, &self.0.bell)
    }
}

/// Whether letters are kept for it.
fn has_mail(topic: &Topic) -> bool {
    topic.kind() == TopicKind::User
}
