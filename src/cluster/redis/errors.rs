//! What an error of Redis means to those who called.

use redis::{ErrorKind, FromRedisValue, RedisError, ServerErrorKind, Value};

use crate::cluster::streams::StreamsError;

/// Trying again is of no use.
pub(super) fn refused(text: impl Into<Box<str>>) -> StreamsError {
    StreamsError::Refused(text.into())
}

/// Trying again may help.
pub(super) fn unavailable(text: impl Into<Box<str>>) -> StreamsError {
    StreamsError::Unavailable(text.into())
}

/// A value as what it should be.
pub(super) fn from_value<T: FromRedisValue>(value: Value) -> Result<T, StreamsError> {
    T::from_redis_value(value).map_err(|_| unavailable("an answer that was not expected"))
}

/// What an error means. None of its texts contains anything of the configuration.
pub(super) fn meaning(error: &RedisError) -> StreamsError {
    use ServerErrorKind as S;
    let code = error.code().unwrap_or_default();
    if matches!(code, "NOGROUP" | "UNBLOCKED") {
        return StreamsError::Lost;
    }
    if matches!(code, "NOAUTH" | "WRONGPASS") {
        return refused("it refuses the user or the password");
    }
    if matches!(code, "OOM" | "MISCONF" | "NOREPLICAS") {
        return unavailable(format!("it takes nothing more: {code}"));
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => refused("it refuses the user or the password"),
        ErrorKind::InvalidClientConfig => refused("its address cannot be used"),
        ErrorKind::Server(S::NoPerm) => {
            let detail = error.detail().unwrap_or_default();
            refused(format!("its user may not do everything: {detail}"))
        }
        ErrorKind::Server(
            S::BusyLoading
            | S::Moved
            | S::Ask
            | S::TryAgain
            | S::ClusterDown
            | S::MasterDown
            | S::ReadOnly,
        )
        | ErrorKind::ClusterConnectionNotFound => unavailable(code),
        ErrorKind::Server(_) | ErrorKind::Extension => {
            let detail = error.detail().unwrap_or_default();
            refused(format!("{code} {detail}"))
        }
        _ => unavailable(error.category()),
    }
}
