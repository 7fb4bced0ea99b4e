//! What the node keeps for later, mail and queues: in Redis for a cluster, else in the store.

use std::sync::Arc;

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{BuildError, Node, identity::Identity, member::Membership};
use crate::{
    admin,
    backend::ingest::{self, Publish, Publishing},
    cluster::redis::MailSettings,
    config::Config,
    mail::{
        Bounds, Mail,
        post::{self, Post},
        postman,
    },
    queue::Queue,
    store::sqlite::{Database, Place, SqliteMail, SqliteQueue},
};

/// Where durable things are.
pub(super) struct Kept {
    /// Durable messages to users.
    pub(super) post: Post,
    /// What applications push.
    pub(super) pushes: Arc<dyn Queue>,
}

/// Opens the store, if that is where things are kept.
pub(super) fn open(
    config: &Config,
    membership: Option<&Membership>,
    identity: &Identity,
) -> Result<Kept, BuildError> {
    let clock = identity.clock;
    let bounds = Bounds {
        letters_max: config.mail.letters_max,
        keep: config.mail.keep,
    };
    let (mail, pushes): (Arc<dyn Mail>, Arc<dyn Queue>) = match membership {
        Some(membership) => {
            let redis = membership.redis();
            let mail = redis.mail(MailSettings {
                bounds,
                replicas: config.mail.replicas,
                clock,
            });
            let pushes = redis.queue(ingest::QUEUE, ingest::CLAIM_AFTER);
            (Arc::new(mail), Arc::new(pushes))
        }
        None => {
            let place = Place::of_url(config.store.url.expose());
            let place = place.expect("a configuration that was read has a store that can be used");
            let database = Database::open(&place).map_err(BuildError::Store)?;
            let (name, claim_after) = (ingest::QUEUE, ingest::CLAIM_AFTER);
            let pushes = SqliteQueue::new(database.clone(), name, claim_after, clock);
            let mail = SqliteMail::new(database, bounds, clock);
            (Arc::new(mail), Arc::new(pushes))
        }
    };
    let post = Post::new(post::Parts {
        mail,
        router: Arc::clone(&identity.router),
        clock,
    });
    Ok(Kept { post, pushes })
}

/// Those who bring what was kept.
pub(super) struct Couriers {
    post: Post,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Couriers {
    pub(super) fn begin(node: &Node, state: &Arc<admin::State>) -> Self {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(postman::run(node.post.clone(), stop.clone()));
        let publisher = Arc::new(Publisher(Arc::clone(state)));
        let (pushes, stats) = (Arc::clone(&node.pushes), Arc::clone(&node.ingest));
        tasks.spawn(ingest::run(pushes, publisher, stats, stop.clone()));
        Self {
            post: node.post.clone(),
            stop,
            tasks,
        }
    }

    /// Lets them finish what they have begun. From then on the node takes no durable messages.
    pub(super) async fn end(self) {
        self.stop.cancel();
        self.post.close().await;
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Publishes pushes as the admin listener would.
#[derive(Debug)]
struct Publisher(Arc<admin::State>);

impl Publish for Publisher {
    fn publish<'a>(&'a self, id: &'a str, request: &'a [u8]) -> Publishing<'a> {
        Box::pin(self.0.publish(id, request))
    }
}
