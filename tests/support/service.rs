//! An HTTP server of the test's own: what it was asked is known, and it answers as it is told.

use std::{
    collections::HashMap,
    future::Future,
    net::{Ipv4Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time,
};

use super::soon;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// What a service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By their names in lower case.
    headers: HashMap<String, String>,
    pub(crate) body: String,
    /// What it was answered, if that was at once.
    pub(crate) status: Option<u16>,
}

/// What a service answers: a status and a body, or where to go instead.
pub(crate) enum Reply {
    Now(u16, String),
    /// When there is one.
    Later(Pin<Box<dyn Future<Output = (u16, String)> + Send>>),
    /// None, for as long as the connection is there.
    Never,
}

/// A service on a port of its own, until it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// Known before they are answered: whoever knows the answer can look.
    asked: mpsc::UnboundedReceiver<Request>,
    /// Ends with it.
    _serving: JoinSet<()>,
}

// === impl Service ===

impl Service {
    /// Answers each request, as many at once as there are.
    pub(crate) fn start<A: Into<Reply>>(
        answer: impl Fn(&Request) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), answer)
    }

    /// The same, at an address where nobody listens.
    pub(crate) fn at<A: Into<Reply>>(
        address: SocketAddr,
        answer: impl Fn(&Request) -> A + Send + Sync + 'static,
    ) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(BACKLOG).unwrap();
        let address = listener.local_addr().unwrap();
        let (ask, asked) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut exchanges = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, ask) = (Arc::clone(&answer), ask.clone());
                exchanges.spawn(async move {
                    exchange(stream, |request| answer(request).into(), ask).await
                });
            }
        });
        Self {
            address,
            asked,
            _serving: serving,
        }
    }

    /// Takes everything, and says nothing.
    pub(crate) fn taking() -> Self {
        Self::start(|_| (204, ""))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request, which has to come soon.
    pub(crate) async fn next(&mut self) -> Request {
        soon("a request", self.asked.recv()).await.unwrap()
    }

    /// The next request, if one comes in time.
    pub(crate) async fn next_within(&mut self, limit: Duration) -> Option<Request> {
        let asked = time::timeout(limit, self.asked.recv()).await;
        asked.ok().flatten()
    }

    /// The next request, if it is there.
    pub(crate) fn try_next(&mut self) -> Option<Request> {
        self.asked.try_recv().ok()
    }
}

// === impl Reply ===

impl Reply {
    pub(crate) fn later(answer: impl Future<Output = (u16, String)> + Send + 'static) -> Self {
        Self::Later(Box::pin(answer))
    }
}

impl<S: Into<String>> From<(u16, S)> for Reply {
    fn from((status, body): (u16, S)) -> Self {
        Self::Now(status, body.into())
    }
}

// === impl Request ===

impl Request {
    /// The value of a header, if it has it.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body, which is JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// Answers one request after another, until the connection ends: whoever is killed in the middle of a
/// request asks nothing.
async fn exchange(
    stream: TcpStream,
    answer: impl Fn(&Request) -> Reply,
    ask: mpsc::UnboundedSender<Request>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = read(&mut stream).await?;
        let answer = answer(&request);
        if let Reply::Now(status, _) = answer {
            request.status = Some(status);
        }
        // Nobody may care.
        let _ = ask.send(request);
        let (status, content) = match answer {
            Reply::Now(status, content) => (status, content),
            Reply::Later(answer) => answer.await,
            Reply::Never => {
                let read = stream.read_to_end(&mut Vec::new()).await;
                return read.ok().map(drop);
            }
        };
        let kind = match content.starts_with('<') {
            true => "text/html",
            false => "application/json",
        };
        let size = content.len();
        let location = match status {
            300..400 => format!("location: {content}\r\n"),
            _ => String::new(),
        };
        let text = format!(
            "HTTP/1.1 {status} x\r\n{location}content-type: {kind}\r\ncontent-length: {size}\r\n\r\n{content}"
        );
        stream.write_all(text.as_bytes()).await.ok()?;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    assert_eq!(words.next(), Some("HTTP/1.1"));
    let mut headers = HashMap::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length");
    let length = length.map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        method,
        path,
        headers,
        body: String::from_utf8(body).unwrap(),
        status: None,
    })
}
