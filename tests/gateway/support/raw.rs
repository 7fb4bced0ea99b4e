//! A client of our own, which does exactly what it is told, right or wrong.

use std::{io, net::SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Closed, Gateway, soon};

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// Key and answer of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// A TCP connection.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
    /// Read, but not yet looked at.
    read: Vec<u8>,
}

/// What came from the server.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Received {
    Frame {
        opcode: u8,
        payload: Vec<u8>,
    },
    /// The server said that nothing more will come.
    End,
    /// The connection was reset.
    Reset,
}

/// The answer to an HTTP request.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    head: String,
}

impl Raw {
    /// Opens a connection and says nothing.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            read: Vec::new(),
        }
    }

    /// Opens a connection that holds little on its way, so that whoever stops reading is soon
    /// noticed. The loopback's own buffers take megabytes.
    pub(crate) fn open_narrow(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_tcp_mss(1200).unwrap();
        socket.connect(&address.into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            stream: TcpStream::from_std(socket.into()).unwrap(),
            read: Vec::new(),
        }
    }

    /// Opens a connection and has it upgraded.
    pub(crate) async fn upgrade(gateway: &Gateway, path: &str) -> Self {
        let mut raw = Self::open(gateway.public()).await;
        raw.switch(path).await;
        raw
    }

    /// Like [`Self::upgrade`], narrow.
    pub(crate) async fn upgrade_narrow(gateway: &Gateway, path: &str) -> Self {
        let mut raw = Self::open_narrow(gateway.public());
        raw.switch(path).await;
        raw
    }

    /// An upgraded connection of the `ride` dialect that is logged in.
    pub(crate) async fn ride(gateway: &Gateway, client_id: &str, token: &str) -> Self {
        let path = format!("/ws/?client_id={client_id}&token={token}");
        let mut raw = Self::upgrade(gateway, &path).await;
        raw.ping_ride().await;
        raw
    }

    /// Like [`Self::ride`], narrow.
    pub(crate) async fn ride_narrow(gateway: &Gateway, client_id: &str, token: &str) -> Self {
        let path = format!("/ws/?client_id={client_id}&token={token}");
        let mut raw = Self::upgrade_narrow(gateway, &path).await;
        raw.ping_ride().await;
        raw
    }

    /// Goes once to the `ride` dialect and back.
    pub(crate) async fn ping_ride(&mut self) {
        self.text(r#"{"flag":"ping"}"#).await;
        assert_eq!(self.receive().await, text("pong"));
    }

    /// Asks for the upgrade and gets it.
    pub(crate) async fn switch(&mut self, path: &str) {
        self.write(request(path, &[]).as_bytes()).await;
        let response = self.response().await;
        assert_eq!(response.status, 101, "{response:?}");
        // Clients compare it as a whole.
        assert_eq!(response.header("connection"), Some("upgrade"));
        assert_eq!(response.header("sec-websocket-accept"), Some(ACCEPT));
    }

    /// Sends bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        soon("writing", self.stream.write_all(bytes)).await.unwrap();
    }

    /// Sends bytes to one who may refuse them half-way.
    pub(crate) async fn offer(&mut self, bytes: &[u8]) {
        let _ = soon("writing", self.stream.write_all(bytes)).await;
    }

    /// Sends a whole frame, masked as it should be.
    pub(crate) async fn frame(&mut self, opcode: u8, payload: &[u8]) {
        self.write(&frame(true, opcode, payload)).await;
    }

    /// Sends a text.
    pub(crate) async fn text(&mut self, text: &str) {
        self.frame(TEXT, text.as_bytes()).await;
    }

    /// The answer to an HTTP request. What stands behind it stays.
    pub(crate) async fn response(&mut self) -> Response {
        let end = loop {
            let end = self.read.windows(4).position(|part| part == b"\r\n\r\n");
            if let Some(end) = end {
                break end + 4;
            }
            assert_eq!(self.fill().await, None, "no whole answer");
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head }
    }

    /// The answer, unless the connection ends without one.
    pub(crate) async fn try_response(&mut self) -> Option<Response> {
        while !self.read.ends_with(b"\r\n\r\n") {
            if self.fill().await.is_some() {
                return None;
            }
        }
        Some(self.response().await)
    }

    /// What comes next from the server.
    pub(crate) async fn receive(&mut self) -> Received {
        loop {
            if let Some(frame) = self.take_frame() {
                return frame;
            }
            if let Some(end) = self.fill().await {
                return end;
            }
        }
    }

    /// How the connection ends. Nothing else may come before, and a Close is answered.
    pub(crate) async fn closed(&mut self) -> Closed {
        match self.receive().await {
            Received::Frame {
                opcode: CLOSE,
                payload,
            } => {
                let _ = self.stream.write_all(&frame(true, CLOSE, &payload)).await;
                let after = self.receive().await;
                assert!(matches!(after, Received::End | Received::Reset));
                match payload.split_at_checked(2) {
                    Some((code, text)) => Closed::Code(
                        u16::from_be_bytes([code[0], code[1]]),
                        String::from_utf8(text.to_vec()).unwrap(),
                    ),
                    None => Closed::Empty,
                }
            }
            Received::End | Received::Reset => Closed::Gone,
            frame => panic!("{frame:?} came before the end"),
        }
    }

    /// Skips the frames that were on their way, and says how the connection ends.
    pub(crate) async fn closed_after_frames(&mut self) -> (Vec<Vec<u8>>, Closed) {
        let mut frames = Vec::new();
        loop {
            match self.receive().await {
                Received::Frame {
                    opcode: TEXT,
                    payload,
                } => frames.push(payload),
                Received::Frame {
                    opcode: CLOSE,
                    payload,
                } => {
                    self.put_back(&unmasked(true, CLOSE, &payload));
                    return (frames, self.closed().await);
                }
                Received::End | Received::Reset => return (frames, Closed::Gone),
                frame => panic!("{frame:?} came before the end"),
            }
        }
    }

    fn put_back(&mut self, bytes: &[u8]) {
        self.read.splice(..0, bytes.iter().copied());
    }

    fn take_frame(&mut self) -> Option<Received> {
        let [first, second, rest @ ..] = &self.read[..] else {
            return None;
        };
        assert_eq!(second & 0x80, 0, "the server has masked a frame");
        assert_eq!(first & 0xf0, FIN, "the server has sent a fragment");
        let (length, rest) = match second {
            126 => (
                u64::from(u16::from_be_bytes(rest.get(..2)?.try_into().unwrap())),
                2,
            ),
            127 => (u64::from_be_bytes(rest.get(..8)?.try_into().unwrap()), 8),
            short => (u64::from(*short), 0),
        };
        let begin = 2 + rest;
        let end = begin + length as usize;
        let payload = self.read.get(begin..end)?.to_vec();
        let opcode = first & 0xf;
        self.read.drain(..end);
        Some(Received::Frame { opcode, payload })
    }

    /// Reads more. Says how the connection has ended, if it has.
    async fn fill(&mut self) -> Option<Received> {
        let mut buffer = [0; 16 * 1024];
        let read = soon("something to read", self.stream.read(&mut buffer)).await;
        match read {
            Ok(0) => Some(Received::End),
            Ok(count) => {
                self.read.extend_from_slice(&buffer[..count]);
                None
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Some(Received::Reset),
            Err(error) => panic!("{error}"),
        }
    }
}

impl Response {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// A text frame of the server.
pub(crate) fn text(text: &str) -> Received {
    Received::Frame {
        opcode: TEXT,
        payload: text.as_bytes().to_vec(),
    }
}

/// A request to upgrade, with `headers` beside the necessary ones.
pub(crate) fn request(path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n"
    );
    for (name, value) in headers {
        request += &format!("{name}: {value}\r\n");
    }
    request + "\r\n"
}

/// A masked frame.
pub(crate) fn frame(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(fin, opcode, 0x80, payload.len());
    bytes.extend_from_slice(&MASK);
    let masked = payload
        .iter()
        .zip(MASK.iter().cycle())
        .map(|(byte, mask)| byte ^ mask);
    bytes.extend(masked);
    bytes
}

/// A frame without a mask, which only servers may send.
pub(crate) fn unmasked(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(fin, opcode, 0, payload.len());
    bytes.extend_from_slice(payload);
    bytes
}

/// The header of a frame up to its mask, whatever the length says.
pub(crate) fn header(fin: bool, opcode: u8, masked: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![if fin { FIN } else { 0 } | opcode];
    match length {
        0..126 => bytes.push(masked | length as u8),
        126..0x1_0000 => {
            bytes.push(masked | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(masked | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    bytes
}
