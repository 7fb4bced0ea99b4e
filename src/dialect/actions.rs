//! Actions: what a conversation wants done.

use std::collections::VecDeque;

use super::{Call, Claim, Question};
use crate::{close::CloseReason, frame::Frame, id::UserId, message::Message, topic::Topic};

/// What a conversation wants done, in order.
#[derive(Debug, Default)]
pub struct Actions {
    /// The next one stands inline: most messages of clients lead to one action, and so to no allocation.
    first: Option<Action>,
    /// Behind it; what was pushed while there was no first.
    rest: VecDeque<Action>,
}

/// One thing to be done for a conversation. Lives for a moment.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)]
pub enum Action {
    /// Ask a service; no frames are fed in until it has answered.
    Ask(Question),
    /// Have a service do something, while frames go on being fed in. Only for a client who is
    /// let in, and of some requests for a [`Person`](crate::id::Person) alone. When too many calls of the
    /// session are under way, no frames are until one has returned; a method returns at once then.
    Call(Call),
    /// The client is this user from now on: subscribe the session to `user:<id>`. At most once.
    Authenticate(UserId),
    /// End every other session that holds this claim; the newest wins, in the whole cluster.
    Claim(Claim),
    /// End the session. Nothing after it is executed.
    Close(CloseReason),
    /// The client is let in without being any user. In the place of [`Self::Authenticate`].
    Enter,
    /// Hand a message to the router. Number, sender and time are filled in.
    Publish(Message),
    /// Send a frame to this client.
    Reply(Frame),
    /// Subscribe the session to a topic.
    Subscribe(Topic),
    /// Undo a subscription.
    Unsubscribe(Topic),
}

// === impl Actions ===

impl Actions {
    /// Asks a service.
    pub fn ask(&mut self, question: Question) {
        self.push(Action::Ask(question));
    }

    /// Has a service do something.
    pub fn call(&mut self, call: Call) {
        self.push(Action::Call(call));
    }

    /// Makes the client this user.
    pub fn authenticate(&mut self, user: UserId) {
        self.push(Action::Authenticate(user));
    }

    /// Ends every other holder of `claim`.
    pub fn claim(&mut self, claim: Claim) {
        self.push(Action::Claim(claim));
    }

    /// Ends the session.
    pub fn close(&mut self, reason: CloseReason) {
        self.push(Action::Close(reason));
    }

    /// Lets the client in without being any user.
    pub fn enter(&mut self) {
        self.push(Action::Enter);
    }

    /// Hands a message to the router.
    pub fn publish(&mut self, message: Message) {
        self.push(Action::Publish(message));
    }

    /// Sends a text to this client.
    pub fn reply(&mut self, text: &[u8]) {
        self.push(Action::Reply(Frame::text(text)));
    }

    /// Sends a frame to this client.
    pub fn reply_frame(&mut self, frame: Frame) {
        self.push(Action::Reply(frame));
    }

    /// Subscribes the session.
    pub fn subscribe(&mut self, topic: Topic) {
        self.push(Action::Subscribe(topic));
    }

    /// Undoes a subscription.
    pub fn unsubscribe(&mut self, topic: Topic) {
        self.push(Action::Unsubscribe(topic));
    }

    /// Takes the actions out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Action> + '_ {
        std::iter::from_fn(|| self.take_next())
    }

    /// Takes the next one out.
    pub fn take_next(&mut self) -> Option<Action> {
        self.first.take().or_else(|| self.rest.pop_front())
    }

    /// Adds one to be the last.
    pub fn push(&mut self, action: Action) {
        if self.is_empty() {
            self.first = Some(action);
        } else {
            self.rest.push_back(action);
        }
    }

    /// Puts one back to be the next.
    pub fn put_back(&mut self, action: Action) {
        if let Some(second) = self.first.replace(action) {
            self.rest.push_front(second);
        }
    }

    /// Whether there is nothing to be done.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.rest.is_empty()
    }
}
