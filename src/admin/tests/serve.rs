use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::*;

/// A node that serves operators, until it is dropped or stopped.
struct Served {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Served {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(super::serve(listener, Node::new().state, stop.clone()));
        Self {
            address,
            stop,
            tasks,
        }
    }

    /// A connection over which this was sent.
    async fn connect(&self, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }
}

/// What comes until the end.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn it_serves_until_it_is_stopped() {
    let mut node = Served::start().await;
    let mut stream = node.connect("").await;
    for _ in 0..2 {
        let request = b"GET /livez HTTP/1.1\r\nHost: node\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"ok\n") {
            stream.read_buf(&mut answer).await.unwrap();
        }
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
    }
    // As the command line asks.
    let mut old = node.connect("GET /livez HTTP/1.0\r\n\r\n").await;
    let answer = rest(&mut old).await;
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");

    node.stop.cancel();
    let end = timeout(Duration::from_secs(5), node.tasks.join_next()).await;
    end.unwrap().unwrap().unwrap();
    assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0);
    assert!(TcpStream::connect(node.address).await.is_err());
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let node = Served::start().await;
    let long = "x".repeat(100_000);
    let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx: {long}\r\n\r\n");
    let answer = rest(&mut node.connect(&head).await).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let node = Served::start().await;
    let post = "POST /api/publish HTTP/1.1\r\nhost: x\r\nauthorization: Bearer publish\r\n\
                connection: close\r\ncontent-length: 10\r\n\r\n{";
    let answer = rest(&mut node.connect(post).await).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn of_too_many_connections_the_oldest_gives_way() {
    let node = Served::start().await;
    let mut oldest = node.connect("").await;
    let mut others = Vec::new();
    for _ in 0..1024 {
        others.push(node.connect("").await);
    }
    let ended = timeout(Duration::from_secs(20), rest(&mut oldest)).await;
    assert_eq!(ended.unwrap(), "");
    // The one behind it is served, and so is the last.
    for other in [0, 1023] {
        let get = b"GET /livez HTTP/1.0\r\n\r\n";
        others[other].write_all(get).await.unwrap();
        assert!(
            rest(&mut others[other]).await.contains(" 200 OK"),
            "{other}"
        );
    }
}
