//! Where the node's mail is: in Redis for a cluster, else in the store.

use std::sync::Arc;

use super::{BuildError, identity::Identity, member::Membership};
use crate::{
    cluster::redis::MailSettings,
    config::Config,
    mail::{
        Bounds, Mail,
        post::{self, Post},
    },
    store::sqlite::{Database, Place, SqliteMail},
};

/// The post of a node. Opens the store if that is where mail is kept.
pub(super) fn post(
    config: &Config,
    membership: Option<&Membership>,
    identity: &Identity,
) -> Result<Post, BuildError> {
    let clock = identity.clock;
    let bounds = Bounds {
        letters_max: config.mail.letters_max,
        keep: config.mail.keep,
    };
    let mail: Arc<dyn Mail> = match membership {
        Some(membership) => Arc::new(membership.redis().mail(MailSettings {
            bounds,
            replicas: config.mail.replicas,
            clock,
        })),
        None => {
            let place = Place::of_url(config.store.url.expose());
            let place = place.expect("a configuration that was read has a store that can be used");
            let database = Database::open(&place).map_err(BuildError::Store)?;
            Arc::new(SqliteMail::new(database, bounds, clock))
        }
    };
    Ok(Post::new(post::Parts {
        mail,
        router: Arc::clone(&identity.router),
        clock,
    }))
}
