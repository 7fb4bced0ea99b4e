//! The desk: does what chat clients call for, and answers when it is done.
//!
//! **Invariant:** a message is kept before it is on its way, and on its way before its sender is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::{self, Instant};
use tokio_util::task::TaskTracker;

use crate::{
    clock::Clock,
    contacts::{Contacts, Position},
    dialect::{ChatDraft, Outcome, Request, im},
    id::{Person, SessionId, UserId},
    journal::{Accepted, Journal},
    mail::post::Post,
    message::Sender,
    orders::Orders,
    router::Router,
    services::{Caller, Outcomes},
    stats::{ChatOutcome, ChatStats},
    store::{Chat, Content, Query, Record, StoreError},
    topic::Topic,
};

/// How long a message that is kept waits for room on its way.
const ROOM_TIMEOUT: Duration = Duration::from_secs(10);

/// Does what chat clients call for.
#[derive(Clone, Debug)]
pub struct Desk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    parts: Parts,
    stats: Arc<ChatStats>,
    /// The second of uptime in which a refusal was warned of last.
    warned: AtomicU64,
    /// A token for each call; closed with the desk.
    under_way: TaskTracker,
}

/// What a desk works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Who is there.
    pub router: Arc<Router>,
    /// Keeps messages.
    pub journal: Arc<dyn Journal>,
    /// Knows who may write to whom.
    pub contacts: Arc<dyn Contacts>,
    /// Knows orders.
    pub orders: Arc<dyn Orders>,
    /// Takes what is for customers who may be away.
    pub post: Post,
    /// The time.
    pub clock: Clock,
}

/// Who calls.
#[derive(Clone, Debug)]
struct Customer {
    user: Person,
    session: SessionId,
}

// === impl Desk ===

