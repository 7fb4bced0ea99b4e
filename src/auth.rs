//! Credentials: who their bearer is, and how they are made. And what a service of the application
//! has to say about those who are known.
//!
//! **Invariant:** a credential is refused unless something configured says that it is good. A
//! service that does not answer is no refusal and no grant: the client may come again.

pub mod admission;
pub mod api_key;
mod budget;
mod grant;
pub mod issue;
pub mod jwt;
pub mod live;
mod login;
mod signed;
pub mod token_endpoint;
pub mod wstoken;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;

use self::{
    issue::IssueError,
    jwt::{Refused, Verifier},
    login::LoginHook,
    wstoken::{KeySet, Ring, longest_life},
};
use crate::{
    backend::HttpClient,
    clock::Clock,
    config::{Dialects, Im, RideTokens},
    credentials::Credentials,
    dialect::{Answer, DialectId, Grant, Question},
    id::Person,
    services::Asked,
    stats::{AuthStats, LoginOutcome},
};

/// Answers the questions of conversations about logins.
#[derive(Debug)]
pub struct Authenticator {
    doors: ArcSwap<Doors>,
    /// Keys of `im` that nobody has configured.
    ring: Arc<Ring>,
    client: HttpClient,
    clock: Clock,
    stats: Arc<AuthStats>,
}

/// What an authenticator works with.
#[derive(Debug)]
pub struct Parts {
    /// Calls hooks.
    pub client: HttpClient,
    /// The node's clock.
    pub clock: Clock,
    /// What is counted.
    pub stats: Arc<AuthStats>,
    /// What the nodes share.
    pub credentials: Arc<dyn Credentials>,
    /// Whether keys are made that nobody has: in development mode.
    pub makes_keys: bool,
}

/// How the clients of each dialect come in.
#[derive(Debug)]
struct Doors {
    ride: Door,
    im: ImDoor,
    room: Door,
    device: Door,
}

/// How the clients of one dialect come in; by default not at all.
#[derive(Debug, Default)]
struct Door {
    verifier: Option<Verifier>,
    /// Asked about tokens that no key fits.
    hook: Option<Arc<LoginHook>>,
}

/// How the clients of `im` come in.
#[derive(Clone, Debug)]
struct ImDoor {
    /// The keys that are configured; absent: those of the ring.
    keys: Option<Arc<KeySet>>,
    max_age: Duration,
    one_time: bool,
    /// Asked about the application's own tokens by those who want one of `im`.
    hook: Option<Arc<LoginHook>>,
    tokens_per_second: u32,
}

// === impl Authenticator ===

impl Authenticator {
    /// Answers as the settings say.
    pub fn new(settings: &Dialects, parts: Parts) -> Self {
        let Parts {
            client,
            clock,
            stats,
            credentials,
            makes_keys,
        } = parts;
        Self {
            doors: ArcSwap::from_pointee(Doors::new(settings, &client)),
            ring: Arc::new(Ring::new(credentials, makes_keys)),
            client,
            clock,
            stats,
        }
    }

    /// Answers as these settings say from now on. Hooks that were asked before may still answer.
    pub fn reload(&self, settings: &Dialects) {
        let doors = Doors::new(settings, &self.client);
        self.doors.store(Arc::new(doors));
    }

    /// Lets hooks be called on `runtime`, whichever runtimes the sessions live on.
    pub fn work_on(&self, runtime: Handle) {
        self.client.work_on(runtime);
    }

    /// What it counts.
    pub fn stats(&self) -> &Arc<AuthStats> {
        &self.stats
    }

    /// Makes a token of the `im` dialect. Ends within the limits of whatever keeps the keys.
    ///
    /// # Errors
    ///
    /// There is no key to sign with, or it cannot be had now.
    pub async fn issue_im(&self, person: Person) -> Result<String, IssueError> {
        let door = self.doors.load().im.clone();
        let keys = match door.keys {
            Some(keys) => keys,
            None => {
                let newest = self.on_runtime(door.max_age).await?.into_iter().next();
                newest.expect("there is a newest set, be it empty")
            }
        };
        let unix_seconds = self.clock.now().unix_seconds();
        keys.sign(person, unix_seconds, door.max_age)
    }

