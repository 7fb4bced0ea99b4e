//! `tidegate token`: a credential to try a dialect with.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{Done, Failure, args::Token, control, pid::Entry};
use crate::{
    auth::issue::{IssueError, TokenRequest, issue},
    config::{Config, ReloadSource},
};

/// Makes it from the configuration, or lets the node make it that alone has the key.
pub(super) fn token(source: &ReloadSource, wanted: Token) -> Done {
    let request = request(wanted);
    request.check().map_err(Failure::wrong)?;
    let config = source.load().map_err(Failure::wrong)?;
    if is_of_the_node(&config, &request) {
        return ask(&config, &request);
    }
    let unix_seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    issue(&config, &request, unix_seconds).map_err(|error| match error {
        IssueError::Unusable { .. } => Failure::wrong(error),
        error => Failure::failed(error),
    })
}

fn request(wanted: Token) -> TokenRequest {
    match wanted {
        Token::Ride {
            client_id,
            token,
            ttl,
        } => TokenRequest::Ride {
            client_id,
            token,
            ttl_seconds: ttl.as_secs(),
        },
        Token::Im { id } => TokenRequest::Im { id },
        Token::Live {
            id,
            r#type,
            code,
            nickname,
            ttl,
        } => TokenRequest::Live {
            user: id,
            r#type,
            code,
            nickname,
            ttl_seconds: ttl.as_secs(),
        },
        Token::Device {
            user,
            device,
            room,
            publish,
            ttl,
        } => TokenRequest::Device {
            user,
            devices: device,
            rooms: room,
            publish,
            ttl_seconds: ttl.as_secs(),
        },
        Token::Room {
            user,
            room,
            agent,
            name,
            ttl,
        } => TokenRequest::Room {
            user,
            rooms: room,
            agent,
            name,
            ttl_seconds: ttl.as_secs(),
        },
    }
}

/// Whether the credential depends on something that only the running node knows.
fn is_of_the_node(config: &Config, request: &TokenRequest) -> bool {
    let made = &config.throw_away;
    match request {
        // Made by the node, or kept in Redis.
        TokenRequest::Im { .. } => {
            let im = &config.dialect.im;
            im.mount.enabled && !im.has_keys()
        }
        TokenRequest::Device { .. } => made.device_secret.is_some(),
        TokenRequest::Room { .. } => made.room_secret.is_some(),
        TokenRequest::Live { .. } => made.live_key.is_some(),
        TokenRequest::Ride { client_id, .. } => {
            let backends = &config.dialect.ride.backends;
            made.ride_backend.is_some() && backends.contains_key(client_id)
        }
    }
}

fn ask(config: &Config, request: &TokenRequest) -> Done {
    let path = config.pid_file.display();
    let entry = Entry::running(&config.pid_file).ok_or_else(|| {
        Failure::failed(format!(
            "no node runs here ({path}), and only a node knows the credentials that are not in the \
             configuration"
        ))
    })?;
    let body = serde_json::to_value(request).map_err(Failure::failed)?;
    let answer = control::request(&entry, "POST", "/api/process/token", Some(&body));
    let answer = answer.map_err(Failure::failed)?;
    match answer.body.get("token").and_then(serde_json::Value::as_str) {
        Some(token) if answer.is_success() => Ok(token.to_owned()),
        _ => Err(Failure::failed(answer.problem())),
    }
}
