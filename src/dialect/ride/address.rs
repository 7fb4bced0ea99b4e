//! Addresses of the `ride` dialect: which topic a token, a client id or a target stands for.
//!
//! Whatever a client calls itself or another client is put behind the realm as one piece, so that
//! no spelling leads out of it. Names that begin with `backend/` belong to backends: nobody logs in
//! under one by a token, and as a target one means that backend, in every realm.

use std::sync::LazyLock;

use super::settings::Settings;
use crate::{
    id::UserId,
    topic::{Topic, TopicKind},
};

/// The target that stands for every session of the dialect.
const TARGET_ALL: &str = "all";
/// The target that stands for every driver.
const TARGET_DRIVERS: &str = "driver";
const ROOM_ALL: &str = "ride/all";
const ROOM_DRIVERS: &str = "ride/drivers";
const BACKEND_PREFIX: &str = "backend/";

/// The topic that every authenticated session of the dialect subscribes to.
pub(super) fn everybody() -> Topic {
    static TOPIC: LazyLock<Topic> = LazyLock::new(|| room(ROOM_ALL));
    TOPIC.clone()
}

/// The topic that every driver subscribes to.
pub(super) fn drivers() -> Topic {
    static TOPIC: LazyLock<Topic> = LazyLock::new(|| room(ROOM_DRIVERS));
    TOPIC.clone()
}

fn room(name: &str) -> Topic {
    Topic::room(name).expect("it is a room name")
}

/// Whether a target is not one user but many.
pub(super) fn is_broadcast(target: &str) -> bool {
    target == TARGET_ALL || target == TARGET_DRIVERS
}

/// The address of a backend. `None`: its id is no part of one.
pub(super) fn of_backend(client_id: &str) -> Option<UserId> {
    format!("{BACKEND_PREFIX}{client_id}").parse().ok()
}

impl Settings {
    /// The address of whoever is called `name`: a token, or the user a service has vouched for.
    /// `None`: nobody may be called so.
    pub(super) fn address(&self, name: &str) -> Option<UserId> {
        if name.starts_with(BACKEND_PREFIX) {
            return None;
        }
        let id = match &self.realm {
            Some(realm) => format!("{realm}/{name}"),
            None => name.to_owned(),
        };
        if id.starts_with(BACKEND_PREFIX) {
            return None;
        }
        id.parse().ok()
    }

    /// Whether a client that is no backend may have this address.
    pub(super) fn is_client(&self, user: &UserId) -> bool {
        let id = user.as_str();
        let is_inside = |realm: &str| {
            let name = id.strip_prefix(realm).and_then(|id| id.strip_prefix('/'));
            name.is_some_and(|name| !name.is_empty())
        };
        !id.starts_with(BACKEND_PREFIX) && self.realm.as_deref().is_none_or(is_inside)
    }

    /// The topic that a target stands for.
    pub(super) fn topic(&self, target: &str) -> Topic {
        match target {
            TARGET_ALL => return everybody(),
            TARGET_DRIVERS => return drivers(),
            _ => {}
        }
        let user = match target.strip_prefix(BACKEND_PREFIX) {
            Some(client_id) => of_backend(client_id),
            None => self.address(target),
        };
        user.map_or_else(nobody, |user| Topic::user(&user))
    }

    /// What the clients of this dialect call a topic: the reverse of [`Self::topic`].
    pub(super) fn name_of<'a>(&self, topic: &'a Topic) -> &'a str {
        match (topic.kind(), topic.id()) {
            (TopicKind::All, _) | (TopicKind::Room, ROOM_ALL) => TARGET_ALL,
            (TopicKind::Room, ROOM_DRIVERS) => TARGET_DRIVERS,
            (TopicKind::User, id) => self.name_in_realm(id),
            (_, id) => id,
        }
    }

    /// A user id without the realm before it.
    pub(super) fn name_in_realm<'a>(&self, id: &'a str) -> &'a str {
        let within = |realm: &str| id.strip_prefix(realm)?.strip_prefix('/');
        self.realm.as_deref().and_then(within).unwrap_or(id)
    }
}

/// The topic of a backend without a name, which nobody can be. What is sent to a target that is no
/// possible address goes there, so that the router counts it like any other absent target.
fn nobody() -> Topic {
    Topic::user(&BACKEND_PREFIX.parse().expect("it is a user id"))
}
