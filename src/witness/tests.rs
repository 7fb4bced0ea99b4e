mod own;
mod rooms;

use std::{collections::HashSet, sync::atomic::AtomicBool};

use super::*;
use crate::{
    duty::{Change, Changed, Deed, Duty},
    happening::{HeraldError, Kept, Pending},
    id::{Member, Serial, SessionId},
    router::transport::testing::Full,
    store::sqlite::{Database, SqliteDues},
};

/// Keeps what it is given in memory, unless it is away.
#[derive(Debug, Default)]
struct Recorder {
    wanted: Mutex<HashSet<Kind>>,
    kept: Mutex<Vec<Happening>>,
    is_away: AtomicBool,
    /// No room for more messages.
    is_full: AtomicBool,
}

impl Herald for Recorder {
    fn wants(&self, kind: Kind, _: Option<DialectId>) -> bool {
        self.wanted.lock().contains(&kind)
    }

    fn wants_message(&self, _: DialectId, kind: &str) -> bool {
        kind == "travel"
    }

    fn keep(&self, happenings: Vec<Happening>) -> Pending<'_, Kept> {
        Box::pin(async move {
            if self.is_away.load(Relaxed) {
                return Err(HeraldError("away".into()));
            }
            let mut kept = Kept::default();
            let mut all = self.kept.lock();
            for happening in happenings {
                let kind = happening.what.kind();
                if self.is_full.load(Relaxed) && kind == Kind::MessageReceived {
                    kept.untold[kind as usize] += 1;
                } else {
                    all.push(happening);
                }
            }
            Ok(kept)
        })
    }
}

/// Redis of a test: every key can be changed.
#[derive(Debug, Default)]
struct Keys {
    done: Mutex<Vec<String>>,
}

impl Deeds for Keys {
    fn check<'a>(
        &'a self,
        _: &'a Deed,
    ) -> crate::dues::Pending<'a, Result<(), crate::dues::Unfit>> {
        Box::pin(async { Ok(Ok(())) })
    }

    fn time(&self, _: &Member) -> crate::dues::Pending<'_, Option<u64>> {
        Box::pin(async { Ok(Some(0)) })
    }

    fn carry_out<'a>(
        &'a self,
        session: &'a SessionId,
        duty: &'a Duty,
        _: u64,
    ) -> crate::dues::Pending<'a, crate::dues::Done> {
        let mut done = self.done.lock();
        done.push(format!("{session} {}", duty.id));
        Box::pin(async { Ok(crate::dues::Done::Now) })
    }
}

/// A witness with everything around it.
struct Scene {
    witness: Arc<Witness>,
    router: Arc<Router>,
    herald: Arc<Recorder>,
    keys: Arc<Keys>,
    dues: Arc<SqliteDues>,
    tasks: tokio_util::task::TaskTracker,
}

impl Witness {
    /// One that nobody listens to.
    pub(crate) fn of_test(router: &Arc<Router>, clock: Clock) -> Arc<Self> {
        let dues = Arc::new(SqliteDues::new(Database::of_test(), clock));
        Self::new(Parts {
            router: Arc::clone(router),
            clock,
            herald: Arc::<Recorder>::default(),
            dues: Arc::clone(&dues) as Arc<_>,
            deeds: Arc::<Keys>::default(),
            occupancy: dues,
            linger: Duration::ZERO,
        })
    }
}

impl Scene {
    async fn new(wanted: &[Kind]) -> Self {
        Self::of_life(1, &Database::of_test(), wanted).await
    }

    async fn of_life(epoch: u64, database: &Database, wanted: &[Kind]) -> Self {
        let member = Member::new(&"gw".parse().unwrap(), epoch);
        let router = Router::new(member.clone(), 1, 1 << 20, 1 << 20);
        let clock = Clock::start();
        let herald = Arc::<Recorder>::default();
        herald.wanted.lock().extend(wanted);
        let keys = Arc::<Keys>::default();
        let dues = Arc::new(SqliteDues::new(database.clone(), clock));
        let witness = Witness::new(Parts {
            router: Arc::clone(&router),
            clock,
            herald: Arc::clone(&herald) as Arc<_>,
            dues: Arc::clone(&dues) as Arc<_>,
            deeds: Arc::clone(&keys) as Arc<_>,
            occupancy: Arc::clone(&dues) as Arc<_>,
            linger: Duration::ZERO,
        });
        router.set_witness(Arc::clone(&witness));
        dues.open(&member).await.unwrap();
        Self {
            witness,
            router,
            herald,
            keys,
            dues,
            tasks: tokio_util::task::TaskTracker::new(),
        }
    }

