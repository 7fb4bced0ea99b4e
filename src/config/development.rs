//! Credentials that are made at start, so that a node nobody configured can be tried at once.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};

use super::{
    Config,
    api::{ApiKey, Scope},
    dialects::{Algorithm, LiveAuth, RideTokens, TokenKey},
    value::Secret,
};
use crate::{digest, id::NodeId};

/// Client id of the backend that development mode makes for the `ride` dialect.
pub const RIDE_BACKEND: &str = "backend";

/// What a process makes up once, whether it turns out to be needed or not.
#[derive(Clone, Debug)]
pub struct Generated {
    node: NodeId,
    control: Secret,
    api_key: Secret,
    page_key: Secret,
    ride_backend: Secret,
    live_key: Secret,
    device_secret: Secret,
    room_secret: Secret,
}

/// The credentials of a [`Config`] that end with the process. They are printed at start,
/// but that of the page, which has it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ThrowAway {
    /// An API key with every scope.
    pub api_key: Option<Secret>,
    /// An API key that gives out `im` tokens and nothing else: that of the demo page, which anybody can
    /// read. Absent if tokens are signed with a configured key, which may be good elsewhere.
    pub page_key: Option<Secret>,
    /// The secret of the `ride` backend [`RIDE_BACKEND`].
    pub ride_backend: Option<Secret>,
    /// The key of the `live` dialect's cipher.
    pub live_key: Option<Secret>,
    /// The secret that `device` tokens are signed with.
    pub device_secret: Option<Secret>,
    /// The secret that `room` tokens are signed with.
    pub room_secret: Option<Secret>,
}

// === impl Generated ===

impl Generated {
    /// Makes everything up.
    #[allow(clippy::new_without_default)] // Each one is different.
    pub fn new() -> Self {
        Self {
            node: node_name(),
            control: Secret::new(random_hex::<32>()),
            api_key: Secret::new(random_hex::<16>()),
            page_key: Secret::new(random_hex::<16>()),
            ride_backend: Secret::new(random_hex::<16>()),
            live_key: Secret::new(random_hex::<12>()),
            device_secret: Secret::new(random_hex::<32>()),
            room_secret: Secret::new(random_hex::<32>()),
        }
    }
}

fn node_name() -> NodeId {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let allowed = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    // Short enough to leave room for the random part.
    let host: String = host.chars().filter(allowed).take(48).collect();
    let name = format!("{host}-{}", random_hex::<4>());
    name.parse().expect("it has nothing but allowed characters")
}

/// `BYTES` random bytes in hexadecimal digits.
pub(crate) fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has randomness to give");
    digest::hex(&bytes)
}

// === impl Config ===

impl Config {
    /// Fills in what nobody configured: the node's name, and in development mode credentials.
    pub(super) fn fill(&mut self, generated: &Generated) {
        self.cluster
            .node
            .get_or_insert_with(|| generated.node.clone());
        self.control = generated.control.clone();
        self.switch_on();
        if !self.development {
            return;
        }
        if self.api.keys.is_empty() {
            self.api.keys.push(ApiKey {
                key: generated.api_key.clone(),
                scopes: Scope::ALL.to_vec(),
                ..ApiKey::default()
            });
            self.throw_away.api_key = Some(generated.api_key.clone());
            let im = &self.dialect.im;
            if im.mount.enabled && !im.has_keys() {
                self.api.keys.push(ApiKey {
                    key: generated.page_key.clone(),
                    scopes: vec![Scope::Token],
                    ..ApiKey::default()
                });
                self.throw_away.page_key = Some(generated.page_key.clone());
            }
        }
        let ride = &mut self.dialect.ride;
        if ride.mount.enabled {
            ride.tokens.get_or_insert(RideTokens::Any);
            if ride.backends.is_empty() {
                let secret = generated.ride_backend.clone();
                ride.backends
                    .insert(RIDE_BACKEND.to_owned(), secret.clone());
                self.throw_away.ride_backend = Some(secret);
            }
        }
        let live = &mut self.dialect.live;
        if live.mount.enabled && !live.has_keys() && live.auth == LiveAuth::TripleDes {
            live.key = Some(generated.live_key.clone());
            self.throw_away.live_key = Some(generated.live_key.clone());
        }
        let device = &mut self.dialect.device;
        if device.mount.enabled && device.keys.is_empty() && device.hook.is_none() {
            device.keys.push(TokenKey {
                alg: Algorithm::Hs256,
                secret: Some(generated.device_secret.clone()),
                public_key: None,
            });
            self.throw_away.device_secret = Some(generated.device_secret.clone());
        }
        let room = &mut self.dialect.room;
        if room.mount.enabled && room.keys.is_empty() && room.hook.is_none() {
            room.keys.push(TokenKey {
                alg: Algorithm::Hs256,
                secret: Some(generated.room_secret.clone()),
                public_key: None,
            });
            self.throw_away.room_secret = Some(generated.room_secret.clone());
        }
    }

    /// Who does not speak of `im` or `room`, and has nothing that would let their clients in, does
    /// without them.
    fn switch_on(&mut self) {
        let im = &mut self.dialect.im;
        let has_keys = im.has_keys() || self.cluster.redis.is_some() || self.development;
        im.mount.enabled = im.wanted.unwrap_or(im.mount.enabled && has_keys);
        let room = &mut self.dialect.room;
        let has_way_in = room.has_way_in() || self.development;
        room.mount.enabled = room.wanted.unwrap_or(room.mount.enabled && has_way_in);
        let live = &mut self.dialect.live;
        let can_have_key = self.development && live.auth == LiveAuth::TripleDes;
        let has_keys = live.has_keys() || can_have_key;
        live.mount.enabled = live.wanted.unwrap_or(live.mount.enabled && has_keys);
        // What is compared with the next configuration.
        im.wanted = Some(im.mount.enabled);
        room.wanted = Some(room.mount.enabled);
        live.wanted = Some(live.mount.enabled);
    }
}

// === impl ThrowAway ===

impl ThrowAway {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