impl Desk {
    /// The desk of a node.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            stats: Arc::default(),
            warned: AtomicU64::new(u64::MAX),
            under_way: TaskTracker::new(),
        }))
    }

    /// Does this for a client.
    pub fn carry_out(&self, caller: Caller, requests: Vec<Request>) -> Outcomes {
        let Some(caller) = customer(caller) else {
            debug_assert!(false, "only a person calls");
            return Box::pin(async move { vec![Outcome::Unavailable; requests.len()] });
        };
        let desk = self.clone();
        let token = desk.0.under_way.token();
        Box::pin(async move {
            let _under_way = token;
            let mut outcomes = Vec::with_capacity(requests.len());
            let mut requests = requests.into_iter().peekable();
            while let Some(request) = requests.next() {
                let Request::Chat(draft) = request else {
                    outcomes.push(desk.one(&caller, request).await);
                    continue;
                };
                let mut drafts = vec![draft];
                while let Some(Request::Chat(draft)) =
                    requests.next_if(|next| matches!(next, Request::Chat(_)))
                {
                    drafts.push(draft);
                }
                outcomes.extend(desk.chat(&caller, drafts).await);
            }
            outcomes
        })
    }

    /// Accepts nothing more, and waits for what is under way.
    pub async fn close(&self) {
        self.0.under_way.close();
        self.0.under_way.wait().await;
    }

    /// What it counts.
    pub fn stats(&self) -> &Arc<ChatStats> {
        &self.0.stats
    }

    /// Who may write to whom.
    pub fn contacts(&self) -> &dyn Contacts {
        &*self.0.parts.contacts
    }

    /// What was kept, newest first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read now.
    pub async fn history(&self, query: Query) -> Result<Vec<Record>, StoreError> {
        self.0.parts.journal.history(query).await
    }

    async fn one(&self, caller: &Customer, request: Request) -> Outcome {
        let done = match request {
            Request::Chat(_) => Ok(Outcome::NotKept),
            Request::History(query) => self.history(query).await.map(Outcome::History),
            // Others do those.
            Request::Live(_) | Request::Method(_) | Request::Service(_) => Ok(Outcome::Unavailable),
            Request::Locate(position) => self.locate(caller.user, position).await,
            Request::Online(user) => Ok(Outcome::Online(self.is_online(&user))),
            Request::TakeOrder(order) => self.take_order(caller, &order).await,
        };
        done.unwrap_or_else(|error| {
            self.0.stats.failed.add(1);
            tracing::warn!(%error, "a client's call came to nothing");
            Outcome::Unavailable
        })
    }

    /// Keeps messages and sends them on their way, in order.
    async fn chat(&self, caller: &Customer, drafts: Vec<ChatDraft>) -> Vec<Outcome> {
        let Inner { parts, stats, .. } = &*self.0;
        let started = Instant::now();
        let contents = drafts.iter().map(|draft| {
            Content::Chat(Chat {
                from: caller.user,
                to: draft.to,
                kind: draft.kind,
                msg: draft.msg.clone(),
                packet_id: Some(draft.packet_id.clone()),
                is_online: self.is_online(&draft.to.into()),
            })
        });
        let accepted = match self.0.under_way.is_closed() {
            true => Err(StoreError::Unavailable("the node is going away".into())),
            false => parts.journal.accept(contents.collect()).await,
        };
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                stats.count(ChatOutcome::Refused, drafts.len());
                self.warn(&error);
                return vec![Outcome::NotKept; drafts.len()];
            }
        };
        let until = started + ROOM_TIMEOUT;
        let mut outcomes = Vec::with_capacity(drafts.len());
        for (draft, accepted) in drafts.iter().zip(accepted) {
            let outcome = self.send(caller, draft, accepted, until).await;
            stats.count(outcome, 1);
            outcomes.push(match (outcome, accepted) {
                (ChatOutcome::NotFriends, _) => Outcome::NotFriends,
                (ChatOutcome::Kept | ChatOutcome::Repeated, Accepted::Kept { id, .. }) => {
                    stats.acknowledged.record(started.elapsed());
                    Outcome::Kept {
                        time_ms: id.time_ms(),
                    }
                }
                _ => Outcome::NotKept,
            });
        }
        outcomes
    }

    /// Warns once a second at most: with a store that refuses everything refused is said often enough.
    fn warn(&self, error: &StoreError) {
        let now = self.0.parts.clock.uptime().as_secs();
        if self.0.warned.swap(now, Relaxed) != now {
            tracing::warn!(%error, "chat messages were refused");
        }
    }

    /// Has a message that is kept on its way. One that finds no room is in the history of its receiver,
    /// but its sender is not told so, and sends it again.
    async fn send(
        &self,
        caller: &Customer,
        draft: &ChatDraft,
        accepted: Accepted,
        until: Instant,
    ) -> ChatOutcome {
        let Accepted::Kept { id, is_repeat } = accepted else {
            return ChatOutcome::NotFriends;
        };
        let Parts { router, clock, .. } = &self.0.parts;
        let mut message = im::chat_message(caller.user, draft, id);
        message.sender = Some(sender(caller));
        let sending = router.publish_in_turn(message, *clock);
        match time::timeout_at(until, sending).await {
            Ok(_) if is_repeat => ChatOutcome::Repeated,
            Ok(_) => ChatOutcome::Kept,
            Err(_) => ChatOutcome::Unrouted,
        }
    }

    async fn locate(&self, courier: Person, position: Position) -> Result<Outcome, StoreError> {
        let is_courier = self.0.parts.contacts.locate(courier, position).await?;
        Ok(match is_courier {
            true => Outcome::Located,
            false => Outcome::NoCourier,
        })
    }

    /// Every step can be done twice, and what says that all are done comes last: who was not told
    /// takes the order again.
    async fn take_order(&self, caller: &Customer, id: &str) -> Result<Outcome, StoreError> {
        let Parts {
            contacts,
            orders,
            post,
            ..
        } = &self.0.parts;
        let courier = caller.user;
        let Some(order) = orders.find(id).await? else {
            return Ok(Outcome::NoOrder);
        };
        if order.courier != Some(courier) {
            return Ok(Outcome::NotYours);
        }
        if contacts.taken_by(id).await? == Some(courier) {
            return Ok(Outcome::TakenBefore);
        }
        let customer = order.customer;
        contacts.set_friend(courier, customer, true).await?;
        contacts.set_friend(customer, courier, true).await?;
        let mut message = im::order_taken(courier, customer, id);
        message.sender = Some(sender(caller));
        let topic = message.topic.clone();
        let posted = post.send(&message, &[topic]).await;
        posted.map_err(|error| StoreError::Unavailable(error.to_string().into()))?;
        contacts.set_taken(id, courier).await?;
        Ok(Outcome::Taken { customer })
    }

    fn is_online(&self, user: &UserId) -> bool {
        let router = &self.0.parts.router;
        let topic = Topic::user(user);
        router.has_subscribers(&topic)
            || router
                .presence()
                .is_some_and(|others| !others.members(&topic).is_empty())
    }
}

fn customer(caller: Caller) -> Option<Customer> {
    Some(Customer {
        user: caller.user?.person()?,
        session: caller.session,
    })
}

fn sender(caller: &Customer) -> Sender {
    Sender {
        user: Some(caller.user.into()),
        session: caller.session.clone(),
    }
}
