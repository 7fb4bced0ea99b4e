//! What the server's errors mean.

use std::io::ErrorKind;

use sqlx::mysql::MySqlDatabaseError;

use crate::store::{RecordId, StoreError};

/// Numbers of errors, the same with MySQL and MariaDB.
pub(super) const NO_SUCH_TABLE: u16 = 1146;
pub(super) const ILLEGAL_MIX: u16 = 1267;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;
const PACKET_TOO_LARGE: u16 = 1153;
const VALUE_IS_NULL: u16 = 1048;
const VALUE_IS_WRONG: u16 = 1366;
const CHECK_FAILED: [u16; 2] = [3819, 4025];
/// Nothing but another configuration helps: of the client's address, its rights, its password.
const REFUSALS: [u16; 11] = [
    1044, 1045, 1049, 1130, 1142, 1143, 1227, 1251, 1370, 1698, 3118,
];
/// Class of the errors of data, in the first two characters of the state.
const DATA_STATE: &str = "22";

/// Why a call came to nothing.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another time it may be different.
    Away(Box<str>),
    /// Nothing but another configuration helps.
    Refused(Box<str>),
    /// Somebody else's transaction was in the way.
    Again(Box<str>),
    /// What was to be stored does not fit.
    Data(Box<str>),
    /// This record does not fit.
    Poison(RecordId, Box<str>),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let text = text(&error);
        match &error {
            sqlx::Error::Database(_) => match number(&error) {
                Some(LOCK_WAIT_TIMEOUT | DEADLOCK) => Self::Again(text),
                Some(number) if REFUSALS.contains(&number) => Self::Refused(text),
                Some(number) if is_of_data(number, &error) => Self::Data(data(&error)),
                _ => Self::Away(text),
            },
            sqlx::Error::Tls(_) | sqlx::Error::Configuration(_) => Self::Refused(text),
            // So a certificate is refused that was not expected.
            sqlx::Error::Io(error) if error.kind() == ErrorKind::InvalidData => Self::Refused(text),
            _ => Self::Away(text),
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Away(text)
            | Failure::Refused(text)
            | Failure::Again(text)
            | Failure::Data(text) => Self::Unavailable(text),
            Failure::Poison(id, reason) => Self::Poison { id, reason },
        }
    }
}

/// The number of a server's error.
pub(super) fn number(error: &sqlx::Error) -> Option<u16> {
    of_server(error).map(MySqlDatabaseError::number)
}

/// What there is to say about an error. None has a password in it: the server knows none, and `sqlx`
/// names none.
pub(super) fn text(error: &sqlx::Error) -> Box<str> {
    match error {
        sqlx::Error::Database(error) => error.to_string().into(),
        sqlx::Error::PoolTimedOut => "no connection in time".into(),
        sqlx::Error::Configuration(error) | sqlx::Error::Tls(error) => error.to_string().into(),
        other => other.to_string().into(),
    }
}

/// The message of such an error may have the data in it, which is not for logs.
fn data(error: &sqlx::Error) -> Box<str> {
    let Some(error) = of_server(error) else {
        return "a value does not fit".into();
    };
    let state = error.code().unwrap_or("unknown");
    format!("a value does not fit: error {} ({state})", error.number()).into()
}

fn of_server(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

fn is_of_data(number: u16, error: &sqlx::Error) -> bool {
    let state = of_server(error).and_then(MySqlDatabaseError::code);
    [PACKET_TOO_LARGE, VALUE_IS_NULL, VALUE_IS_WRONG].contains(&number)
        || CHECK_FAILED.contains(&number)
        || state.is_some_and(|state| state.starts_with(DATA_STATE))
}
