mod access;
mod batch;
mod contacts;
mod document;
mod durable;
mod hooks;
mod jobs;
mod process;
mod publish;
mod serve;
mod service;
mod sessions;
mod traces;

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use axum::{
    body::Body,
    http::{HeaderMap, Method, StatusCode},
};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::{
    chat,
    config::{ApiKey, Scope},
    dialect::{Conversation, Dialect, DialectId, Hello, Refusal},
    frame::Frame,
    id::Member,
    lookup::Lookup,
    mail::post,
    message::Message,
    router::{
        fanout::Walker,
        shard::Queue,
        subscriber::{Flushed, Subscriber},
        transport::{End, Transport},
    },
    store::sqlite::{
        Database, SqliteContacts, SqliteJobs, SqliteJournal, SqliteMail, SqliteOffice,
        SqliteOrders, SqliteQueue, SqliteSchedules,
    },
    telemetry::Sources,
    topic::Topic,
};

const NODE: &str = "gw-1";
/// Where nobody listens.
const HOOK: &str = "http://127.0.0.1:1/hook";
const CONTROL: &str = "control-secret";
const LIMITS: Limits = Limits {
    message_bytes_max: 65536,
    history_page_max: 100,
};

/// A node without sockets.
struct Node {
    state: Arc<State>,
    process: Arc<FakeProcess>,
    office: Arc<SqliteOffice>,
}

#[derive(Debug, Default)]
struct FakeProcess {
    is_draining: AtomicBool,
    errors: Mutex<Vec<String>>,
}

/// A dialect whose frames are the message's topic, event, data and id.
#[derive(Debug)]
struct Plain;

/// A socket that keeps what is written to it.
#[derive(Debug, Default)]
struct Wire(Mutex<Vec<u8>>);

struct Session {
    subscriber: Arc<Subscriber>,
    wire: Arc<Wire>,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Process for FakeProcess {
    fn phase(&self) -> Phase {
        if self.is_draining.load(Relaxed) {
            Phase::Draining("asked to".into())
        } else {
            Phase::Ready
        }
    }

    fn drain(&self) {
        self.is_draining.store(true, Relaxed);
    }

    fn reload(&self) -> Reloaded {
        Reloaded {
            applied: vec!["limits.idle".to_owned()],
            needs_restart: vec!["listen.public".to_owned()],
            errors: self.errors.lock().clone(),
        }
    }

    fn give_sockets(&self, _: &std::path::Path) -> std::io::Result<()> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn callee(&self, url: Option<&str>, method: &str) -> Option<Box<str>> {
        let is_known = url.is_some_and(|url| url == "http://a/") || method.starts_with("shop.");
        is_known.then(|| "http://a/".into())
    }

    fn issue_token(&self, request: TokenRequest) -> Issuing<'_> {
        Box::pin(std::future::ready(match request {
            TokenRequest::Device { user, .. } | TokenRequest::Room { user, .. } => {
                Ok(format!("token of {user}"))
            }
            TokenRequest::Im { .. } => Err(IssueError::Unavailable("away".into())),
            TokenRequest::Live { .. } | TokenRequest::Ride { .. } => Err(IssueError::Hook),
        }))
    }
}

impl Dialect for Plain {
    fn id(&self) -> DialectId {
        DialectId::Device
    }

    fn accept(&self, _: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        unreachable!("nobody asks to be upgraded")
    }

    fn encode(&self, message: &Message) -> Frame {
        let data = String::from_utf8_lossy(&message.data);
        let Message {
            topic, event, id, ..
        } = message;
        Frame::text(format!("{} {event} {data} {id};", topic.as_str()).as_bytes())
    }
}

impl Transport for Wire {
    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.0.lock();
        let before = bytes.len();
        for slice in slices {
            bytes.extend_from_slice(slice);
        }
        Ok(bytes.len() - before)
    }

    fn end(&self, _: End) {}
}

impl Node {
    fn new() -> Self {
        let scopes = [Scope::Publish, Scope::Read, Scope::Admin, Scope::Token];
        let keys = scopes.map(|scope| ApiKey {
            key: Secret::new(format!("{scope:?}").to_lowercase()),
            scopes: vec![scope],
            ..ApiKey::default()
        });
        Self::with_keys(&keys)
    }

    fn with_keys(keys: &[ApiKey]) -> Self {
        let member = Member::new(&NODE.parse().unwrap(), 0x18f3);
        let router = remembering(member);
        let clock = Clock::start();
        let stats = Arc::<ApiStats>::default();
        let process = Arc::<FakeProcess>::default();
        let database = Database::of_test();
        let journal = Arc::new(SqliteJournal::new(database.clone(), clock));
        let post = Post::new(post::Parts {
            mail: SqliteMail::of_test(),
            journal: Arc::<SqliteJournal>::clone(&journal),
            router: Arc::clone(&router),
            clock,
        });
        let jobs = SqliteJobs::new(database.clone(), Duration::from_secs(60), clock);
        let board = Board::new(Arc::new(jobs), Arc::default());
        board.set_kinds(vec!["ocr".into(), "pdf".into()]);
        let schedules = Arc::new(SqliteSchedules::new(database.clone(), "push", clock));
        let (office, reception) = service::open(database.clone(), &router, clock);
        let desk = desk(database, &router, journal, &post, clock);
        let hooks = hooks::of_test(clock);
        let witness = Witness::of_test(&router, clock);
        let telemetry = Telemetry::new(Sources {
            node: Arc::default(),
            hooks: hooks.clone(),
            router: Arc::clone(&router),
            witness: Arc::clone(&witness),
            ingress: Arc::default(),
            auth: Arc::default(),
            deciding: Arc::default(),
            methods: Arc::default(),
            api: Arc::clone(&stats),
            cluster: None,
            post: post.clone(),
            ingest: Arc::default(),
            work: Default::default(),
            service: Arc::clone(reception.stats()),
            bridge: Arc::default(),
            chat: Arc::default(),
            live: Arc::default(),
            archive: Arc::default(),
            retention: Arc::default(),
            clock,
        });
        let state = State::new(Parts {
            router,
            clock,
            keys: Arc::new(ApiKeys::new(keys)),
            control: Secret::new(CONTROL),
            stats,
            telemetry: Arc::new(telemetry),
            post,
            desk,
            reception,
            witness,
            queue: SqliteQueue::of_test(),
            board,
            schedules,
            ledger: None,
            hooks,
            process: Arc::<FakeProcess>::clone(&process),
            public: vec!["127.0.0.1:8080".parse().unwrap()],
            admin: "127.0.0.1:8081".parse().unwrap(),
            limits: LIMITS,
        });
        Self {
            state,
            process,
            office,
        }
    }

