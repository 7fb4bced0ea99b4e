//! The node as a whole: what is built from a configuration, served, and drained.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::{Config, ReloadSource},
    id::Member,
};

/// A node whose sockets are bound.
#[derive(Debug)]
pub struct App {
    public: Vec<TcpListener>,
    admin: TcpListener,
    member: Member,
}

/// Where a node listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The public listeners.
    pub public: Vec<SocketAddr>,
    /// The admin listener.
    pub admin: SocketAddr,
}

/// Why a node cannot start.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{key}: {address} cannot be bound")]
    Bind {
        key: &'static str,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// How a node ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ExitReport {
    /// Sessions that were cut, since they had not left in time.
    pub sessions_cut: u64,
}

/// Reads the configuration of a running node again.
#[derive(Clone, Debug)]
pub struct Reloader;

impl Reloader {
    /// Applies what can be applied, and logs what came of it.
    pub fn reload(&self) {}
}

impl App {
    /// Binds the sockets.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound.
    pub async fn build(config: Config, source: ReloadSource) -> Result<Self, BuildError> {
        let _ = source;
        let mut public = Vec::new();
        for address in &config.listen.public {
            public.push(bind("listen.public", *address).await?);
        }
        Ok(Self {
            public,
            admin: bind("listen.admin", config.listen.admin).await?,
            member: Member::new(config.node(), 1),
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        let address = |listener: &TcpListener| listener.local_addr().expect("it is bound");
        Addresses {
            public: self.public.iter().map(address).collect(),
            admin: address(&self.admin),
        }
    }

    /// Which life of which node it is.
    pub fn member(&self) -> &Member {
        &self.member
    }

    /// What reads its configuration again.
    pub fn reloader(&self) -> Reloader {
        Reloader
    }

    /// Serves until it is drained.
    pub async fn run(self, stop: CancellationToken, kill: CancellationToken) -> ExitReport {
        tokio::select! {
            () = stop.cancelled() => {}
            () = kill.cancelled() => {}
        }
        ExitReport::default()
    }
}

async fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, BuildError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BuildError::Bind {
            key,
            address,
            source,
        })
}
