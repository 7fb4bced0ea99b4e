//! How actions of a conversation are carried out.

use std::{mem, sync::Arc};

use super::{Core, Pause, calls::NotBegun};
use crate::{
    dialect::{Action, Actions, Now},
    message::{Message, Sender},
    recorder::What,
    services::Asked,
    session::Session,
    topic::{Topic, TopicKind},
    trace::Way,
};

impl Core {
    /// Carries out actions in order, up to one that has to wait.
    pub(super) fn execute(
        &mut self,
        session: &Arc<Session>,
        mut actions: Actions,
        now: Now,
    ) -> Option<Pause> {
        while let Some(action) = actions.take_next() {
            let pause = match action {
                Action::Ask(question) => {
                    let services = &session.context.services;
                    match services.ask(&session.caller(), question) {
                        Asked::Later(answer) => Some(Pause::Answer(answer)),
                        Asked::Now(answer) => {
                            self.conversation.answered(answer, now, &mut actions);
                            None
                        }
                    }
                }
                Action::Call(call) => match self.call(session, call) {
                    Ok(()) => None,
                    Err(NotBegun::Failed(reference, outcome)) => {
                        self.conversation
                            .returned(&reference, outcome, now, &mut actions);
                        None
                    }
                    Err(NotBegun::Wait(call, pause)) => {
                        actions.put_back(Action::Call(call));
                        Some(pause)
                    }
                },
                Action::Publish(message) => self.publish(session, message, now).map(|busy| {
                    actions.put_back(Action::Publish(*busy.message));
                    Pause::Room(busy.room)
                }),
                Action::Close(reason) => {
                    self.end(session, reason);
                    return None;
                }
                Action::Subscribe(topic) if self.is_overfull(session, &topic) => {
                    actions = Actions::default();
                    self.conversation.overfull(now, &mut actions);
                    None
                }
                other => {
                    self.execute_now(session, other, now);
                    None
                }
            };
            if pause.is_some() {
                self.put_before_waiting(actions);
                return pause;
            }
            if self.ended {
                return None;
            }
        }
        let is_user = session.subscriber.user().is_some();
        if !self.has_entered && (is_user || self.is_nobody) {
            self.enter(session);
        }
        if mem::take(&mut self.holds_mail) {
            // Behind the answer to the login.
            session.context.router.bring_mail(&session.subscriber);
        }
        None
    }

    /// Carries out what never has to wait.
    fn execute_now(&mut self, session: &Session, action: Action, now: Now) {
        let subscriber = &session.subscriber;
        let router = &session.context.router;
        match action {
            Action::Authenticate(user) => {
                let topic = Topic::user(&user);
                if subscriber.authenticate(user) {
                    self.holds_mail = router.hold_mail(subscriber);
                    self.subscribe(session, topic, now);
                    session.note(|session| What::LoggedIn { session });
                }
            }
            Action::Claim(claim) => {
                let claim = claim.key();
                if let Some(before) = self.claim.replace(claim) {
                    router.release(before, subscriber);
                }
                router.claim(claim, subscriber);
            }
            Action::Enter => self.is_nobody = true,
            Action::Reply(frame) => {
                let is_marked = subscriber.reply(frame);
                self.have_written(session, is_marked);
            }
            Action::Subscribe(topic) => self.subscribe(session, topic, now),
            Action::Unsubscribe(topic) => {
                self.quit(session, &topic);
            }
            Action::Ask(_) | Action::Call(_) | Action::Close(_) | Action::Publish(_) => {}
        }
    }

    /// Whether `topic` would be one more than the session may have. The user's own always fits: it is
    /// the first.
    pub(super) fn is_overfull(&self, session: &Session, topic: &Topic) -> bool {
        let topics_max = session.context.settings.load().topics_max;
        topics_max <= self.topics.len() && !self.topics.contains(topic)
    }

    pub(super) fn subscribe(&mut self, session: &Session, topic: Topic, now: Now) {
        if self.topics.contains(&topic) {
            return;
        }
        session
            .context
            .router
            .subscribe(&topic, &session.subscriber, now);
        self.topics.push(topic.clone());
        self.tell_of_move(session, &topic, true);
    }

    /// The client is let in: it is who it says, and in the rooms that it was given.
    fn enter(&mut self, session: &Session) {
        self.has_entered = true;
        session.note(|session| What::Entered { session });
        let witness = &session.context.witness;
        self.is_watched = witness.opened(&session.subscriber, || self.rooms());
    }

    /// The session has come to a topic, or has left it.
    pub(super) fn tell_of_move(&mut self, session: &Session, topic: &Topic, is_in: bool) {
        if topic.kind() != TopicKind::Room {
            return;
        }
        self.conversation.moved(topic, is_in);
        if self.is_watched {
            let witness = &session.context.witness;
            witness.moved(&session.subscriber, self.rooms());
        }
    }

    fn publish(
        &self,
        session: &Session,
        mut message: Message,
        now: Now,
    ) -> Option<crate::router::Busy> {
        message.way = Way::Client(session.subscriber.dialect_id());
        message.sender = Some(Sender {
            user: session.subscriber.user().cloned(),
            session: session.context.router.session_id(session.subscriber.serial),
        });
        session.context.router.publish(message, now).err()
    }
}
