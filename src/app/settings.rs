//! From the configuration to the settings of the parts.

use std::{sync::Arc, thread};

use super::services::Applications;
use crate::{
    admin,
    app::Mounted,
    auth::{
        issue::{TTL, TokenRequest, issue},
        live::LivePasses,
        token_endpoint::TokenEndpoint,
    },
    config::{AgentStrategy, Config, Ping, RideTokens},
    dialect::{
        Dialect, DialectId,
        device::{self, Device},
        im::{self, Im},
        live::{self, Live},
        ride::{self, Ride},
        room::{self, Room},
    },
    endpoint::Endpoint,
    ingress::{self, mounts::Mounts, tls},
    live::Stage,
    office, recorder, session,
    stats::NodeStats,
};

/// How many shards.
pub(super) fn shards(config: &Config) -> u16 {
    match config.runtime.shards {
        0 => {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            u16::try_from(cores).unwrap_or(u16::MAX)
        }
        shards => shards,
    }
}

/// The limits of sessions.
pub(super) fn session(config: &Config) -> session::Settings {
    let limits = &config.limits;
    session::Settings {
        idle: limits.idle,
        message_bytes_max: limits.message_bytes_max,
        message_timeout: limits.message_timeout,
        messages_per_second: limits.messages_per_second,
        messages_burst: limits.burst(),
        topics_max: limits.topics_per_session_max,
        method_calls_max: limits.calls_per_session_max,
        pings: DialectId::ALL.map(|dialect| match config.dialect.mount(dialect).ping {
            Ping::Every(interval) => Some(interval),
            Ping::Off => None,
        }),
    }
}

/// The certificate, if there is one.
pub(super) fn tls(config: &Config) -> Result<Option<tls::Certified>, tls::TlsError> {
    let files = config.listen.tls.as_ref();
    files
        .map(|files| tls::load(&files.cert, &files.key))
        .transpose()
}

/// Tells how much the node may take, and how long its certificate is good.
pub(super) fn tell(config: &Config, tls: Option<&tls::Certified>, stats: &NodeStats) {
    let limits = &config.limits;
    stats.connections_max.set(limits.connections_max as u64);
    let outboxes_bytes_max = limits.outboxes_bytes_max as u64;
    stats.outboxes_bytes_max.set(outboxes_bytes_max);
    let expires_s = tls.map_or(0, |tls| tls.expires_s);
    stats.certificate_expires_s.set(expires_s);
}

/// The public listeners.
pub(super) fn ingress(
    config: &Config,
    tls: Option<tls::Certified>,
    mounted: &Mounted,
    tokens: &TokenEndpoint,
    applications: &Applications,
) -> ingress::Settings {
    let limits = &config.limits;
    ingress::Settings {
        mounts: mounts(config, mounted, applications),
        origins: config.listen.origins.clone(),
        trusted_proxies: config.listen.trusted_proxies.clone(),
        client_address: config.listen.client_address,
        proxy_protocol: config.listen.proxy_protocol,
        tls: tls.map(|tls| tls.config),
        page: page(config),
        endpoints: endpoints(config, tokens),
        header_bytes_max: limits.header_bytes_max,
        handshake_timeout: limits.handshake_timeout,
        handshakes_pending_max: limits.handshakes_pending_max,
        handshakes_per_second: limits.handshakes_per_second,
        connections_max: limits.connections_max,
        connections_per_address_max: limits.connections_per_address_max,
    }
}

