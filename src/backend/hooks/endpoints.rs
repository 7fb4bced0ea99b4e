//! Endpoints: who is told of what, as the configuration says.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::{HttpClient, exchange::Service},
    lanes::{ABSENT_MAX, Terms},
};
use crate::{
    config::{Backend, EventHook},
    dialect::DialectId,
    happening::{Kind, What},
};

/// Bits of one kind in a mask: one for each dialect, and one for whatever has none.
const BITS: usize = DialectId::ALL.len() + 1;
/// Calls at once to what answers methods: they are few.
const CALLS_MAX: usize = 4;

/// All endpoints.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    endpoints: HashMap<Arc<str>, Endpoint>,
    /// The hooks, in the order of the configuration.
    hooks: Vec<(Arc<str>, EventHook)>,
    /// Which kinds of which dialects somebody wants.
    pub(super) wanted: u64,
}

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// What speaks to it.
    pub(super) service: Service,
    /// How it is told.
    pub(super) terms: Terms,
}

// === impl Endpoints ===

impl Endpoints {
    pub(super) fn new(backend: &Backend, client: &HttpClient) -> Self {
        let mut all = Self::default();
        for method in &backend.methods {
            let terms = Terms {
                concurrency_max: CALLS_MAX,
                retry_for: ABSENT_MAX,
            };
            let secret = method.secret.as_ref();
            let service = Service::new(client.clone(), &method.url, method.timeout, secret);
            let url = method.url.uri().to_string().into();
            all.endpoints.insert(url, Endpoint { service, terms });
        }
        for hook in &backend.hooks {
            let secret = hook.secret.as_ref();
            let service = Service::new(client.clone(), &hook.url, hook.timeout, secret);
            let terms = Terms {
                concurrency_max: hook.concurrency_max as usize,
                retry_for: hook.retry_for,
            };
            let url: Arc<str> = hook.url.uri().to_string().into();
            all.endpoints
                .insert(Arc::clone(&url), Endpoint { service, terms });
            all.wanted |= mask(hook);
            all.hooks.push((url, hook.clone()));
        }
        all
    }

    pub(super) fn get(&self, url: &str) -> Option<&Endpoint> {
        self.endpoints.get(url)
    }

    pub(super) fn terms(&self) -> HashMap<Arc<str>, Terms> {
        let all = self.endpoints.iter();
        all.map(|(url, endpoint)| (Arc::clone(url), endpoint.terms))
            .collect()
    }

    /// The hooks, in the order of the configuration.
    pub(super) fn hooks(&self) -> &[(Arc<str>, EventHook)] {
        &self.hooks
    }

    pub(super) fn want_message(&self, dialect: DialectId, kind: &str) -> bool {
        let mut hooks = self.hooks.iter();
        hooks.any(|(_, hook)| wants_message(hook, dialect, kind))
    }

    /// Who is to be told.
    pub(super) fn of<'a>(&'a self, what: &'a What) -> impl Iterator<Item = &'a str> {
        let named = match what {
            What::CallDue { url, .. } => Some(&**url),
            _ => None,
        };
        let hooks = self.hooks.iter().filter(move |(_, hook)| match what {
            What::CallDue { .. } => false,
            What::MessageReceived { who, kind, .. } => wants_message(hook, who.dialect, kind),
            what => {
                let dialect = what.party().map(|who| who.dialect);
                hook.events.contains(&what.kind())
                    && dialect.is_none_or(|dialect| is_among(dialect, hook))
            }
        });
        named.into_iter().chain(hooks.map(|(url, _)| &**url))
    }
}

/// The bit of a kind in [`Endpoints::wanted`].
pub(super) fn bit(kind: Kind, dialect: Option<DialectId>) -> u64 {
    let place = dialect.map_or(DialectId::ALL.len(), DialectId::index);
    1 << (kind as usize * BITS + place)
}

/// What is about no dialect is wanted whatever the dialects are.
fn mask(hook: &EventHook) -> u64 {
    let kinds = hook.events.iter();
    let bits = kinds.flat_map(|kind| {
        let dialects = DialectId::ALL.into_iter();
        let dialects = dialects.filter(|dialect| is_among(*dialect, hook));
        dialects
            .map(Some)
            .chain([None])
            .map(|dialect| bit(*kind, dialect))
    });
    bits.fold(0, |mask, bit| mask | bit)
}