    /// The keys of the ring. Whatever has to be done for them is done on the runtime of hooks.
    async fn on_runtime(&self, max_age: Duration) -> Result<wstoken::Keys, IssueError> {
        if let Some(keys) = self.ring.known() {
            return Ok(keys);
        }
        let ring = Arc::clone(&self.ring);
        let fetching = async move { ring.keys(max_age).await };
        let unavailable = |error: &dyn ToString| IssueError::Unavailable(error.to_string().into());
        match AbortOnDropHandle::new(self.client.runtime().spawn(fetching)).await {
            Ok(keys) => keys.map_err(|error| unavailable(&error)),
            Err(error) => Err(unavailable(&error)),
        }
    }

    fn login_im(&self, token: Box<str>) -> Asked {
        const DENIED: Asked = Asked::Now(Answer::denied("the token is not valid"));

        if !wstoken::looks_like_one(&token) {
            return DENIED;
        }
        let door = self.doors.load().im.clone();
        let known = match &door.keys {
            Some(keys) => Some(vec![Arc::clone(keys)]),
            None => self.ring.known(),
        };
        let login = ImLogin {
            token,
            unix_seconds: self.clock.now().unix_seconds(),
            door,
            ring: Arc::clone(&self.ring),
        };
        let person = match known.map(|keys| login.verify(&keys)) {
            Some(Err(answer)) => return Asked::Now(answer),
            Some(Ok(person)) if !login.door.one_time => return Asked::Now(granted(person)),
            Some(Ok(person)) => Some(person),
            None => None,
        };
        let stats = Arc::clone(&self.stats);
        let asking = AbortOnDropHandle::new(self.client.runtime().spawn(login.ask(person)));
        Asked::Later(Box::pin(async move {
            let answer = asking.await.unwrap_or(Answer::Unavailable);
            count(&stats, DialectId::Im, &answer);
            answer
        }))
    }

    fn login(&self, dialect: DialectId, token: &str, client_id: Option<Box<str>>) -> Asked {
        let doors = self.doors.load();
        let nobody = Door::default();
        let door = match dialect {
            DialectId::Ride => &doors.ride,
            DialectId::Room => &doors.room,
            DialectId::Device => &doors.device,
            DialectId::Im | DialectId::Live => &nobody,
        };
        let now = self.clock.now();
        let verified = match &door.verifier {
            Some(verifier) => verifier.verify(token, now.unix_seconds()),
            None => Err(Refused::NoKeyFits),
        };
        match (verified, &door.hook) {
            (Ok(grant), _) => Asked::Now(Answer::Granted(grant)),
            (Err(Refused::Token(reason)), _) => Asked::Now(Answer::denied(reason)),
            (Err(Refused::NoKeyFits), None) => Asked::Now(Answer::denied("the token is not valid")),
            (Err(Refused::NoKeyFits), Some(hook)) => {
                let hook = Arc::clone(hook);
                let stats = Arc::clone(&self.stats);
                let body = login::request(dialect, token, client_id.as_deref(), now);
                Asked::Later(Box::pin(async move {
                    let answer = hook.ask(body, now, &stats).await;
                    count(&stats, dialect, &answer);
                    answer
                }))
            }
        }
    }
}

impl Authenticator {
    /// Asks about a login on behalf of a client of `dialect`; see [`crate::services::Services::ask`].
    pub fn ask(&self, dialect: DialectId, question: Question) -> Asked {
        let Question::Login { token, client_id } = question else {
            debug_assert!(false, "others are asked that");
            return Asked::Now(Answer::Unavailable);
        };
        let asked = match dialect {
            DialectId::Im => self.login_im(token),
            _ => self.login(dialect, &token, client_id),
        };
        if let Asked::Now(answer) = &asked {
            count(&self.stats, dialect, answer);
        }
        asked
    }
}

