//! An HTTP service of the test's own, which answers many at a time.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

/// What a service was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// In lower case, a line for each header.
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A status and a body.
pub(crate) type Answer = Pin<Box<dyn Future<Output = (u16, String)> + Send>>;

/// A service on a port of its own, until it is dropped.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    /// What it was asked, in order.
    pub(crate) asked: mpsc::UnboundedReceiver<Request>,
    /// Ends with it.
    _serving: JoinSet<()>,
}

// === impl Service ===

impl Service {
    /// Answers as it is told.
    pub(crate) async fn start(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (ask, asked) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut exchanges = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, ask) = (Arc::clone(&answer), ask.clone());
                exchanges.spawn(async move {
                    // Whoever is killed in the middle of a request asks nothing.
                    let _ = exchange(stream, &*answer, ask).await;
                });
            }
        });
        Self {
            address,
            asked,
            _serving: serving,
        }
    }

    /// Answers at once, as it is told.
    pub(crate) async fn prompt(
        answer: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |request| {
            let answer = answer(&request);
            Box::pin(async move { answer })
        })
        .await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/work", self.address)
    }
}

async fn exchange(
    stream: TcpStream,
    answer: &(impl Fn(Request) -> Answer + Send + Sync),
    ask: mpsc::UnboundedSender<Request>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&lower);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let request = Request {
        head,
        body: String::from_utf8(body).unwrap(),
    };
    // Nobody may care.
    let _ = ask.send(request.clone());
    let (status, content) = answer(request).await;
    let size = content.len();
    let text = format!(
        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {size}\r\n\r\n{content}"
    );
    stream.write_all(text.as_bytes()).await
}
