use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::{
    close::CloseReason,
    dialect::{DialectId, ride},
    dues::{Dues as _, NoDeeds, Pending},
    farewell::Farewells,
    happening::{Happening, Herald, HeraldError, Kept, Kind},
    id::Member,
    office::{Ahead, LEASE, Strategy},
    router::{subscriber::Subscriber, transport::testing::Full},
    store::sqlite::{Database, SqliteDues, SqliteOffice},
    topic::Topic,
    witness::{self, Witness},
};

const RULES: Rules = Rules {
    strategy: Strategy::LeastLoaded,
    reassign_after: Duration::from_secs(10),
    idle: Duration::from_secs(3600),
};

/// Wants to hear of nothing.
#[derive(Debug)]
struct Deaf;

impl Herald for Deaf {
    fn wants(&self, _: Kind, _: Option<DialectId>) -> bool {
        false
    }

    fn wants_message(&self, _: DialectId, _: &str) -> bool {
        false
    }

    fn keep(&self, _: Vec<Happening>) -> crate::happening::Pending<'_, Kept> {
        Box::pin(async { Err(HeraldError("it keeps nothing".into())) })
    }
}

/// Gives seats back at a reception.
#[derive(Debug)]
struct Seats(Reception);

impl Farewells for Seats {
    fn say<'a>(
        &'a self,
        _: &'a str,
        _: &'a Topic,
        _: &'a str,
        _: &'a Bytes,
    ) -> Pending<'a, dues::Done> {
        unreachable!("nobody owes that")
    }

    fn rise<'a>(&'a self, session: &'a SessionId) -> Pending<'a, dues::Done> {
        Box::pin(self.0.rise(session))
    }
}

/// A node that speaks to nobody.
struct Scene {
    reception: Reception,
    router: Arc<Router>,
    witness: Arc<Witness>,
    dues: Arc<SqliteDues>,
    ahead: Ahead,
    clock: Clock,
}

impl Scene {
    async fn new() -> Self {
        let member = Member::new(&"gw".parse().unwrap(), 1);
        let router = Router::new(member.clone(), 1, 1 << 20, 1 << 20);
        let (clock, ahead) = (Clock::start(), Ahead::default());
        let database = Database::of_test();
        let dues = Arc::new(SqliteDues::new(database.clone(), clock));
        dues.open(&member).await.unwrap();
        let witness = Witness::new(witness::Parts {
            router: Arc::clone(&router),
            clock,
            herald: Arc::new(Deaf),
            dues: Arc::<SqliteDues>::clone(&dues),
            deeds: Arc::new(NoDeeds),
            occupancy: Arc::<SqliteDues>::clone(&dues),
            linger: Duration::ZERO,
        });
        router.set_witness(Arc::clone(&witness));
        let parts = Parts {
            office: Arc::new(SqliteOffice::new(database, clock, ahead.clone())),
            router: Arc::clone(&router),
            clock,
        };
        let reception = Reception::new(parts, RULES);
        witness.set_farewells(Arc::new(Seats(reception.clone())));
        Self {
            reception,
            router,
            witness,
            dues,
            ahead,
            clock,
        }
    }

    /// A session of a user, which nothing reaches yet.
    fn connect(&self, user: &str) -> (Arc<Subscriber>, Caller) {
        let shard = &self.router.shards()[0];
        let dialect = ride::Ride::new(ride::Settings::default());
        let subscriber = Subscriber::new(
            shard.next_serial(),
            Arc::clone(shard),
            Arc::new(dialect),
            Arc::new(Full),
            "203.0.113.7".parse().unwrap(),
            5,
        );
        self.router.attach(&subscriber);
        let caller = Caller {
            dialect: DialectId::Room,
            session: self.router.session_id(subscriber.serial),
            remote: subscriber.remote,
            user: Some(user.parse().unwrap()),
            rooms: Vec::new(),
        };
        (subscriber, caller)
    }

    fn can_be_reached(&self, subscriber: &Arc<Subscriber>, user: &str) {
        let topic = Topic::user(&user.parse().unwrap());
        self.router.subscribe(&topic, subscriber, self.clock.now());
    }

    async fn call(&self, caller: &Caller, request: ServiceRequest) -> ServiceOutcome {
        let calling = self
            .reception
            .carry_out(caller.clone(), vec![Request::Service(request)]);
        match &calling.await[..] {
            [Outcome::Service(outcome)] => *outcome,
            other => panic!("{other:?}"),
        }
    }

    async fn sit(&self, caller: &Caller) -> ServiceOutcome {
        let name = "Li".into();
        self.call(caller, ServiceRequest::Sit { name }).await
    }

