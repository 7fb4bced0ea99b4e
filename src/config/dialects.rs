//! The settings of the five dialects: `[dialect.<name>]`.

mod device;
mod im;
mod live;
mod ride;
mod room;

use std::fmt;

pub use device::Device;
pub use im::{Im, Orders};
pub use live::{Live, LiveAuth};
pub use ride::{Ride, RideTokens};
pub use room::{AgentStrategy, Room};

use super::{
    setting::words,
    value::{Ping, Secret},
    visit::{Section, Visitor},
};
use crate::dialect::{DialectId, Profile};

/// `[dialect]`.
#[derive(Clone, Debug, Default)]
pub struct Dialects {
    /// Ride-hailing relay.
    pub ride: Ride,
    /// Chat between customers and couriers.
    pub im: Im,
    /// Rooms and customer service.
    pub room: Room,
    /// Live rooms with phones and big screens.
    pub live: Live,
    /// Device status and task push.
    pub device: Device,
}

/// What every dialect has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mount {
    /// Whether clients of the dialect are served.
    pub enabled: bool,
    /// Whether it does what its document says or what the original program did.
    pub profile: Profile,
    /// Where it is mounted; a segment in braces stands for any one.
    pub paths: Vec<String>,
    /// How often the server sends WebSocket Pings, which browsers answer by themselves.
    pub ping: Ping,
}

/// A key that tokens are checked with: one of `keys` of a dialect.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct TokenKey {
    /// How tokens are signed; no other algorithm is accepted with this key.
    pub alg: Algorithm,
    /// The secret that both sides share, for `HS256`.
    pub secret: Option<Secret>,
    /// The public key, PEM, for `RS256`.
    pub public_key: Option<Secret>,
}

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Algorithm {
    /// HMAC with SHA-256 and a shared secret.
    #[default]
    Hs256,
    /// RSA with SHA-256 and a pair of keys.
    Rs256,
}

words!(Algorithm, "HS256" => Algorithm::Hs256, "RS256" => Algorithm::Rs256);

// === impl Dialects ===

impl Dialects {
    /// What every dialect has, of one of them.
    pub fn mount(&self, dialect: DialectId) -> &Mount {
        match dialect {
            DialectId::Ride => &self.ride.mount,
            DialectId::Im => &self.im.mount,
            DialectId::Room => &self.room.mount,
            DialectId::Live => &self.live.mount,
            DialectId::Device => &self.device.mount,
        }
    }

    pub(super) fn mount_mut(&mut self, dialect: DialectId) -> &mut Mount {
        match dialect {
            DialectId::Ride => &mut self.ride.mount,
            DialectId::Im => &mut self.im.mount,
            DialectId::Room => &mut self.room.mount,
            DialectId::Live => &mut self.live.mount,
            DialectId::Device => &mut self.device.mount,
        }
    }

    /// The dialects whose clients are served.
    pub fn enabled(&self) -> impl Iterator<Item = DialectId> {
        DialectId::ALL
            .into_iter()
            .filter(|dialect| self.mount(*dialect).enabled)
    }
}

impl Section for Dialects {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.section("ride", &mut self.ride);
        visitor.section("im", &mut self.im);
        visitor.section("room", &mut self.room);
        visitor.section("live", &mut self.live);
        visitor.section("device", &mut self.device);
    }
}

// === impl Mount ===

impl Mount {
    fn new(paths: &[&str], ping: Ping) -> Self {
        Self {
            enabled: true,
            profile: Profile::default(),
            paths: paths.iter().map(|&path| path.to_owned()).collect(),
            ping,
        }
    }

    /// The keys stand beside the dialect's own, not in a table of their own.
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("enabled", &mut self.enabled);
        self.visit_others(visitor);
    }

    /// All but `enabled`.
    fn visit_others(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("profile", &mut self.profile);
        visitor.setting("paths", &mut self.paths);
        visitor.setting("ping", &mut self.ping);
    }
}

// === impl TokenKey ===

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?})", self.alg)
    }
}

impl Section for TokenKey {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.required("alg", &mut self.alg);
        visitor.secret("secret", &mut self.secret);
        visitor.secret("public_key", &mut self.public_key);
    }
}
