//! A web site of the test's own: serves pages to browsers, decides about logins.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use tokio::sync::mpsc;

/// A site on a port of its own. Its thread ends with the process.
pub(crate) struct Site {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// The bodies of the requests, in order.
pub(crate) type Asked = mpsc::UnboundedReceiver<String>;

impl Site {
    /// Has an address, but answers nobody yet.
    pub(crate) fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// Answers each request, given its body, with a status and a body; one after another.
    pub(crate) fn serve(
        self,
        answer: impl Fn(&str) -> (u16, String) + Send + 'static,
    ) -> (SocketAddr, Asked) {
        let (ask, asked) = mpsc::unbounded_channel();
        let Self { listener, address } = self;
        thread::spawn(move || {
            for stream in listener.incoming() {
                if let Some(body) = exchange(stream.unwrap(), &answer) {
                    // Nobody may care.
                    let _ = ask.send(body);
                }
            }
        });
        (address, asked)
    }
}

/// Answers one request. Gives its body, if it has one.
fn exchange(mut stream: TcpStream, answer: impl Fn(&str) -> (u16, String)) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    let (status, content) = answer(&body);
    let size = content.len();
    let kind = if content.starts_with('{') {
        "application/json"
    } else {
        "text/html"
    };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\nconnection: close\r\n\
         content-length: {size}\r\n\r\n{content}"
    )
    .ok()?;
    (0 < length).then_some(body)
}
