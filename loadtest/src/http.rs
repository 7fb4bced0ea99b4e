//! Asking the admin listener of a node, one blocking request per connection.

pub mod answers;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// More than the metrics of a node; without a limit another server could fill the memory.
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its body, chunk sizes included if the server sends chunks.
    pub body: String,
}

/// Asks for a path. The time-out is that of each step.
///
/// # Errors
/// What the system reports, and [`io::ErrorKind::InvalidData`] for an answer that is none.
pub fn get(to: SocketAddr, path: &str, timeout: Duration) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n\r\n");
    exchange(to, &request, timeout)
}

/// Posts JSON to a path, with an API key. The time-out is that of each step.
///
/// # Errors
/// Those of [`get`].
pub fn post(
    to: SocketAddr,
    path: &str,
    key: &str,
    body: &str,
    timeout: Duration,
) -> io::Result<Answer> {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    exchange(to, &request, timeout)
}

/// Puts to a path, with an API key and nothing else. The time-out is that of each step.
///
/// # Errors
/// Those of [`get`].
pub fn put(to: SocketAddr, path: &str, key: &str, timeout: Duration) -> io::Result<Answer> {
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
         Content-Length: 0\r\n\r\n"
    );
    exchange(to, &request, timeout)
}

fn exchange(to: SocketAddr, request: &str, timeout: Duration) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&to, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    parse(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Answer {
        status,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_and_body_are_read() {
        let answer =
            parse(b"HTTP/1.1 503 Service Unavailable\r\na: b\r\n\r\nnot\r\n\r\nyet").unwrap();
        assert_eq!((answer.status, &*answer.body), (503, "not\r\n\r\nyet"));
        assert!(parse(b"HTTP/1.1 200").is_none());
        assert!(parse(b"SSH-2.0\r\n\r\n").is_none());
    }
}
