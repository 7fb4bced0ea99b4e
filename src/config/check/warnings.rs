//! What is allowed, and yet may be regretted.

use crate::config::{Config, LiveAuth, Secret, TokenKey};

/// Shorter secrets can be guessed offline from one token that was signed with them.
const SECRET_BYTES_MIN: usize = 16;

/// One line for each.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if config.cluster.redis.is_some() && config.store.url.expose().starts_with("sqlite://") {
        warnings.push(
            "store.url: is a SQLite file, which only nodes on the same machine can share"
                .to_owned(),
        );
    }
    if config.limits.outbox_bytes_max < config.limits.message_bytes_max {
        warnings.push(
            "limits.outbox_bytes_max: is less than limits.message_bytes_max, so that receivers of \
             the longest messages are closed as slow"
                .to_owned(),
        );
    }
    if config.drain.grace <= config.drain.delay {
        warnings.push(
            "drain.grace: is not longer than drain.delay, so that sessions are cut at once"
                .to_owned(),
        );
    }
    for key in &config.api.keys {
        if key.scopes.is_empty() {
            warnings.push("api.keys: a key without scopes may do nothing".to_owned());
        }
    }
    let live = &config.dialect.live;
    if live.mount.enabled && live.auth == LiveAuth::TripleDes && !config.development {
        warnings.push(
            "dialect.live.auth: is \"3des\", a legacy cipher that keeps nobody from putting \
             credentials together from parts of others; \"jwt\" is the better way"
                .to_owned(),
        );
    }
    if !config.development {
        let room = &config.dialect.room;
        if room.mount.enabled && room.open == Some(true) {
            warnings.push(
                "dialect.room.open: is true, so that anybody may join every room that has no meaning"
                    .to_owned(),
            );
        }
        warnings.extend(short_secrets(config));
    }
    warnings
}

fn short_secrets(config: &Config) -> impl Iterator<Item = String> {
    let signing = |key: &'static str, keys: &[TokenKey]| {
        let secrets = keys.iter().filter_map(|key| key.secret.clone());
        secrets.map(|secret| (key, secret)).collect::<Vec<_>>()
    };
    let api = config
        .api
        .keys
        .iter()
        .map(|key| ("api.keys", key.key.clone()));
    let ride = &config.dialect.ride;
    let backends = ride.backends.values();
    let backends = backends.map(|secret| ("dialect.ride.backends", secret.clone()));
    api.chain(backends)
        .chain(signing("dialect.ride.keys", &ride.keys))
        .chain(signing("dialect.room.keys", &config.dialect.room.keys))
        .chain(signing("dialect.live.keys", &config.dialect.live.keys))
        .chain(signing("dialect.device.keys", &config.dialect.device.keys))
        .filter(|(_, secret): &(&str, Secret)| secret.expose().len() < SECRET_BYTES_MIN)
        .map(|(key, _)| {
            format!(
                "{key}: has a secret of less than {SECRET_BYTES_MIN} bytes, which can be guessed"
            )
        })
}