/// What is no dialect.
fn endpoints(config: &Config, tokens: &TokenEndpoint) -> Vec<(&'static str, Arc<dyn Endpoint>)> {
    let mut endpoints: Vec<(&'static str, Arc<dyn Endpoint>)> = Vec::new();
    if config.dialect.im.mount.enabled {
        endpoints.push(("/IM/token", Arc::new(tokens.clone())));
    }
    endpoints
}

fn mounts(config: &Config, mounted: &Mounted, applications: &Applications) -> Mounts {
    let mut mounts = Mounts::default();
    for id in config.dialect.enabled() {
        let dialect: Arc<dyn Dialect> = match id {
            DialectId::Ride => Arc::new(Ride::new(ride(config))),
            DialectId::Device => Arc::new(Device::new(device(config, applications))),
            DialectId::Im => Arc::new(Im::new(im(config))),
            DialectId::Room => Arc::new(Room::new(room(config, applications))),
            DialectId::Live => Arc::new(Live::new(live(config, applications))),
        };
        for path in &config.dialect.mount(id).paths {
            mounts.mount(path, Arc::clone(&dialect));
        }
        if id == DialectId::Ride {
            mounts.mount_by_query("client_id", config.dialect.ride.any_path, dialect);
        }
    }
    for (path, dialect) in mounted {
        mounts.mount(path, Arc::clone(dialect));
    }
    mounts
}

/// The `ride` dialect.
pub(super) fn ride(config: &Config) -> ride::Settings {
    let ride = &config.dialect.ride;
    let backends = ride
        .backends
        .iter()
        .map(|(client_id, secret)| ride::Backend {
            client_id: client_id.as_str().into(),
            secret: secret.expose().into(),
        });
    ride::Settings {
        profile: ride.mount.profile,
        tokens: match ride.tokens {
            Some(RideTokens::Jwt | RideTokens::Hook) => ride::Tokens::Ask,
            Some(RideTokens::Any) | None => ride::Tokens::Any,
        },
        realm: ride.realm.as_deref().map(Into::into),
        backends: backends.collect(),
        login_timeout: ride.login_timeout,
    }
}

fn im(config: &Config) -> im::Settings {
    let im = &config.dialect.im;
    im::Settings {
        profile: im.mount.profile,
        sessions: im.sessions,
        coordinates: im.coordinates,
    }
}

fn device(config: &Config, applications: &Applications) -> device::Settings {
    let device = &config.dialect.device;
    device::Settings {
        profile: device.mount.profile,
        auth_timeout: device.auth_timeout,
        heartbeat: device.heartbeat,
        ping_limit: device.ping_limit,
        room_chars_max: config.limits.room_chars_max,
        offers: applications.offers(DialectId::Device),
    }
}

fn room(config: &Config, applications: &Applications) -> room::Settings {
    let room = &config.dialect.room;
    room::Settings {
        profile: room.mount.profile,
        mode: room.mode,
        reply: room.reply.as_str().into(),
        open: room.open.unwrap_or(config.development),
        believes: config.development,
        room_chars_max: config.limits.room_chars_max,
        offers: applications.offers(DialectId::Room),
    }
}

fn live(config: &Config, applications: &Applications) -> live::Settings {
    let live = &config.dialect.live;
    live::Settings {
        profile: live.mount.profile,
        receipts: live.receipts,
        passes: Arc::new(LivePasses::new(live)),
        builtins: Stage::builtins(),
        offers: applications.offers(DialectId::Live),
    }
}

/// The demo page, in development mode.
fn page(config: &Config) -> Option<ingress::Page> {
    let config = config.development.then(|| config.clone())?;
    let im_key = config.throw_away.page_key.clone();
    Some(ingress::Page::new(im_key, move |now| {
        let request = TokenRequest::Device {
            user: "demo".to_owned(),
            devices: vec!["d1".to_owned()],
            rooms: Vec::new(),
            publish: vec!["room:device/d1".to_owned()],
            ttl_seconds: TTL.as_secs(),
        };
        // Without a key of its own the page's device stays outside, which it shows.
        issue(&config, &request, now.unix_seconds()).unwrap_or_default()
    }))
}

/// Who gets which agent.
pub(super) fn service(config: &Config) -> office::Rules {
    let room = &config.dialect.room;
    office::Rules {
        strategy: match room.strategy {
            AgentStrategy::Hash => office::Strategy::Hash,
            AgentStrategy::LeastLoaded => office::Strategy::LeastLoaded,
            AgentStrategy::RoundRobin => office::Strategy::RoundRobin,
        },
        reassign_after: room.reassign_after,
        idle: room.service_idle,
    }
}

/// What is remembered of messages.
pub(super) fn recorder(config: &Config) -> recorder::Settings {
    recorder::Settings {
        sample: config.trace.sample.millionths(),
        bytes_max: config.trace.memory_bytes_max,
    }
}

/// How much of something the HTTP API takes and gives.
pub(super) fn admin(config: &Config) -> admin::Limits {
    admin::Limits {
        message_bytes_max: config.limits.message_bytes_max,
        history_page_max: config.limits.history_page_max,
    }
}
