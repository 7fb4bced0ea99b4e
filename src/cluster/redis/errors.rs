//! What an error of Redis means to those who called.
//!
//! **Invariant:** no text contains anything of the configuration, or of what was sent.

use redis::{ErrorKind, FromRedisValue, RedisError, ServerError, Value};

use super::address::Host;
use crate::cluster::streams::StreamsError;

/// Trying again is of no use.
pub(super) fn refused(text: impl Into<Box<str>>) -> StreamsError {
    StreamsError::Refused(text.into())
}

/// Trying again may help.
pub(super) fn unavailable(text: impl Into<Box<str>>) -> StreamsError {
    StreamsError::Unavailable(text.into())
}

/// The error, with the server whose it is.
pub(super) fn at(host: &Host, error: StreamsError) -> StreamsError {
    match error {
        StreamsError::Lost => StreamsError::Lost,
        StreamsError::Refused(text) => refused(format!("{host}: {text}")),
        StreamsError::Unavailable(text) => unavailable(format!("{host}: {text}")),
    }
}

/// An answer that no server should give.
pub(super) fn unexpected() -> StreamsError {
    unavailable("an answer that was not expected")
}

/// A value as what it should be.
pub(super) fn from_value<T: FromRedisValue>(value: Value) -> Result<T, StreamsError> {
    T::from_redis_value(value).map_err(|_| unexpected())
}

/// What an error means; of several in one pipeline, what the first one does.
pub(super) fn meaning(error: &RedisError) -> StreamsError {
    // The error of a pipeline tells neither code nor text by itself.
    let answers = error.clone().into_server_errors();
    if let Some(answers) = answers.as_deref()
        && let Some((_, answer)) = answers.first()
    {
        return match answer.code() {
            "NOPERM" => not_permitted(answers.iter().map(|(_, answer)| answer)),
            code => of_answer(code, answer.details().unwrap_or_default()),
        };
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed => refused(WRONG_PASSWORD),
        ErrorKind::InvalidClientConfig => refused("its address cannot be used"),
        _ if error.is_connection_refusal() => unavailable("nobody listens there"),
        _ if error.is_timeout() => unavailable("no answer in time"),
        _ if error.is_connection_dropped() => unavailable("the connection has ended"),
        _ => unavailable(error.category()),
    }
}

/// Everything that the user may not do of what was asked for.
fn not_permitted<'a>(answers: impl Iterator<Item = &'a ServerError>) -> StreamsError {
    let answers = answers.filter(|answer| answer.code() == "NOPERM");
    let mut texts: Vec<&str> = answers.filter_map(ServerError::details).collect();
    texts.dedup();
    of_answer("NOPERM", &texts.join("; "))
}

const WRONG_PASSWORD: &str = "it refuses the user or the password";

/// What a server means that answers with this code and text.
fn of_answer(code: &str, text: &str) -> StreamsError {
    match code {
        "NOGROUP" => StreamsError::Lost,
        // Also what a primary says that has become a replica, or whose client was unblocked by hand.
        "UNBLOCKED" if text.contains("no longer exists") => StreamsError::Lost,
        "NOAUTH" | "WRONGPASS" => refused(WRONG_PASSWORD),
        "NOPERM" => refused(format!("its user may not do everything: {text}")),
        "OOM" | "MISCONF" | "NOREPLICAS" => unavailable(format!("it takes nothing more: {code}")),
        "UNBLOCKED" | "LOADING" | "BUSY" | "MOVED" | "ASK" | "TRYAGAIN" | "CLUSTERDOWN"
        | "MASTERDOWN" | "READONLY" => unavailable(code),
        "ERR" if text.starts_with("max number of clients") => {
            unavailable("it has too many connections")
        }
        _ => {
            // What follows is what was sent.
            let text = text.split(", with args").next().unwrap_or_default();
            refused(format!("{code} {text}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_they_should() {
        let gone = "the stream key no longer exists";
        let demoted = "force unblock from blocking operation, instance state changed";
        let lost = [("NOGROUP", "No such key"), ("UNBLOCKED", gone)];
        for (code, text) in lost {
            assert_eq!(of_answer(code, text), StreamsError::Lost);
        }
        let again = [
            ("UNBLOCKED", demoted),
            ("READONLY", "You can't write against a read only replica."),
            ("MOVED", "3999 127.0.0.1:6381"),
            ("OOM", "command not allowed when used memory > 'maxmemory'."),
            ("ERR", "max number of clients reached"),
        ];
        for (code, text) in again {
            let meaning = of_answer(code, text);
            assert!(
                matches!(meaning, StreamsError::Unavailable(_)),
                "{meaning:?}"
            );
        }
        for code in ["WRONGPASS", "NOAUTH", "NOPERM", "ERR", "BUSYGROUP"] {
            let meaning = of_answer(code, "no");
            assert!(matches!(meaning, StreamsError::Refused(_)), "{meaning:?}");
        }
    }

    #[test]
    fn what_was_sent_is_not_told() {
        let text = "unknown command 'AUTH', with args beginning with: 'user' 'secret' ";
        assert!(!of_answer("ERR", text).to_string().contains("secret"));
    }
}
