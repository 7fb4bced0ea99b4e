//! Talks to the admin listener of a node on this machine: one request, one connection, nothing that
//! needs a runtime.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

use super::pid::Entry;

/// A node that is busy still answers a handful of small requests.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer. Those of a node have a few hundred bytes.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// What the node answered.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// The JSON; null when it is none.
    pub(super) body: Value,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("the admin listener {address} does not answer: {source}")]
pub(super) struct ControlError {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Asks the node that `entry` is about.
pub(super) fn request(
    entry: &Entry,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<Answer, ControlError> {
    let address = reachable(entry.admin);
    exchange(address, entry, method, path, body).map_err(|source| ControlError { address, source })
}

/// Who listens everywhere is reached over the loopback.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn exchange(
    address: SocketAddr,
    entry: &Entry,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    // With 1.0 the answer ends with the connection, whatever its framing would have been.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        entry.control.expose(),
        body.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    parse(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no HTTP answer"))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status_line = head.lines().next()?;
    let status = status_line
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    let body = serde_json::from_slice(&answer[end + 4..]).unwrap_or_default();
    Some(Answer { status, body })
}

impl Answer {
    /// Whether the node did what it was asked for.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Why it did not, as well as can be said: problem details, or the bare status.
    pub(super) fn problem(&self) -> String {
        let text = |key| self.body.get(key).and_then(Value::as_str);
        match text("detail").or_else(|| text("title")) {
            Some(problem) => problem.to_owned(),
            None => format!("the node answers with status {}", self.status),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::{net::TcpListener, thread};

    use serde_json::json;

    use super::*;
    use crate::config::Secret;

    /// An admin listener that answers one request, and what that one was.
    pub(in crate::cli) fn answering(answer: &'static str) -> (Entry, thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = listener.local_addr().unwrap();
        let thread = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let mut chunk = [0; 4096];
            loop {
                let length = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..length]);
                if complete(&request) {
                    break;
                }
            }
            stream.write_all(answer.as_bytes()).unwrap();
            String::from_utf8(request).unwrap()
        });
        let entry = Entry::own(admin, "gw-1.1".to_owned(), Secret::new("s3cret"));
        (entry, thread)
    }

    fn complete(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return false;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        length.unwrap().parse::<usize>().unwrap() <= body.len()
    }

    #[test]
    fn a_request_shows_the_secret_and_understands_the_answer() {
        let answer = "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"token\":\"t\"}";
        let (entry, thread) = answering(answer);
        let body = json!({"dialect": "device"});
        let answer = request(&entry, "POST", "/api/process/token", Some(&body)).unwrap();
        assert!(answer.is_success());
        assert_eq!(answer.body, json!({"token": "t"}));
        let request = thread.join().unwrap();
        assert!(request.starts_with("POST /api/process/token HTTP/1.0\r\n"));
        assert!(request.contains("\r\nAuthorization: Bearer s3cret\r\n"));
        assert!(request.ends_with("\r\n\r\n{\"dialect\":\"device\"}"));
    }

    #[test]
    fn a_problem_is_told_in_the_words_of_the_node() {
        let answer = "HTTP/1.1 422 Unprocessable\r\n\r\n{\"title\":\"Bad\",\"detail\":\"no user\"}";
        let (entry, _thread) = answering(answer);
        let answer = request(&entry, "GET", "/", None).unwrap();
        assert!(!answer.is_success());
        assert_eq!(answer.problem(), "no user");

        let (entry, _thread) = answering("HTTP/1.1 500 Oops\r\n\r\n<html>");
        let answer = request(&entry, "GET", "/", None).unwrap();
        assert_eq!(answer.problem(), "the node answers with status 500");
    }

    #[test]
    fn no_listener_and_no_http_are_errors() {
        let (mut entry, _thread) = answering("SSH-2.0\r\n\r\n");
        assert!(request(&entry, "GET", "/", None).is_err());
        // Nobody listens on the reserved port.
        entry.admin.set_port(1);
        assert!(request(&entry, "GET", "/", None).is_err());
    }

    #[test]
    fn who_listens_everywhere_is_reached_over_the_loopback() {
        for (bound, reached) in [
            ("0.0.0.0:5", "127.0.0.1:5"),
            ("[::]:5", "[::1]:5"),
            ("10.0.0.1:5", "10.0.0.1:5"),
        ] {
            assert_eq!(reachable(bound.parse().unwrap()), reached.parse().unwrap());
        }
    }
}