    async fn ask(&self, caller: &Caller) -> ServiceOutcome {
        let (name, data) = ("Anna".into(), Bytes::from_static(b"1"));
        self.call(caller, ServiceRequest::Ask { name, data }).await
    }

    async fn duties(&self) -> Vec<Duty> {
        let page = self
            .dues
            .read(&self.router.member(), Default::default())
            .await;
        let records = page.unwrap().records.into_iter();
        records.flat_map(|record| record.duties).collect()
    }
}

#[tokio::test]
async fn a_seat_is_owed_before_it_is_taken_and_given_back_at_the_end() {
    let scene = Scene::new().await;
    let tasks = TaskTracker::new();
    let telling = scene.witness.begin(&tasks);
    let (agent, caller) = scene.connect("1");
    assert_eq!(scene.sit(&caller).await, ServiceOutcome::Done);
    assert_eq!(scene.sit(&caller).await, ServiceOutcome::Done, "once more");
    let seat = Duty {
        id: SEAT.into(),
        deed: Deed::Rise,
    };
    assert_eq!(scene.duties().await, [seat]);
    let view = scene.reception.view(0, 1).await.unwrap();
    assert!(view.agents[0].is_online);
    scene.router.detach(&agent);
    scene
        .witness
        .ended(&agent, CloseReason::ClientGone, Vec::new());
    telling.end(Instant::now() + Duration::from_secs(10)).await;
    let view = scene.reception.view(0, 1).await.unwrap();
    assert!(!view.agents[0].is_online);
    assert_eq!(scene.duties().await, []);
}

#[tokio::test]
async fn who_has_ended_takes_no_seat() {
    let scene = Scene::new().await;
    let (agent, caller) = scene.connect("1");
    scene.router.detach(&agent);
    assert_eq!(scene.sit(&caller).await, ServiceOutcome::Unavailable);
    assert_eq!(scene.reception.view(0, 1).await.unwrap().agents, []);
}

#[tokio::test]
async fn what_cannot_reach_the_agent_is_told_later() {
    let scene = Scene::new().await;
    let telling = scene.witness.begin(&TaskTracker::new());
    let (agent, caller) = scene.connect("1");
    scene.sit(&caller).await;
    let (_, customer) = scene.connect("7");
    assert_eq!(scene.ask(&customer).await, ServiceOutcome::Done);
    let stats = scene.reception.stats();
    assert_eq!((stats.waits.load(), stats.assigned[0].load()), (1, 1));
    // That the agent has come, and whose it is; but not what the customer says.
    assert_eq!(stats.told.load(), 2);
    scene.can_be_reached(&agent, "1");
    scene.ahead.go(LEASE);
    assert_eq!(scene.reception.look().await, Ok(false));
    assert_eq!((stats.told.load(), stats.customers_assigned.load()), (3, 1));
    scene.reception.look().await.unwrap();
    assert_eq!(stats.lanes.load(), 0);
    drop(telling);
}

#[tokio::test]
async fn what_is_refused_is_told_and_counted() {
    let scene = Scene::new().await;
    let (_, caller) = scene.connect("1");
    let customer: UserId = "7".parse().unwrap();
    let refused = |refusal| ServiceOutcome::Refused(refusal);
    let release = || ServiceRequest::Release {
        customer: customer.clone(),
    };
    let transfer = || ServiceRequest::Transfer {
        customer: customer.clone(),
        to: "2".parse().unwrap(),
    };
    let not_yours = refused(ServiceRefusal::NotYours);
    assert_eq!(scene.call(&caller, release()).await, not_yours);
    let (_, other) = scene.connect("7");
    for _ in 0..crate::office::MESSAGES_MAX {
        assert_eq!(scene.ask(&other).await, ServiceOutcome::Done);
    }
    let too_many = refused(ServiceRefusal::TooMany);
    assert_eq!(scene.ask(&other).await, too_many);
    assert_eq!(scene.call(&caller, transfer()).await, not_yours);
    let api = scene
        .reception
        .transfer(customer.clone(), "2".parse().unwrap());
    assert_eq!(api.await, Err(ServiceError::Refused(Refusal::NoAgent)));
    let stats = scene.reception.stats();
    let counts = stats.refused.each_ref().map(|count| count.load());
    assert_eq!(counts, [0, 1, 1, 1, 1]);
    assert_eq!(stats.customers_waiting.load(), 0, "nobody has looked");
    scene.reception.look().await.unwrap();
    assert_eq!(stats.customers_waiting.load(), 1);
    scene.reception.close().await;
    assert_eq!(scene.ask(&other).await, ServiceOutcome::Unavailable);
}