    fn connect(&self) -> Arc<Subscriber> {
        let shard = &self.router.shards()[0];
        let subscriber = Subscriber::new(
            shard.next_serial(),
            Arc::clone(shard),
            Arc::new(crate::dialect::ride::Ride::new(
                crate::dialect::ride::Settings::default(),
            )),
            Arc::new(Full),
            "203.0.113.7".parse().unwrap(),
            5,
        );
        self.router.attach(&subscriber);
        subscriber
    }

    fn end(&self, subscriber: &Subscriber) {
        self.router.detach(subscriber);
        if self.witness.minds_ends() {
            let reason = CloseReason::ClientGone;
            self.witness.ended(subscriber, reason, Vec::new());
        }
    }

    fn id(&self, subscriber: &Subscriber) -> SessionId {
        self.router.session_id(subscriber.serial)
    }

    /// Everything that has happened is told.
    async fn settle(&self) {
        let telling = self.witness.begin(&self.tasks);
        let until = tokio::time::Instant::now() + Duration::from_secs(10);
        telling.end(until).await;
    }

    fn told(&self) -> Vec<String> {
        let kept = self.herald.kept.lock();
        kept.iter()
            .map(|happening| happening.id.to_string())
            .collect()
    }

    async fn records(&self) -> Vec<Record> {
        let me = self.router.member();
        let page = self.dues.read(&me, Default::default()).await;
        page.unwrap().records
    }
}

/// Waits until a condition holds, which has to be soon.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
    waited.expect("it holds soon");
}

fn del(id: &str) -> Duty {
    Duty {
        id: id.into(),
        deed: Deed::RedisDel { key: "k".into() },
    }
}

fn serial(number: u64) -> Serial {
    Serial::new(0, number)
}

const SESSIONS: &[Kind] = &[Kind::SessionOpened, Kind::SessionClosed];

#[tokio::test]
async fn a_session_begins_speaks_and_ends_in_this_order() {
    let scene = Scene::new(&[SESSIONS, &[Kind::MessageReceived]].concat()).await;
    let anna = scene.connect();
    assert!(scene.witness.opened(&anna, Vec::new));
    for text in ["{\"flag\":\"travel\"}", "{\"flag\":\"login\"}", "{}", "x"] {
        scene.witness.received(&anna, Incoming::Text(text));
    }
    let bert = scene.connect();
    scene.witness.opened(&bert, Vec::new);
    scene.end(&anna);
    scene.settle().await;
    let (first, second) = (scene.id(&anna), scene.id(&bert));
    let expect = [
        format!("opened:{first}"),
        "message:gw.1:0".to_owned(),
        format!("opened:{second}"),
        format!("closed:{first}"),
    ];
    assert_eq!(scene.told(), expect);
    let left: Vec<_> = scene
        .records()
        .await
        .into_iter()
        .map(|record| record.session)
        .collect();
    assert_eq!(left, [second]);
    assert_eq!(scene.witness.owing(), 1);
}

