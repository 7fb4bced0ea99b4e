//! The opening handshake of RFC 6455, both sides of it, reduced to what a load generator needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::client::Loss;

/// One key for all connections: the sample of RFC 6455, section 1.3, so that the answer is known in advance.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// More than any server sends; without a limit a server of another protocol would fill the memory.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Appends the request that asks for the upgrade; `headers` are further whole lines, without line ends.
pub fn request(out: &mut Vec<u8>, path: &str, host: &str, headers: &[String]) {
    out.extend_from_slice(
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        )
        .as_bytes(),
    );
    for line in headers {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

/// The length of the head within `bytes`, its empty line included; `None` while it is incomplete.
#[must_use]
pub fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|at| at + 4)
}

/// Judges the head of the server's answer.
///
/// # Errors
/// [`Loss::Rejected`] with the status and the seconds of `Retry-After` when it is not 101, [`Loss::Handshake`] when it is no answer to our key.
pub fn check_response(head: &[u8]) -> Result<(), Loss> {
    let text = String::from_utf8_lossy(head);
    let status = text
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(|digits| digits.parse::<u16>().ok())
        .ok_or(Loss::Handshake)?;
    if status != 101 {
        let retry_after = header(&text, "retry-after").and_then(|value| value.parse().ok());
        return Err(Loss::Rejected(status, retry_after));
    }
    match header(&text, "sec-websocket-accept") {
        Some(ACCEPT) => Ok(()),
        _ => Err(Loss::Handshake),
    }
}

/// The answer of a server to a request head, and the path that was asked for; `None` when it is no upgrade.
#[must_use]
pub fn respond(head: &[u8]) -> Option<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let path = text.strip_prefix("GET ")?.split(' ').next()?.to_owned();
    let key = header(&text, "sec-websocket-key")?;
    let digest = Sha1::digest(format!("{key}{ACCEPT_GUID}"));
    let accept = STANDARD.encode(digest);
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    Some((path, answer))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_request_is_answered_with_what_we_accept() {
        let mut head = Vec::new();
        request(
            &mut head,
            "/ws/?client_id=1",
            "127.0.0.1:80",
            &["Origin: http://a".to_owned()],
        );
        assert_eq!(head_len(&head), Some(head.len()));
        let (path, answer) = respond(&head).unwrap();
        assert_eq!(path, "/ws/?client_id=1");
        assert_eq!(check_response(answer.as_bytes()), Ok(()));
    }

    #[test]
    fn refusals_keep_their_status() {
        assert_eq!(
            check_response(b"HTTP/1.1 403 Forbidden\r\n\r\n"),
            Err(Loss::Rejected(403, None))
        );
        assert_eq!(
            check_response(b"HTTP/1.1 503 Busy\r\nretry-after: 2\r\n\r\n"),
            Err(Loss::Rejected(503, Some(2)))
        );
        assert_eq!(
            check_response(b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: no\r\n\r\n"),
            Err(Loss::Handshake)
        );
        assert_eq!(
            check_response(b"SSH-2.0-OpenSSH\r\n\r\n"),
            Err(Loss::Handshake)
        );
    }

    #[test]
    fn an_incomplete_head_has_no_length() {
        assert_eq!(head_len(b"HTTP/1.1 101 X\r\n"), None);
        assert_eq!(head_len(b"a\r\n\r\nrest"), Some(5));
    }
}