/// A login of `im` for which something has to be asked.
struct ImLogin {
    token: Box<str>,
    unix_seconds: u64,
    door: ImDoor,
    ring: Arc<Ring>,
}

impl ImLogin {
    /// Whose token it is, by any of these keys.
    fn verify(&self, keys: &[Arc<KeySet>]) -> Result<Person, Answer> {
        for keys in keys {
            match keys.verify(&self.token, self.unix_seconds, self.door.max_age) {
                Ok(person) => return Ok(person),
                Err(Refused::Token(reason)) => return Err(Answer::denied(reason)),
                Err(Refused::NoKeyFits) => {}
            }
        }
        Err(Answer::denied("the token is not valid"))
    }

    /// Asks for the keys, unless it is known whose token it is, and whether it was used before.
    async fn ask(self, person: Option<Person>) -> Answer {
        let max_age = self.door.max_age;
        let person = match person {
            Some(person) => Ok(person),
            None => match self.ring.keys(max_age).await {
                Ok(keys) => self.verify(&keys),
                Err(_) => Err(Answer::Unavailable),
            },
        };
        let person = match person {
            Ok(person) => person,
            Err(answer) => return answer,
        };
        if !self.door.one_time {
            return granted(person);
        }
        let digest = wstoken::digest_of(&self.token);
        let credentials = self.ring.credentials();
        match credentials.use_once(digest, longest_life(max_age)).await {
            Ok(true) => granted(person),
            Ok(false) => Answer::denied("the token was used before"),
            Err(error) => {
                tracing::warn!(%error, "a token of the im dialect cannot be noted as used");
                Answer::Unavailable
            }
        }
    }
}

fn granted(person: Person) -> Answer {
    Answer::Granted(Grant {
        user: Some(person.into()),
        ..Grant::default()
    })
}

fn count(stats: &AuthStats, dialect: DialectId, answer: &Answer) {
    let outcome = match answer {
        Answer::Granted(_) => LoginOutcome::Granted,
        Answer::Denied(_) => LoginOutcome::Denied,
        Answer::Unavailable => LoginOutcome::Unavailable,
    };
    stats.logins[dialect.index()][outcome as usize].add(1);
}

// === impl Doors ===

impl Doors {
    fn new(settings: &Dialects, client: &HttpClient) -> Self {
        let Dialects {
            ride,
            im,
            room,
            device,
            ..
        } = settings;
        let hook = |settings: &Option<_>| {
            let settings = settings.as_ref()?;
            Some(Arc::new(LoginHook::new(settings, client.clone())))
        };
        Self {
            ride: match ride.tokens {
                // With "any" the dialect takes the client's word and asks nobody.
                None | Some(RideTokens::Any) => Door::default(),
                Some(RideTokens::Jwt) => Door {
                    verifier: Some(Verifier::new(&ride.keys)),
                    hook: None,
                },
                Some(RideTokens::Hook) => Door {
                    verifier: None,
                    hook: hook(&ride.hook),
                },
            },
            im: ImDoor::new(im, hook(&im.hook)),
            room: Door {
                verifier: Some(Verifier::new(&room.keys)),
                hook: hook(&room.hook),
            },
            device: Door {
                verifier: Some(Verifier::new(&device.keys)),
                hook: hook(&device.hook),
            },
        }
    }
}

// === impl ImDoor ===

impl ImDoor {
    fn new(settings: &Im, hook: Option<Arc<LoginHook>>) -> Self {
        let private = settings.private_key.as_ref();
        let private = private.map(crate::config::Secret::expose);
        let keys = || Arc::new(KeySet::new(settings.public_keys(), private));
        Self {
            keys: settings.has_keys().then(keys),
            max_age: settings.token_max_age,
            one_time: settings.one_time,
            hook,
            tokens_per_second: settings.tokens_per_second,
        }
    }
}
