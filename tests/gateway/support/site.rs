//! A web site of the test's own: serves pages to browsers, decides about logins.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use serde_json::Value;
use tokio::sync::mpsc;

/// A site on a port of its own. Its thread ends with the process.
pub(crate) struct Site {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// The bodies of the requests, in order.
pub(crate) type Asked = mpsc::UnboundedReceiver<String>;

/// A request as it has come.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Requests as they come.
pub(crate) type Requests = mpsc::UnboundedReceiver<Request>;

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

    /// Answers every request beside the others, which are told as they come.
    pub(crate) fn serve_all(
        self,
        answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Requests {
        let (ask, asked) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in self.listener.incoming() {
                let (ask, answer) = (ask.clone(), Arc::clone(&answer));
                thread::spawn(move || {
                    let stream = stream.unwrap();
                    if let Some(request) = read(&stream) {
                        let copy = Request {
                            head: request.head.clone(),
                            body: request.body.clone(),
                        };
                        // Nobody may care.
                        let _ = ask.send(copy);
                        respond(stream, answer(&request));
                    }
                });
            }
        });
        asked
    }
}

/// Answers one request. Gives its body, if it has one.
fn exchange(stream: TcpStream, answer: impl Fn(&str) -> (u16, String)) -> Option<String> {
    let request = read(&stream)?;
    respond(stream, answer(&request.body));
    (!request.body.is_empty()).then_some(request.body)
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut head = String::new();
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
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Request { head, body })
}

/// Whoever has asked may be gone.
fn respond(mut stream: TcpStream, (status, content): (u16, String)) {
    let size = content.len();
    let kind = if content.starts_with('{') {
        "application/json"
    } else {
        "text/html"
    };
    let _ = write!(
        stream,
        "HTTP/1.1 {status} x\r\ncontent-type: {kind}\r\nconnection: close\r\n\
         content-length: {size}\r\n\r\n{content}"
    );
}

impl Request {
    /// The value of a header, if it has it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The body, which is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
