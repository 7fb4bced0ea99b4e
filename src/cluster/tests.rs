//! Members of other releases, by hand, beside real ones.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{
    Cluster, Disagreement, Parts, Settings,
    memory::{InboxReader, LogReader, Memory},
    streams::{Reader as _, Streams as _},
};
use crate::{
    clock::Clock,
    envelope::{Body, Delta, Envelope, Version, Versions},
    id::Member,
    peer::{Answer, NodeInfo, Question},
    presence::{ASK_TIMEOUT, Answerer, Answering, Answers, Describe},
    router::Router,
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A node without sessions.
#[derive(Debug)]
struct Empty(Arc<Router>);

impl Answerer for Empty {
    fn answer(&self, question: Question) -> Answering {
        Answering::Now(match question {
            Question::Drain => Answer::Done,
            _ => Answer::Unknown,
        })
    }
}

impl Describe for Empty {
    fn describe(&self) -> NodeInfo {
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        self.0.describe_node(address, "ready")
    }
}

/// Members that run until this is dropped.
#[derive(Default)]
struct Scene {
    memory: Memory,
    running: JoinSet<Result<(), Disagreement>>,
}

impl Scene {
    fn join(&mut self, name: &str) -> Arc<Cluster> {
        let router = Router::new(member(name), 1, 1 << 20, 1 << 20);
        let cluster = Cluster::new(Parts {
            router: Arc::clone(&router),
            clock: Clock::start(),
            answerer: Arc::new(Empty(Arc::clone(&router))),
            describe: Arc::new(Empty(router)),
            estates: Vec::new(),
            settings: Settings {
                linger: Duration::ZERO,
                uplink_bytes_max: 1 << 20,
            },
        });
        let streams = Arc::new(self.memory.clone());
        let running = Arc::clone(&cluster).run(streams, CancellationToken::new());
        self.running.spawn(running);
        cluster
    }

    /// Has a member by hand say this of versions.
    async fn beat(&self, name: &str, bus: &str) {
        let info = format!(r#"{{"address":"","sessions":0,"lag":0,"state":"ready"{bus}}}"#);
        let me = member(name);
        self.memory.beat(&me, Bytes::from(info)).await.unwrap();
    }

    /// A member by hand: what comes to it, and what all are told.
    async fn by_hand(&self, name: &str, bus: &str) -> (InboxReader, LogReader) {
        self.beat(name, bus).await;
        self.memory.enroll(&member(name)).await.unwrap();
        let inbox = self.memory.open_inbox(&member(name)).await.unwrap();
        (inbox, self.memory.open_log(&member(name)).await.unwrap())
    }
}

fn member(name: &str) -> Member {
    Member::new(&name.parse().unwrap(), 1)
}

fn bus(min: u8, max: u8, speaks: u8) -> String {
    format!(r#","bus":{{"min":{min},"max":{max},"speaks":{speaks}}}"#)
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < patience, "{what}: not within {PATIENCE:?}");
        time::sleep(Duration::from_millis(10)).await;
    }
}

/// The question that comes next, and the version of its entry.
async fn next_question(inbox: &mut InboxReader) -> (u8, Option<Question>) {
    for (_, entry) in inbox.next().await.unwrap() {
        for envelope in Body::split(entry.body).unwrap() {
            if let Envelope::Ask { question, .. } = envelope.decode().unwrap() {
                return (envelope.version, Some(question));
            }
        }
    }
    (0, None)
}

#[tokio::test]
async fn only_members_that_know_a_question_are_asked() {
    let mut scene = Scene::default();
    let (mut inbox, _log) = scene.by_hand("old", "").await;
    let (one, _two) = (scene.join("one"), scene.join("two"));
    until("all know one another", || one.members_count() == 3).await;
    let begin = Instant::now();
    let all = || [member("old"), member("two")].into_iter().collect();
    let answers = one.ask_all(all(), Question::Unknown).await;
    // The one was not asked, and the other one has said so.
    let expect = Answers {
        unknown: all(),
        ..Answers::default()
    };
    assert_eq!(answers, expect);
    assert!(begin.elapsed() < ASK_TIMEOUT);
    let answers = one.ask_all(all(), Question::Drain).await;
    assert_eq!(answers.answers, [(member("two"), Answer::Done)]);
    assert_eq!(answers.missing[..], [member("old")]);
    // What is known to it was asked, in the version that it reads.
    let asked = next_question(&mut inbox).await;
    assert_eq!(asked, (1, Some(Question::Drain)));
}

#[tokio::test]
async fn a_newcomer_that_knows_less_reads_nothing_before_the_others_write_what_it_knows() {
    let mut scene = Scene::default();
    let (_inbox, mut log) = scene.by_hand("newer", &bus(1, 100, 100)).await;
    let one = scene.join("one");
    until("it is in the list", || one.members_count() == 2).await;
    // The others may still write what it cannot read: it does not take part.
    assert_eq!(log.next().await.unwrap(), []);
    assert!(one.fault().is_some());
    let own = Versions::OWN.max;
    scene.beat("newer", &bus(1, 100, own)).await;
    let mut entries = Vec::new();
    while entries.is_empty() {
        entries = log.next().await.unwrap();
    }
    let (version, deltas) = Delta::decode(entries[0].1.body.clone()).unwrap();
    assert_eq!((version, deltas), (Version::MAX, vec![Delta::Up]));
}

#[tokio::test]
async fn members_without_a_version_in_common_do_not_live_together() {
    let mut scene = Scene::default();
    let _newer = scene.by_hand("newer", &bus(100, 101, 100)).await;
    let one = scene.join("one");
    let ended = scene.running.join_next().await.unwrap().unwrap();
    let text = ended.unwrap_err().to_string();
    assert!(text.contains("newer.1 knows 100 to 101"), "{text}");
    assert_eq!(
        one.check(&scene.memory).await.unwrap_err().to_string(),
        text
    );
    let pulse = scene.memory.beat(&member("newer"), Bytes::new()).await;
    assert!(!pulse.unwrap().lists(&member("one")));
}
