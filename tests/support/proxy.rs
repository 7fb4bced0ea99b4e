//! A way to a server that can be cut, slow, or lead nowhere.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
    time,
};

/// Bytes that are passed on at once.
const CHUNK: usize = 64 * 1024;

/// What becomes of the bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    /// They are passed on.
    Open,
    /// Connections are ended, and no new one is taken.
    Cut,
    /// They are held back, and nobody is told: as if the host had lost its network.
    Silent,
    /// They are passed on so much later, in each direction.
    Slow(Duration),
}

/// Passes connections on as its way is; dropping it ends them all.
pub(crate) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// A way to the port on this machine.
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, is) = watch::channel(Way::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(pass(stream, port, is.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self {
            address,
            way,
            _tasks: tasks,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}/0", self.address)
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send(way).unwrap();
    }
}

async fn pass(stream: TcpStream, port: u16, way: watch::Receiver<Way>) {
    let passing = async {
        let Some(_) = opened(&mut way.clone()).await else {
            return;
        };
        let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else {
            return;
        };
        let (from_client, to_client) = stream.into_split();
        let (from_server, to_server) = server.into_split();
        // The end of one direction is the end of both.
        tokio::select! {
            () = copy(from_client, to_server, way.clone()) => {}
            () = copy(from_server, to_client, way.clone()) => {}
        }
    };
    let mut until = way.clone();
    tokio::select! {
        () = passing => {}
        _ = until.wait_for(|way| *way == Way::Cut) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(count @ 1..) = from.read(&mut chunk).await {
        let Some(delay) = opened(&mut way).await else {
            return;
        };
        time::sleep(delay).await;
        if to.write_all(&chunk[..count]).await.is_err() {
            return;
        }
    }
}

/// Waits until bytes may pass, and says how much later they do; none if the way is gone for good.
async fn opened(way: &mut watch::Receiver<Way>) -> Option<Duration> {
    let open = way.wait_for(|way| *way != Way::Silent).await.ok()?;
    match *open {
        Way::Slow(delay) => Some(delay),
        _ => Some(Duration::ZERO),
    }
}
