//! Connections to single servers.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo, TlsCertificates,
    aio::{MultiplexedConnection, PubSub},
    cmd,
};

use super::{
    address::{Address, Host},
    errors::{at, meaning, refused},
};
use crate::cluster::streams::StreamsError;

/// The oldest major version that has what is used here.
const MAJOR_MIN: u32 = 7;
/// Longest time for a connection, its password and its version.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Commands that wait for a connection before callers have to.
const PIPELINE_BUFFER: usize = 1024;
/// Bytes that a connection collects before it writes them.
const WRITE_BOUNDARY: usize = 256 * 1024;

/// Connects to the servers of an address.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) address: Address,
    pub(super) ca: Option<Vec<u8>>,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(address: Address, ca: Option<Vec<u8>>) -> Self {
        Self { address, ca }
    }

    /// The hosts of the address, to be named in errors.
    pub(super) fn hosts(&self) -> String {
        let hosts: Vec<String> = self.address.hosts.iter().map(Host::to_string).collect();
        hosts.join(",")
    }

    /// Connects to a server, and looks at its version.
    pub(super) async fn connect(
        &self,
        host: &Host,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, StreamsError> {
        let connected = self.try_connect(host, response_timeout).await;
        connected.map_err(|error| at(host, error))
    }

    /// Connects to a Sentinel.
    pub(super) async fn connect_to_sentinel(
        &self,
        host: &Host,
    ) -> Result<MultiplexedConnection, StreamsError> {
        let url = self.address.sentinel_url(host);
        let connected = self.open(&url, CONNECT_TIMEOUT).await;
        connected.map_err(|error| at(host, error))
    }

    /// Connects to a server, to hear a channel there.
    pub(super) async fn connect_to_subscribe(&self, host: &Host) -> Result<PubSub, StreamsError> {
        let client = self.client(&self.address.url(host));
        let client = client.map_err(|error| at(host, error))?;
        let connected = client.get_async_pubsub().await;
        connected.map_err(|error| at(host, meaning(&error)))
    }

    async fn try_connect(
        &self,
        host: &Host,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, StreamsError> {
        let url = self.address.url(host);
        let mut connection = self.open(&url, response_timeout).await?;
        let mut info = cmd("INFO");
        let answer = info
            .arg("server")
            .query_async::<String>(&mut connection)
            .await;
        let info = answer.map_err(|error| meaning(&error))?;
        check_version(&info)?;
        Ok(connection)
    }

    async fn open(
        &self,
        url: &str,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, StreamsError> {
        let client = self.client(url)?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(response_timeout))
            .set_pipeline_buffer_size(PIPELINE_BUFFER)
            .set_write_backpressure_boundary(WRITE_BOUNDARY);
        let connecting = client.get_multiplexed_async_connection_with_config(&config);
        connecting.await.map_err(|error| meaning(&error))
    }

    /// Connected to nothing yet.
    fn client(&self, url: &str) -> Result<Client, StreamsError> {
        let info = url
            .into_connection_info()
            .map_err(|error| meaning(&error))?;
        let client = match &self.ca {
            Some(ca) if self.address.is_tls => {
                let certificates = TlsCertificates {
                    client_tls: None,
                    root_cert: Some(ca.clone()),
                };
                Client::build_with_tls(info, certificates)
            }
            _ => Client::open(info),
        };
        client.map_err(|error| meaning(&error))
    }
}

fn check_version(info: &str) -> Result<(), StreamsError> {
    let mut lines = info.lines();
    let version = lines.find_map(|line| line.strip_prefix("redis_version:"));
    let version = version.unwrap_or("unknown").trim();
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    match major {
        Some(major) if MAJOR_MIN <= major => Ok(()),
        _ => Err(refused(format!(
            "its version is {version}, expected 7.0 or newer"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_versions_are_refused_by_name() {
        assert_eq!(
            check_version("# Server\r\nredis_version:7.0.15\r\n"),
            Ok(())
        );
        let error = check_version("redis_version:6.2.14\r\n").unwrap_err();
        assert!(error.to_string().contains("6.2.14, expected 7.0"));
        assert!(check_version("").is_err());
    }
}
