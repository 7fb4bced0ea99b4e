//! The PROXY protocol, versions 1 and 2: a header with the client's address before everything else.
//!
//! The header is peeked at until it is complete and then read to its last byte, so that nothing of
//! what follows has to be carried along.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use ppp::{HeaderResult, v1, v2};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time};

/// Longest header: the 16 bytes of version 2 and what a sane proxy adds to them.
const HEADER_BYTES_MAX: usize = 1024;
/// Longest header of version 1, as its specification says.
const VERSION_1_BYTES_MAX: usize = 107;
/// Pause before peeking again at a header that has not come as a whole: peeking takes nothing away,
/// so that readiness says nothing new. The handshake's time limit ends it.
const PAUSE: Duration = Duration::from_millis(5);

/// Reads the header and gives the client's address: the peer's for a connection of the proxy itself.
///
/// # Errors
///
/// The header is missing, malformed or too long.
pub(super) async fn read(stream: &mut TcpStream, peer: SocketAddr) -> io::Result<IpAddr> {
    let mut buffer = [0; HEADER_BYTES_MAX];
    loop {
        let count = stream.peek(&mut buffer).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !is_whole(&buffer[..count]) && count < HEADER_BYTES_MAX {
            time::sleep(PAUSE).await;
            continue;
        }
        let header = HeaderResult::parse(&buffer[..count]);
        let (length, address) = parse(&header, peer)?;
        stream.read_exact(&mut buffer[..length]).await?;
        return Ok(address.to_canonical());
    }
}

/// Whether a header that begins like this is there to its end, or is none. The library takes some
/// beginnings for mistakes, so it is asked about whole headers only.
fn is_whole(bytes: &[u8]) -> bool {
    let begins = |prefix: &[u8]| bytes.starts_with(&prefix[..prefix.len().min(bytes.len())]);
    if begins(v2::PROTOCOL_PREFIX) {
        let length = bytes
            .get(14..16)
            .map(|length| u16::from_be_bytes([length[0], length[1]]));
        return length.is_some_and(|length| 16 + usize::from(length) <= bytes.len());
    }
    let is_version_1 = begins(b"PROXY ") && bytes.len() < VERSION_1_BYTES_MAX;
    !is_version_1 || bytes.windows(2).any(|pair| pair == b"\r\n")
}

/// Length of the header and the client's address.
fn parse(header: &HeaderResult<'_>, peer: SocketAddr) -> io::Result<(usize, IpAddr)> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "malformed PROXY header");
    match header {
        HeaderResult::V1(Ok(header)) => {
            let address = match header.addresses {
                v1::Addresses::Tcp4(addresses) => addresses.source_address.into(),
                v1::Addresses::Tcp6(addresses) => addresses.source_address.into(),
                v1::Addresses::Unknown => peer.ip(),
            };
            Ok((header.header.len(), address))
        }
        HeaderResult::V2(Ok(header)) => {
            let address = match (header.command, header.addresses) {
                (v2::Command::Proxy, v2::Addresses::IPv4(addresses)) => {
                    addresses.source_address.into()
                }
                (v2::Command::Proxy, v2::Addresses::IPv6(addresses)) => {
                    addresses.source_address.into()
                }
                _ => peer.ip(),
            };
            Ok((header.len(), address))
        }
        _ => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    use super::*;

    /// What is read of `bytes`, sent in pieces of `size`, and what is left behind the header.
    async fn check(bytes: &[u8], size: usize) -> (Result<String, io::ErrorKind>, Vec<u8>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        client.set_nodelay(true).unwrap();
        let (mut stream, peer) = listener.accept().await.unwrap();
        let bytes = bytes.to_vec();
        let sending = async move {
            for piece in bytes.chunks(size) {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            client.shutdown().await.unwrap();
            client
        };
        let (address, _client) = tokio::join!(read(&mut stream, peer), sending);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        let address = address.map(|address| address.to_string());
        (address.map_err(|error| error.kind()), rest)
    }

    fn version_2() -> Vec<u8> {
        let addresses = ([5, 6, 7, 8], [127, 0, 0, 1], 4711, 80);
        let addresses = v2::IPv4::new(addresses.0, addresses.1, addresses.2, addresses.3);
        v2::Builder::with_addresses(
            v2::Version::Two | v2::Command::Proxy,
            v2::Protocol::Stream,
            addresses,
        )
        .build()
        .unwrap()
    }

    #[tokio::test]
    async fn both_versions_name_the_client_and_leave_the_rest() {
        let version_1 = b"PROXY TCP4 5.6.7.8 127.0.0.1 4711 80\r\n".to_vec();
        for header in [version_1, version_2()] {
            for size in [1, 7, 1000] {
                let mut bytes = header.clone();
                bytes.extend_from_slice(b"GET /");
                let (address, rest) = check(&bytes, size).await;
                assert_eq!(address.as_deref(), Ok("5.6.7.8"));
                assert_eq!(rest, b"GET /");
            }
        }
    }

    #[test]
    fn no_beginning_of_a_header_is_taken_for_a_whole_one() {
        let version_1 = b"PROXY TCP4 5.6.7.8 127.0.0.1 4711 80\r\n".to_vec();
        for header in [version_1, version_2()] {
            for end in 1..header.len() {
                assert!(!is_whole(&header[..end]), "{end}");
            }
            assert!(is_whole(&header));
        }
        assert!(is_whole(b"GET / HTTP/1.1"));
        assert!(is_whole(&[b'x'; 3]));
        assert!(is_whole(&[b"PROXY ".to_vec(), vec![b'x'; 200]].concat()));
    }

    #[tokio::test]
    async fn a_connection_of_the_proxy_itself_has_its_own_address() {
        let (address, _) = check(b"PROXY UNKNOWN\r\n", 100).await;
        assert_eq!(address.as_deref(), Ok("127.0.0.1"));
    }

    #[tokio::test]
    async fn a_request_without_header_is_refused() {
        let (address, _) = check(b"GET / HTTP/1.1\r\n\r\n", 100).await;
        assert_eq!(address, Err(io::ErrorKind::InvalidData));
    }
}
