//! Turns of sessions over sockets: what a session that is late, or one that fails, does to itself and to others.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Arc,
    time::Duration,
};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock,
    close::CloseReason,
    dialect::{
        Actions, Conversation, Dialect, DialectId, Hello, Incoming, Now, Question, Refusal, Request,
    },
    frame::Frame,
    id::Member,
    message::Message,
    router::{Router, subscriber::Subscriber},
    services::{Asked, Caller, Outcomes, Services},
    session::{
        self, Context, Session, Settings, Upgraded, poller,
        reading::{Cause, Turn},
        slots::Slots,
        socket::Socket,
    },
    witness::Witness,
};

const LONG: Duration = Duration::from_secs(30);
/// After this, who may be silent for no time at all is idle, whatever the ticks.
const LATE: Duration = Duration::from_millis(300);
/// Text frames as clients send them, masked with zeros.
const HELLO: &[u8] = b"\x81\x82\0\0\0\0hi";
const FATAL: &[u8] = b"\x81\x85\0\0\0\0fatal";

/// A dialect that answers with what it is told, and has a mistake in it.
#[derive(Debug)]
struct Echo;

impl Dialect for Echo {
    fn id(&self) -> DialectId {
        DialectId::Ride
    }

    fn accept(&self, _: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        Ok(Box::new(Self))
    }

    fn encode(&self, message: &Message) -> Frame {
        Frame::text(&message.data)
    }
}

impl Conversation for Echo {
    fn open(&mut self, _: Now, _: &mut Actions) {}

    fn receive(&mut self, message: Incoming<'_>, _: Now, out: &mut Actions) {
        let Incoming::Text(text) = message else {
            return;
        };
        assert_ne!(text, "fatal", "the mistake");
        out.reply(text.as_bytes());
    }
}

/// No services.
#[derive(Debug)]
struct Nobody;

impl Services for Nobody {
    fn ask(&self, _: &Caller, _: Question) -> Asked {
        unreachable!("nobody asks here")
    }

    fn carry_out(&self, _: Caller, _: Vec<Request>) -> Outcomes {
        unreachable!("nobody calls here")
    }
}

fn context(idle: Duration) -> Arc<Context> {
    let member = Member::new(&"test".parse().unwrap(), 1);
    let router = Router::new(member, 1, 1 << 20, 1 << 20);
    let clock = Clock::start();
    let settings = Settings {
        idle,
        message_bytes_max: 1 << 16,
        message_timeout: LONG,
        messages_per_second: 0,
        messages_burst: 0,
        topics_max: 10,
        method_calls_max: 1,
        pings: Default::default(),
    };
    Arc::new(Context {
        shard: Arc::clone(&router.shards()[0]),
        witness: Witness::of_test(&router, clock),
        router,
        services: Arc::new(Nobody),
        settings: Arc::new(arc_swap::ArcSwap::from_pointee(settings)),
        clock,
        poller: poller::Poller::new().unwrap(),
        timers: session::timers::Timers::default(),
        slots: Arc::default(),
        tracker: tokio_util::task::TaskTracker::new(),
    })
}

/// A client and what its session is made of.
fn connect(context: &Context) -> (TcpStream, Upgraded) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, peer) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let socket = Arc::new(Socket::plain(stream));
    let subscriber = Subscriber::new(
        context.shard.next_serial(),
        Arc::clone(&context.shard),
        Arc::new(Echo),
        Arc::clone(&socket) as Arc<_>,
        peer.ip(),
        0,
    );
    let upgraded = Upgraded {
        subscriber,
        socket,
        conversation: Box::new(Echo),
        read_ahead: Vec::new(),
        slot: Slots::take(&context.slots, peer.ip(), 10, 0).unwrap(),
    };
    (client, upgraded)
}

/// A session that is given its turns by the test.
fn session(context: &Arc<Context>) -> (TcpStream, Arc<Session>) {
    let (client, upgraded) = connect(context);
    let session = session::build(context, upgraded);
    session.begin();
    (client, session)
}

#[tokio::test]
async fn who_has_spoken_in_time_is_read_before_it_is_found_idle() {
    let context = context(Duration::ZERO);
    let (mut client, session) = session(&context);
    client.write_all(HELLO).unwrap();
    // The shard does nothing for so long, and its deadlines come first then.
    sleep(LATE).await;
    session.fire();
    assert_eq!(session.subscriber.closed(), None);
    let before = session.subscriber.seen();
    assert!(matches!(session.turn(Cause::More), Turn::Again));
    assert!(before < session.subscriber.seen(), "it has spoken just now");
    sleep(LATE).await;
    session.fire();
    assert_eq!(session.subscriber.closed(), Some(CloseReason::Idle));
}

#[tokio::test]
async fn a_mistake_that_one_client_finds_ends_its_session_alone() {
    let context = context(LONG);
    let stop = CancellationToken::new();
    let (mut finder, upgraded) = connect(&context);
    session::spawn(&context, upgraded);
    let (other, upgraded) = connect(&context);
    session::spawn(&context, upgraded);
    let clients = tokio::task::spawn_blocking(move || {
        finder.write_all(FATAL).unwrap();
        let mut rest = Vec::new();
        // What it sees is the end.
        let _ = finder.read_to_end(&mut rest);
        let mut other = other;
        other.write_all(HELLO).unwrap();
        let mut echo = [0; 4];
        other.read_exact(&mut echo).unwrap();
        (rest, echo)
    });
    let poller = poller::run(Arc::clone(&context), stop);
    let heard = async {
        tokio::select! {
            _ = poller => unreachable!("a session's end is not the poller's"),
            clients = clients => clients.unwrap(),
        }
    };
    let (rest, echo) = timeout(Duration::from_secs(10), heard).await.unwrap();
    assert_eq!((&rest[..], &echo), (&b""[..], b"\x81\x02hi"));
    assert_eq!(
        context.slots.taken(),
        0,
        "the poller has ended, and they with it"
    );
}
