//! MySQL and MariaDB: a pool of connections, and what becomes of calls while the server is away.
//!
//! **Invariant:** every call ends in time, and a connection whose call has not ended is not used
//! again: what the server still answers on it is nobody's.

mod errors;
mod messages;
mod migrations;
mod orders;
mod sayings;

use std::{
    fmt,
    str::FromStr as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use sqlx::{
    Executor as _, MySql, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlPool, MySqlPoolOptions},
    pool::PoolConnection,
};
use tokio::time;

use self::{errors::Failure, migrations::Migrations};
pub use self::{messages::MysqlMessages, orders::MysqlOrders, sayings::MysqlSayings};
use super::StoreError;

/// Most connections of a node.
const CONNECTIONS_MAX: u32 = 8;
/// How long a call waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest time of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(9);
/// What each connection is told first, whatever the server's own settings are: what does not fit is an
/// error and not cut; a row that is read without a lock keeps nobody from writing.
const SETTINGS: &str = "SET SESSION \
    sql_mode = 'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO', \
    SESSION innodb_lock_wait_timeout = 2; \
    SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// A database on a server, which may be away. Cheap to clone.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    pool: MySqlPool,
    migrations: Migrations,
    legacy_ms: AtomicU64,
}

/// Why a server cannot be used as it is configured. The messages hold no password.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MysqlError {
    #[error("is no address of a database, expected mysql://user:password@host/database: {0}")]
    Url(Box<str>),
    #[error("the database refuses it: {0}")]
    Refused(Box<str>),
}

/// A connection for one call. Unless it is given back it is closed.
struct Lease(Option<PoolConnection<MySql>>);

// === impl Server ===

impl Server {
    /// The database at this address, `mysql://user:password@host:port/database`, whose parameters are
    /// those of `sqlx`: `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`. Connects when the first
    /// call comes.
    ///
    /// # Errors
    ///
    /// [`MysqlError::Url`].
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime, which keeps the connections.
    pub fn connect(url: &str) -> Result<Self, MysqlError> {
        use sqlx::ConnectOptions as _;
        // Each connection's first words, whatever the address says.
        let options = options(url)?
            .timezone(Some("+00:00".to_owned()))
            .charset("utf8mb4")
            .disable_statement_logging();
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS_MAX)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(sqlx::raw_sql(SETTINGS)).await?;
                    Ok(())
                })
            })
            .connect_lazy_with(options);
        Ok(Self(Arc::new(Inner {
            pool,
            migrations: Migrations::default(),
            legacy_ms: AtomicU64::new(0),
        })))
    }

    /// Makes the tables, or brings them to what this version needs, unless that was done. It goes on
    /// when the caller does not wait for it. Says how new the newest row is that is older than Tidegate,
    /// in milliseconds.
    async fn migrated(&self) -> Result<u64, Failure> {
        let legacy_ms = self.0.migrations.done(&self.0.pool).await?;
        Ok(legacy_ms.max(self.0.legacy_ms.load(Relaxed)))
    }

    /// A row that is older than Tidegate was inserted by this node.
    fn has_legacy(&self, time_ms: u64) {
        self.0.legacy_ms.fetch_max(time_ms, Relaxed);
    }

    async fn lease(&self) -> Result<Lease, Failure> {
        Lease::of(&self.0.pool).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

// === impl Lease ===

impl Lease {
    async fn of(pool: &MySqlPool) -> Result<Self, Failure> {
        Ok(Self(Some(pool.acquire().await?)))
    }

    fn connection(&mut self) -> &mut MySqlConnection {
        self.0.as_mut().expect("it was not given back")
    }

    /// The call has ended.
    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            // Back in the pool it would be waited for, for as long as a server is away that does not
            // say so.
            drop(connection.detach());
        }
    }
}

/// Whether this can be the address of a database. Nobody is asked.
///
/// # Errors
///
/// [`MysqlError::Url`].
pub fn check_url(url: &str) -> Result<(), MysqlError> {
    options(url).map(drop)
}

fn options(url: &str) -> Result<MySqlConnectOptions, MysqlError> {
    let options = MySqlConnectOptions::from_str(url);
    let options = options.map_err(|error| MysqlError::Url(errors::text(&error)))?;
    match options.get_database() {
        Some(_) => Ok(options),
        None => Err(MysqlError::Url("it names no database".into())),
    }
}

async fn in_time<T>(call: impl Future<Output = Result<T, Failure>>) -> Result<T, StoreError> {
    match time::timeout(CALL_TIMEOUT, call).await {
        Ok(done) => done.map_err(StoreError::from),
        Err(_) => Err(StoreError::Unavailable("no answer in time".into())),
    }
}