fn wants_message(hook: &EventHook, dialect: DialectId, kind: &str) -> bool {
    hook.events.contains(&Kind::MessageReceived)
        && is_among(dialect, hook)
        && hook.messages.iter().any(|pattern| fits(pattern, kind))
}

fn is_among(dialect: DialectId, hook: &EventHook) -> bool {
    hook.dialects.is_empty() || hook.dialects.contains(&dialect)
}

/// A trailing `*` stands for any ending.
fn fits(pattern: &str, kind: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => kind.starts_with(beginning),
        None => kind == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::HttpUrl, happening::Party};

    fn hook(path: &str, events: &[Kind]) -> EventHook {
        let url: HttpUrl = format!("http://h/{path}").parse().unwrap();
        EventHook {
            events: events.to_vec(),
            url,
            ..EventHook::default()
        }
    }

    fn endpoints(hooks: Vec<EventHook>) -> Endpoints {
        let backend = Backend {
            hooks,
            ..Backend::default()
        };
        Endpoints::new(&backend, &HttpClient::new().unwrap())
    }

    fn received(dialect: DialectId, kind: &str) -> What {
        What::MessageReceived {
            who: Party {
                session: "n.1.1".parse().unwrap(),
                user: None,
                dialect,
            },
            kind: kind.into(),
            data: "{}".into(),
        }
    }

    #[test]
    fn who_wants_a_message_says_of_which_dialect_and_kind() {
        let all = endpoints(vec![
            EventHook {
                dialects: vec![DialectId::Ride],
                messages: vec!["order_*".into(), "bye".into()],
                ..hook("a", &[Kind::MessageReceived])
            },
            EventHook {
                messages: vec!["*".into()],
                dialects: vec![DialectId::Device],
                ..hook("b", &[Kind::MessageReceived])
            },
        ]);
        for (dialect, kind, expect) in [
            (DialectId::Ride, "order_new", &["http://h/a"][..]),
            (DialectId::Ride, "bye", &["http://h/a"]),
            (DialectId::Ride, "byes", &[]),
            (DialectId::Device, "order_new", &["http://h/b"]),
            (DialectId::Im, "order_new", &[]),
        ] {
            let what = received(dialect, kind);
            let told: Vec<_> = all.of(&what).collect();
            assert_eq!(told, expect, "{dialect:?} {kind}");
            assert_eq!(all.want_message(dialect, kind), !expect.is_empty());
        }
        let wants = |kind, dialect| all.wanted & bit(kind, dialect) != 0;
        assert!(wants(Kind::MessageReceived, Some(DialectId::Ride)));
        assert!(wants(Kind::MessageReceived, None));
        assert!(!wants(Kind::MessageReceived, Some(DialectId::Im)));
        assert!(!wants(Kind::SessionOpened, Some(DialectId::Ride)));
    }

    #[test]
    fn what_is_of_no_dialect_is_told_whatever_the_dialects_are() {
        let all = endpoints(vec![EventHook {
            dialects: vec![DialectId::Ride],
            ..hook("a", &[Kind::RoomOccupied, Kind::SessionOpened])
        }]);
        let room = "room:r".parse().unwrap();
        let what = What::RoomOccupied { room };
        assert_eq!(all.of(&what).count(), 1);
        assert_ne!(all.wanted & bit(Kind::RoomOccupied, None), 0);
        assert_eq!(all.wanted & bit(Kind::RoomVacated, None), 0);
    }

    #[test]
    fn a_call_goes_where_it_says_and_nowhere_else() {
        let all = endpoints(vec![hook("a", &Kind::ALL), hook("b", &Kind::ALL)]);
        let What::MessageReceived { who, .. } = received(DialectId::Ride, "") else {
            unreachable!()
        };
        let what = What::CallDue {
            who,
            url: "http://h/b".into(),
            method: "m".into(),
            params: "1".into(),
        };
        assert_eq!(all.of(&what).collect::<Vec<_>>(), ["http://h/b"]);
    }

    #[test]
    fn every_bit_is_another_one() {
        let mut seen = 0;
        for kind in Kind::ALL {
            for dialect in DialectId::ALL.into_iter().map(Some).chain([None]) {
                assert_eq!(seen & bit(kind, dialect), 0);
                seen |= bit(kind, dialect);
            }
        }
    }
}
