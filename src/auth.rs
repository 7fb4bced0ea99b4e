//! Credentials: who their bearer is, and how they are made.
//!
//! **Invariant:** a credential is refused unless something configured says that it is good. A
//! service that does not answer is no refusal and no grant: the client may come again.

pub mod api_key;
mod grant;
pub mod issue;
pub mod jwt;
mod login;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;

use self::{
    jwt::{Refused, Verifier},
    login::LoginHook,
};
use crate::{
    backend::HttpClient,
    clock::Clock,
    config::{Dialects, RideTokens},
    dialect::{Answer, DialectId, Question},
    services::Asked,
    stats::{AuthStats, LoginOutcome},
};

/// Answers the questions of conversations about logins.
#[derive(Debug)]
pub struct Authenticator {
    doors: ArcSwap<Doors>,
    client: HttpClient,
    clock: Clock,
    stats: Arc<AuthStats>,
}

/// How the clients of each dialect come in.
#[derive(Debug)]
struct Doors {
    ride: Door,
    device: Door,
}

/// How the clients of one dialect come in; by default not at all.
#[derive(Debug, Default)]
struct Door {
    verifier: Option<Verifier>,
    /// Asked about tokens that no key fits.
    hook: Option<Arc<LoginHook>>,
}

// === impl Authenticator ===

impl Authenticator {
    /// Answers as the settings say.
    pub fn new(
        settings: &Dialects,
        client: HttpClient,
        clock: Clock,
        stats: Arc<AuthStats>,
    ) -> Self {
        Self {
            doors: ArcSwap::from_pointee(Doors::new(settings, &client)),
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

    fn login(&self, dialect: DialectId, token: &str, client_id: Option<Box<str>>) -> Asked {
        let doors = self.doors.load();
        let nobody = Door::default();
        let door = match dialect {
            DialectId::Ride => &doors.ride,
            DialectId::Device => &doors.device,
            DialectId::Im | DialectId::Room | DialectId::Live => &nobody,
        };
        let now = self.clock.now();
        let verified = match &door.verifier {
            Some(verifier) => verifier.verify(token, now.unix_seconds()),
            None => Err(Refused::NoKeyFits),
        };
        match (verified, &door.hook) {
            (Ok(grant), _) => Asked::Now(Answer::Granted(grant)),
            (Err(Refused::Token(reason)), _) => Asked::Now(Answer::Denied(reason)),
            (Err(Refused::NoKeyFits), None) => Asked::Now(Answer::Denied("the token is not valid")),
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
    /// Asks on behalf of a client of `dialect`; see [`crate::services::Services::ask`].
    pub fn ask(&self, dialect: DialectId, question: Question) -> Asked {
        let Question::Login { token, client_id } = question;
        let asked = self.login(dialect, &token, client_id);
        if let Asked::Now(answer) = &asked {
            count(&self.stats, dialect, answer);
        }
        asked
    }
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
        let Dialects { ride, device, .. } = settings;
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
            device: Door {
                verifier: Some(Verifier::new(&device.keys)),
                hook: hook(&device.hook),
            },
        }
    }
}
