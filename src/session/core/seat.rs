//! What the outside has done with a session.

use super::Core;
use crate::{
    router::{seat::Joining, subscriber::Standing},
    session::Session,
    topic::Topic,
};

impl Core {
    /// Subscribes the session, unless it has ended or has as many topics as it may have.
    pub(in crate::session) fn join(&mut self, session: &Session, topic: &Topic) -> Joining {
        if self.ended || session.subscriber.standing() != Standing::Open {
            return Joining::Gone;
        }
        if self.is_overfull(session, topic) {
            return Joining::Overfull;
        }
        let now = session.context.clock.now();
        self.subscribe(session, topic.clone(), now);
        Joining::In
    }

    /// Undoes a subscription. Says whether there was one.
    pub(in crate::session) fn quit(&mut self, session: &Session, topic: &Topic) -> bool {
        let joined = self.topics.iter().position(|joined| joined == topic);
        if let Some(index) = joined {
            self.topics.swap_remove(index);
            let router = &session.context.router;
            router.unsubscribe(topic, &session.subscriber);
            self.tell_of_move(session, topic, false);
        }
        joined.is_some()
    }

    /// What the session is subscribed to.
    pub(in crate::session) fn topics(&self) -> Vec<Topic> {
        self.topics.to_vec()
    }
}
