//! An application that is told of happenings: a real HTTP server that keeps what it hears.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use serde_json::Value;
use tokio::sync::mpsc;

/// What an application hears of one request.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) path: String,
    /// By their names in small letters.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) text: String,
    pub(crate) body: Value,
    /// What it was answered.
    pub(crate) status: u16,
}

/// What an application answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// Nothing, for as long as the connection is there.
    Nothing,
    Status(u16),
}

/// An application that listens.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    heard: mpsc::UnboundedReceiver<Heard>,
}

// === impl Receiver ===

impl Receiver {
    /// Answers each request, as many at once as there are.
    pub(crate) fn start(answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(TcpListener::bind("127.0.0.1:0").unwrap(), answer)
    }

    /// Takes everything.
    pub(crate) fn taking() -> Self {
        Self::start(|_| Answer::Status(204))
    }

    /// Listens at an address where nobody did.
    pub(crate) fn at(
        address: SocketAddr,
        answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(TcpListener::bind(address).unwrap(), answer)
    }

    fn serve(
        listener: TcpListener,
        answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (told, heard) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, told, answer) = (stream.unwrap(), told.clone(), Arc::clone(&answer));
                thread::spawn(move || exchange(stream, &told, &*answer));
            }
        });
        Self { address, heard }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The next request, if one comes in time.
    pub(crate) async fn hears(&mut self, within: Duration) -> Option<Heard> {
        let hearing = self.heard.recv();
        tokio::time::timeout(within, hearing).await.ok().flatten()
    }
}

// === impl Heard ===

impl Heard {
    pub(crate) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }
}

fn exchange(
    mut stream: TcpStream,
    told: &mpsc::UnboundedSender<Heard>,
    answer: &dyn Fn(&Heard) -> Answer,
) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut text = vec![0; length];
    reader.read_exact(&mut text).ok()?;
    let text = String::from_utf8(text).ok()?;
    let mut heard = Heard {
        path,
        headers,
        body: serde_json::from_str(&text).ok()?,
        text,
        status: 0,
    };
    let answer = answer(&heard);
    if let Answer::Status(status) = answer {
        heard.status = status;
    }
    // Before it is answered: whoever knows the answer can look.
    let _ = told.send(heard);
    match answer {
        Answer::Status(status) => {
            let head =
                format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()
        }
        Answer::Nothing => {
            let mut rest = Vec::new();
            reader.read_to_end(&mut rest).ok().map(drop)
        }
    }
}