    fn router(&self) -> &crate::router::Router {
        &self.state.parts.router
    }

    /// A session of `user` in `rooms`.
    fn connect(&self, user: Option<&str>, rooms: &[&str]) -> Session {
        let router = self.router();
        let wire = Arc::<Wire>::default();
        let shards = router.shards();
        let shard = &shards[router.sessions() % shards.len()];
        let subscriber = Subscriber::new(
            shard.next_serial(),
            Arc::clone(shard),
            Arc::new(Plain),
            Arc::<Wire>::clone(&wire),
            "203.0.113.7".parse().unwrap(),
            1_700_000_000_999,
        );
        router.attach(&subscriber);
        let now = self.state.parts.clock.now();
        let rooms = rooms.iter().map(|room| Topic::room(room).unwrap());
        let user = user.map(|user| {
            let user: crate::id::UserId = user.parse().unwrap();
            let topic = Topic::user(&user);
            subscriber.authenticate(user);
            topic
        });
        for topic in rooms.chain(user) {
            router.subscribe(&topic, &subscriber, now);
        }
        Session { subscriber, wire }
    }

    /// What the flushers do.
    fn flush(&self) {
        for shard in self.router().shards() {
            let mut queue = Queue::default();
            shard.take(&mut queue);
            let mut walker = Walker::default();
            let mut dirty = VecDeque::new();
            while !queue.deliveries.is_empty() || walker.is_walking() {
                walker.step(shard, &mut queue.deliveries, &mut dirty, 1000);
            }
            for subscriber in queue.dirty.drain(..).chain(dirty) {
                while subscriber.flush() == Flushed::More {}
            }
        }
    }

    async fn send(&self, method: Method, path: &str, key: Option<&str>, body: &str) -> Answer {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = router(Arc::clone(&self.state)).oneshot(request).await;
        let (parts, body) = response.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, Some("read"), "").await
    }

    async fn publish(&self, body: &str) -> Answer {
        self.send(Method::POST, "/api/publish", Some("publish"), body)
            .await
    }

    async fn publish_batch(&self, messages: &Value) -> Answer {
        let body = serde_json::json!({"messages": messages}).to_string();
        let path = "/api/publish/batch";
        self.send(Method::POST, path, Some("publish"), &body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, Some("admin"), "").await
    }
}

/// A router that remembers what happens to messages.
fn remembering(member: Member) -> Arc<crate::router::Router> {
    let router = crate::router::Router::new(member, 2, 1 << 20, 1 << 30);
    router.recorder().set(crate::recorder::Settings {
        sample: 0,
        bytes_max: 1 << 20,
    });
    router
}

fn desk(
    database: Database,
    router: &Arc<crate::router::Router>,
    journal: Arc<SqliteJournal>,
    post: &Post,
    clock: Clock,
) -> Desk {
    Desk::new(chat::Parts {
        router: Arc::clone(router),
        journal,
        contacts: Arc::new(SqliteContacts::new(database.clone(), clock)),
        orders: Arc::new(SqliteOrders::new(database, &Lookup::default())),
        post: post.clone(),
        clock,
    })
}

impl Session {
    fn id(&self, node: &Node) -> String {
        node.router().session_id(self.subscriber.serial).to_string()
    }

    /// The frames, without their headers.
    fn received(&self, node: &Node) -> Vec<String> {
        node.flush();
        let bytes = std::mem::take(&mut *self.wire.0.lock());
        let mut frames = Vec::new();
        let mut rest = &bytes[..];
        while let [0x81, length, tail @ ..] = rest {
            let (length, tail) = match *length {
                126 => {
                    let (length, tail) = tail.split_first_chunk().unwrap();
                    (usize::from(u16::from_be_bytes(*length)), tail)
                }
                length => (usize::from(length), tail),
            };
            let (frame, tail) = tail.split_at(length);
            frames.push(String::from_utf8(frame.to_vec()).unwrap());
            rest = tail;
        }
        frames
    }
}

impl Answer {
    #[track_caller]
    fn json(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/json");
        serde_json::from_str(&self.body).unwrap()
    }

    /// The problem document's field and detail.
    #[track_caller]
    fn problem(&self, status: u16) -> (Option<String>, String) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["title"], self.status.canonical_reason().unwrap());
        let text = |key: &str| {
            problem
                .get(key)
                .map(|text| text.as_str().unwrap().to_owned())
        };
        (text("field"), text("detail").unwrap())
    }
}
