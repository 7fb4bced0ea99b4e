//! A restart on the same sockets: whoever connects meanwhile is let in.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
};

use rustix::process::Signal;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_tungstenite::client_async;

use super::ride;
use crate::support::{
    client::code,
    machine::{free_port, signal},
    process::Place,
    redis::Redis,
    soon, until,
};

/// Clients that come one after the other.
struct Visitors {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    coming: JoinSet<()>,
}

impl Visitors {
    /// Two at a time. One that is refused, in whatever way, fails the test.
    fn come_to(address: SocketAddr) -> Self {
        let (stop, count) = (
            Arc::new(AtomicBool::new(false)),
            Arc::<AtomicUsize>::default(),
        );
        let mut coming = JoinSet::new();
        for number in 0..2 {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            coming.spawn(async move {
                while !stop.load(Relaxed) {
                    visit(address, number).await;
                    count.fetch_add(1, Relaxed);
                }
            });
        }
        Self {
            coming,
            stop,
            count,
        }
    }

    async fn have_come(&self, more: usize) {
        let before = self.count.load(Relaxed);
        let count = Arc::clone(&self.count);
        until("visitors", || before + more <= count.load(Relaxed)).await;
    }

    async fn end(mut self) {
        self.stop.store(true, Relaxed);
        while let Some(last) = soon("the last visitor", self.coming.join_next()).await {
            last.expect("nobody was refused");
        }
    }
}

async fn visit(address: SocketAddr, number: usize) {
    let stream = soon("a connection", TcpStream::connect(address)).await;
    let stream = stream.expect("it is not refused");
    let url = format!("ws://{address}/ws/?client_id=c{number}&token=t{number}");
    let upgrade = soon("a handshake", client_async(url, stream)).await;
    upgrade.expect("it is let in");
}

fn place(more: &str) -> Place {
    let (public, admin) = (free_port(), free_port());
    Place::new(&format!(
        "listen.public = \"127.0.0.1:{public}\"\nlisten.admin = \"127.0.0.1:{admin}\"\n{more}"
    ))
}

async fn check(place: Place) {
    place.ends("start --daemon", 0).await;
    let mut client = ride(&place).await;
    let visitors = Visitors::come_to(place.public().await);
    visitors.have_come(20).await;
    for turn in 0..2 {
        let pid = place.pid();
        if turn == 0 {
            let (_, closed) = tokio::join!(place.ends("restart", 0), client.closed());
            assert_eq!(closed, code(1012, "draining"));
        } else {
            place.ends("restart", 0).await;
        }
        assert_ne!(place.pid(), pid);
        visitors.have_come(20).await;
    }
    visitors.end().await;
    place.ends("stop", 0).await;
}

#[tokio::test]
async fn nobody_is_refused_while_a_node_that_is_alone_is_restarted() {
    check(place("")).await;
}

#[tokio::test]
async fn nobody_is_refused_while_a_node_of_a_cluster_is_restarted() {
    let redis = Redis::start();
    check(place(&format!("cluster.redis = \"{}\"", redis.url()))).await;
}

#[tokio::test]
async fn a_node_of_a_cluster_runs_on_if_its_successor_cannot_start() {
    let redis = Redis::start();
    let place = place(&format!(
        "cluster.redis = \"{}\"\nlog.file = \"log/tidegate.log\"",
        redis.url()
    ));
    std::fs::create_dir(place.file("log")).unwrap();
    place.ends("start --daemon", 0).await;
    let mut client = ride(&place).await;
    let pid = place.pid();
    std::fs::remove_dir_all(place.file("log")).unwrap();
    let text = place.ends("restart", 1).await;
    assert!(text.contains("runs on, as it was"), "{text}");
    assert_eq!(place.pid(), pid);
    client.ping().await;
    visit(place.public().await, 7).await;
    place.ends("stop", 0).await;
}

#[tokio::test]
async fn who_has_no_successor_closes_its_sockets() {
    let place = place("drain.delay = \"5s\"");
    let mut node = place.start().await;
    let address = place.public().await;
    let mut client = ride(&place).await;
    signal(node.id(), Signal::USR2);
    assert_eq!(client.closed().await, code(1012, "draining"));
    assert!(node.ended().await.success());
    assert!(TcpStream::connect(address).await.is_err());
}