#[tokio::test]
async fn who_owes_nothing_costs_nothing() {
    let scene = Scene::new(&[]).await;
    let anna = scene.connect();
    assert!(
        !scene
            .witness
            .opened(&anna, || panic!("nobody wants to know"))
    );
    scene.end(&anna);
    assert_eq!((scene.witness.waiting(), scene.witness.owing()), (0, 0));
    scene.settle().await;
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn a_record_is_kept_before_it_is_told_that_the_session_has_begun() {
    let scene = Scene::new(SESSIONS).await;
    scene.herald.is_away.store(true, Relaxed);
    let anna = scene.connect();
    scene
        .witness
        .opened(&anna, || vec![Topic::room("a").unwrap()]);
    let telling = scene.witness.begin(&scene.tasks);
    until(async || !scene.records().await.is_empty()).await;
    assert!(scene.told().is_empty());
    scene.herald.is_away.store(false, Relaxed);
    telling
        .end(tokio::time::Instant::now() + Duration::from_secs(10))
        .await;
    assert_eq!(scene.told().len(), 1);
    assert_eq!(scene.records().await[0].rooms, [Topic::room("a").unwrap()]);
}

#[tokio::test]
async fn what_there_is_no_room_for_is_dropped_and_counted_and_ends_are_not() {
    let scene = Scene::new(&[SESSIONS, &[Kind::MessageReceived]].concat()).await;
    let anna = scene.connect();
    scene.witness.opened(&anna, Vec::new);
    let text = "{\"flag\":\"travel\"}";
    for _ in 0..ITEMS_MAX {
        scene.witness.received(&anna, Incoming::Text(text));
    }
    let bert = scene.connect();
    assert!(!scene.witness.opened(&bert, Vec::new));
    scene.end(&anna);
    scene.end(&bert);
    let dropped = &scene.witness.stats.dropped;
    assert_eq!(dropped[Kind::MessageReceived as usize].load(), 1);
    assert_eq!(dropped[Kind::SessionOpened as usize].load(), 1);
    scene.settle().await;
    let told = scene.told();
    assert_eq!(told.len(), ITEMS_MAX + 1);
    assert_eq!(told.last(), Some(&format!("closed:{}", scene.id(&anna))));
    assert!(scene.records().await.is_empty());
    assert_eq!(scene.witness.owing(), 0);
}

#[test]
fn messages_that_wait_are_bounded_in_bytes() {
    let mut book = book::Book::default();
    let happening = || Happening {
        id: "a".into(),
        time_ms: 0,
        member: "gw.1".parse().unwrap(),
        what: What::MessageReceived {
            who: Party {
                session: "gw.1.2".parse().unwrap(),
                user: None,
                dialect: DialectId::Ride,
            },
            kind: "k".into(),
            data: vec![0; BYTES_MAX / 2].into(),
        },
    };
    assert!(book.note(happening()));
    assert!(book.note(happening()));
    assert!(!book.note(happening()));
    book.take();
    assert!(book.note(happening()));
}

#[tokio::test]
async fn duties_are_kept_before_they_are_answered_for_and_done_at_the_end() {
    let scene = Scene::new(&[]).await;
    let anna = scene.connect();
    let id = scene.id(&anna);
    let telling = scene.witness.begin(&scene.tasks);
    let change = |change| scene.witness.change(&id, change);
    let add = |duty: Duty| change(Change::Add(duty));
    assert_eq!(add(del("a")).await, Changed::Kept(vec![del("a")]));
    assert_eq!(scene.records().await[0].duties, [del("a")]);
    assert_eq!(add(del("a")).await, Changed::Kept(vec![del("a")]));
    let other = Duty {
        deed: Deed::RedisDel { key: "x".into() },
        ..del("a")
    };
    assert_eq!(add(other).await, Changed::Taken);
    for number in 1..crate::duty::DUTIES_MAX {
        let kept = add(del(&number.to_string())).await;
        assert!(matches!(kept, Changed::Kept(duties) if duties.len() == number + 1));
    }
    assert_eq!(add(del("more")).await, Changed::TooMany);
    let missing = change(Change::Remove(Some("more".into()))).await;
    assert_eq!(missing, Changed::Missing);
    assert!(
        matches!(change(Change::Remove(None)).await, Changed::Kept(duties) if duties.is_empty())
    );
    add(del("b")).await;
    assert_eq!(scene.witness.owed(&id), Changed::Kept(vec![del("b")]));
    scene.end(&anna);
    assert_eq!(add(del("c")).await, Changed::Gone);
    assert_eq!(scene.witness.owed(&id), Changed::Gone);
    telling
        .end(tokio::time::Instant::now() + Duration::from_secs(10))
        .await;
    assert_eq!(*scene.keys.done.lock(), [format!("{id} b")]);
    assert!(scene.records().await.is_empty() && scene.told().is_empty());
    assert_eq!(scene.witness.owing(), 0);
}

#[tokio::test]
async fn nothing_is_attached_to_who_is_not_there() {
    let scene = Scene::new(&[]).await;
    for id in ["gw.1.5", "gw.2.1", "other.1.1"] {
        let id = id.parse().unwrap();
        assert_eq!(
            scene.witness.change(&id, Change::Add(del("a"))).await,
            Changed::Gone
        );
        assert_eq!(scene.witness.owed(&id), Changed::Gone);
    }
    let anna = scene.connect();
    let id = scene.id(&anna);
    let removed = scene.witness.change(&id, Change::Remove(None)).await;
    assert_eq!(removed, Changed::Kept(Vec::new()));
    assert_eq!(scene.witness.owing(), 0);
    assert!(scene.router.find(serial(99)).is_none());
}

#[tokio::test]
async fn the_next_life_settles_what_the_one_before_has_left() {
    let database = Database::of_test();
    let before = Scene::of_life(1, &database, &[SESSIONS, &[Kind::RoomVacated]].concat()).await;
    let anna = before.connect();
    let room = Topic::room("a").unwrap();
    before.router.subscribe(&room, &anna, Clock::start().now());
    before
        .witness
        .opened(&anna, || vec![Topic::room("a").unwrap()]);
    let id = before.id(&anna);
    let telling = before.witness.begin(&before.tasks);
    before.witness.change(&id, Change::Add(del("b"))).await;
    until(async || 2 <= before.told().len()).await;
    // As if it died.
    before.witness.give_up.cancel();
    telling.end(tokio::time::Instant::now()).await;
    let after = Scene::of_life(2, &database, SESSIONS).await;
    after.witness.settle_lives_before(Duration::ZERO).await;
    let told = after.told();
    assert_eq!(told[0], format!("closed:{id}"));
    assert!(
        told[1].starts_with("vacated:") && told[1].ends_with(":a"),
        "{told:?}"
    );
    assert_eq!(told.len(), 2);
    let What::SessionClosed {
        reason,
        rooms,
        duration_ms,
        ..
    } = after.herald.kept.lock()[0].what.clone()
    else {
        panic!();
    };
    // It is not known when it ended.
    assert_eq!(duration_ms, None);
    assert_eq!((&*reason, rooms), (crate::close::NODE_DIED, vec![room]));
    assert_eq!(*after.keys.done.lock(), [format!("{id} b")]);
    let again = Scene::of_life(3, &database, SESSIONS).await;
    again.witness.settle_lives_before(Duration::ZERO).await;
    assert!(again.told().is_empty());
}

#[tokio::test]
async fn a_message_that_reaches_nobody_is_told_of() {
    let scene = Scene::new(&[Kind::Undeliverable]).await;
    let now = Clock::start().now();
    let publish = |topic: &str, class| {
        let mut message = Message::new(topic.parse().unwrap(), "e", "1".into());
        message.class = class;
        scene.router.publish(message, now).unwrap();
    };
    use crate::message::DeliveryClass::{Durable, Ephemeral};
    publish("user:1", Ephemeral);
    publish("user:1", Durable);
    publish("room:1", Ephemeral);
    publish("session:gw.1.7", Ephemeral);
    publish("all", Ephemeral);
    scene.settle().await;
    let topics: Vec<_> = scene
        .herald
        .kept
        .lock()
        .iter()
        .map(Happening::lane)
        .collect();
    let expect = ["user:1", "session:gw.1.7"].map(|topic| topic.parse().unwrap());
    assert_eq!(topics, expect);
}

#[tokio::test]
async fn what_the_herald_has_no_room_for_is_not_counted_as_kept() {
    let scene = Scene::new(&[SESSIONS, &[Kind::MessageReceived]].concat()).await;
    scene.herald.is_full.store(true, Relaxed);
    let anna = scene.connect();
    scene.witness.opened(&anna, Vec::new);
    scene
        .witness
        .received(&anna, Incoming::Text("{\"flag\":\"travel\"}"));
    scene.end(&anna);
    scene.settle().await;
    let stats = &scene.witness.stats;
    for (kind, kept, dropped) in [
        (Kind::SessionOpened, 1, 0),
        (Kind::MessageReceived, 0, 1),
        (Kind::SessionClosed, 1, 0),
    ] {
        let counted = |counts: &[crate::stats::Count]| counts[kind as usize].load();
        assert_eq!(
            (counted(&stats.kept), counted(&stats.dropped)),
            (kept, dropped)
        );
    }
}

/// A session whose beginning is told, of which somebody else has settled everything by its end.
async fn settled_elsewhere(scene: &Scene) -> SessionId {
    let anna = scene.connect();
    scene.witness.opened(&anna, Vec::new);
    until(async || !scene.told().is_empty()).await;
    scene.dues.remove(scene.records().await).await.unwrap();
    assert!(scene.dues.close(&scene.router.member()).await.unwrap());
    scene.end(&anna);
    scene.id(&anna)
}

#[tokio::test]
async fn the_end_that_another_node_has_told_is_not_told_in_other_words() {
    let scene = Scene::new(SESSIONS).await;
    let telling = scene.witness.begin(&scene.tasks);
    let session = settled_elsewhere(&scene).await;
    scene.router.begin_new_epoch(1_700_000_000_000);
    until(async || scene.witness.owing() == 0).await;
    assert_eq!(scene.told(), [format!("opened:{session}")]);
    telling.end(tokio::time::Instant::now()).await;
}

#[tokio::test]
async fn the_end_is_told_when_it_was_not_another_node_that_removed_the_record() {
    let scene = Scene::new(SESSIONS).await;
    let telling = scene.witness.begin(&scene.tasks);
    let session = settled_elsewhere(&scene).await;
    scene.dues.open(&scene.router.member()).await.unwrap();
    until(async || scene.witness.owing() == 0).await;
    let expect = [format!("opened:{session}"), format!("closed:{session}")];
    assert_eq!(scene.told(), expect);
    telling.end(tokio::time::Instant::now()).await;
}
