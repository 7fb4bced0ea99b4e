//! What sessions owe while nodes and Redis die: every end is told, and every key is changed once.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time;

use crate::{
    GONE, LONG, WHOLE, client::Client, fleet::Node, redis::Redis, service::Service, within,
};

/// Sessions of one round.
const SESSIONS: usize = 12;
/// What they are taken out of at their ends.
const SET: &str = "online:{all}";

/// Rounds of a loop.
fn rounds() -> usize {
    match env::var(LONG).as_deref() {
        Ok("1") => 30,
        _ => 3,
    }
}

/// An application that is told of ends, and the setting for it.
struct Listener {
    service: Service,
    settings: String,
    /// How each session has ended, by the id of what told of it.
    ends: BTreeMap<String, BTreeSet<String>>,
}

impl Listener {
    fn start() -> Self {
        let service = Service::taking();
        let url = service.url("/");
        let events = r#"["session.opened", "session.closed"]"#;
        Self {
            settings: format!("backend.hooks = [{{ events = {events}, url = \"{url}\" }}]\n"),
            service,
            ends: BTreeMap::new(),
        }
    }

    /// Waits until the ends of all these are told, and whatever else comes meanwhile.
    async fn has_ends(&mut self, sessions: &[String]) {
        let is_told = |ends: &BTreeMap<String, _>, id: &String| ends.contains_key(id);
        while !sessions.iter().all(|id| is_told(&self.ends, id)) {
            let body = self.service.next().await.json();
            self.note(&body);
        }
    }

    fn note(&mut self, body: &Value) {
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        if text("event") == "session.closed" {
            assert_eq!(text("id"), format!("closed:{}", text("session")));
            let reasons = self.ends.entry(text("session")).or_default();
            reasons.insert(text("reason"));
        }
    }
}

/// Sessions with what they owe, all on one node.
struct Crowd {
    clients: Vec<Client>,
    sessions: Vec<String>,
}

impl Crowd {
    async fn on(node: &Node, redis: Option<&Redis>, round: usize) -> Self {
        let mut crowd = Self {
            clients: Vec::new(),
            sessions: Vec::new(),
        };
        for number in 0..SESSIONS {
            let name = format!("u{round}-{number}");
            crowd.clients.push(Client::ride(node.public(), &name).await);
            let user = node.api(&format!("/api/users/{name}")).await;
            let session = user["sessions"][0]["id"].as_str().unwrap().to_owned();
            if let Some(redis) = redis {
                redis.ask(&["SADD", SET, &session]);
                attach(node, &session).await;
            }
            crowd.sessions.push(session);
        }
        crowd
    }
}

/// At its end the session is taken out of the set.
async fn attach(node: &Node, session: &str) {
    let path = format!("/api/sessions/{session}/on-close");
    let body = json!({"do": {"redis_srem": {"key": SET}}}).to_string();
    let answer = node.call("POST", &path, &body).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Each was taken out, and is put in again as soon as that shows: who takes it out a second time is found
/// out by that.
async fn refill(redis: &Redis, sessions: &[String]) {
    let mut left: BTreeSet<&String> = sessions.iter().collect();
    within(2 * WHOLE, "everything is done", async || {
        let gone = |session: &&&String| redis.ask(&["SISMEMBER", SET, session]) == "0";
        let done: Vec<&String> = left.iter().filter(gone).copied().collect();
        for session in done {
            redis.ask(&["SADD", SET, session]);
            left.remove(session);
        }
        left.is_empty()
    })
    .await;
}

fn is_full(redis: &Redis, sessions: &[String]) {
    for session in sessions {
        assert_eq!(
            redis.ask(&["SISMEMBER", SET, session]),
            "1",
            "{session}: twice"
        );
    }
}

/// Nothing is owed by anybody but these members.
async fn is_settled(redis: &Redis, members: usize) {
    within(WHOLE, "nothing is owed any more", async || {
        redis.keys("tg:sessions:") == members
    })
    .await;
}

async fn fleet(count: usize, redis: &Redis, settings: &str) -> Vec<Node> {
    let mut nodes = Vec::new();
    for number in 1..=count {
        let settings = format!("cluster.redis = \"{}\"\n{settings}", redis.url());
        let mut node = Node::with(&format!("gw-{number}"), &settings);
        node.run().await;
        within(WHOLE, "the node is ready", async || node.is_ready().await).await;
        nodes.push(node);
    }
    nodes
}

/// A moment of the next second, by chance.
async fn some_time() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    time::sleep(Duration::from_millis(u64::from(now.subsec_micros() % 300))).await;
}

#[tokio::test]
async fn the_ends_of_a_killed_node_are_told_and_what_was_owed_is_done_once() {
    let redis = Redis::start();
    let mut listener = Listener::start();
    let mut nodes = fleet(2, &redis, &listener.settings).await;
    let mut all = Vec::new();
    for round in 0..rounds() {
        let victim = round % 2;
        let Crowd {
            mut clients,
            sessions,
        } = Crowd::on(&nodes[victim], Some(&redis), round).await;
        // Some have ended, and some are ending.
        clients.truncate(SESSIONS - round % 5);
        let ending = async {
            for client in clients.drain(..SESSIONS / 2) {
                drop(client);
                time::sleep(Duration::from_millis(20)).await;
            }
        };
        let killing = async {
            some_time().await;
            nodes[victim].kill();
        };
        tokio::join!(ending, killing, refill(&redis, &sessions));
        listener.has_ends(&sessions).await;
        nodes[victim].run().await;
        within(WHOLE, "it is ready", async || {
            nodes[victim].is_ready().await
        })
        .await;
        is_settled(&redis, 2).await;
        all.extend(sessions);
    }
    is_full(&redis, &all);
    let told = listener.ends.len();
    assert_eq!(told, all.len());
    let died = listener
        .ends
        .values()
        .filter(|reasons| reasons.contains("node_died"));
    assert!(0 < died.count(), "nobody has died");
}

#[tokio::test]
async fn the_only_node_settles_its_own_life_before() {
    let redis = Redis::start();
    let mut listener = Listener::start();
    let mut nodes = fleet(1, &redis, &listener.settings).await;
    let crowd = Crowd::on(&nodes[0], Some(&redis), 0).await;
    nodes[0].kill();
    nodes[0].run().await;
    tokio::join!(
        listener.has_ends(&crowd.sessions),
        refill(&redis, &crowd.sessions)
    );
    is_settled(&redis, 1).await;
    is_full(&redis, &crowd.sessions);
}

#[tokio::test]
async fn a_frozen_node_and_who_has_reaped_it_do_everything_once() {
    let redis = Redis::start();
    let mut listener = Listener::start();
    let nodes = fleet(2, &redis, &listener.settings).await;
    let crowd = Crowd::on(&nodes[1], Some(&redis), 0).await;
    // Its own lease has to be trusted by the other one.
    time::sleep(Duration::from_secs(5)).await;
    nodes[1].signal(Signal::STOP);
    tokio::join!(
        listener.has_ends(&crowd.sessions),
        refill(&redis, &crowd.sessions)
    );
    within(2 * GONE, "it is gone", async || {
        nodes[0].nodes().await.len() == 1
    })
    .await;
    nodes[1].signal(Signal::CONT);
    within(WHOLE, "it has begun a new life", async || {
        nodes[1].metric("tidegate_fenced_total", "").await == 1.0
            && nodes[1].metric("tidegate_dues_sessions", "").await == 0.0
            && nodes[1].is_ready().await
    })
    .await;
    is_settled(&redis, 2).await;
    is_full(&redis, &crowd.sessions);
    let repeated = nodes[1]
        .metric("tidegate_duties_total", "outcome=\"done\"")
        .await;
    assert_eq!(repeated, 0.0);
    // Nor are the ends told in other words under the same ids.
    for node in &nodes {
        within(WHOLE, "everything is told", async || {
            node.metric("tidegate_hooks_pending", "").await == 0.0
        })
        .await;
    }
    while let Some(request) = listener.service.try_next() {
        listener.note(&request.json());
    }
    let once = BTreeSet::from(["node_died".to_owned()]);
    assert!(listener.ends.values().all(|reasons| *reasons == once));
}

#[tokio::test]
async fn what_ends_while_redis_is_away_is_told_and_done_afterwards() {
    let options = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = Redis::start_with(&options);
    let mut listener = Listener::start();
    let nodes = fleet(1, &redis, &listener.settings).await;
    let Crowd { clients, sessions } = Crowd::on(&nodes[0], Some(&redis), 0).await;
    redis.kill();
    drop(clients);
    within(WHOLE, "they have ended", async || {
        nodes[0].metric("tidegate_sessions", "").await == 0.0
    })
    .await;
    redis.run();
    tokio::join!(listener.has_ends(&sessions), refill(&redis, &sessions));
    is_settled(&redis, 1).await;
    is_full(&redis, &sessions);
}

#[tokio::test]
async fn an_empty_redis_is_told_again_what_is_owed() {
    let mut redis = Redis::start();
    let mut listener = Listener::start();
    let mut nodes = fleet(1, &redis, &listener.settings).await;
    let crowd = Crowd::on(&nodes[0], Some(&redis), 0).await;
    redis.kill();
    redis.run();
    for session in &crowd.sessions {
        redis.ask(&["SADD", SET, session]);
    }
    let key = format!("tg:sessions:{{gw-1.{}}}", nodes[0].epoch().await);
    let fields = (SESSIONS + 1).to_string();
    within(WHOLE, "it is kept again", async || {
        redis.ask(&["HLEN", &key]) == fields
    })
    .await;
    nodes[0].kill();
    nodes[0].run().await;
    tokio::join!(
        listener.has_ends(&crowd.sessions),
        refill(&redis, &crowd.sessions)
    );
    is_full(&redis, &crowd.sessions);
}

#[tokio::test]
async fn a_node_without_redis_tells_at_its_next_start_of_who_was_there() {
    let mut listener = Listener::start();
    let mut node = Node::with("gw-1", &listener.settings);
    node.run().await;
    let mut all = Vec::new();
    for round in 0..rounds() {
        within(WHOLE, "the node is ready", async || node.is_ready().await).await;
        let mut crowd = Crowd::on(&node, None, round).await;
        crowd.clients.truncate(SESSIONS / 2);
        if round % 2 == 0 {
            // Opened is told behind the record.
            some_time().await;
        }
        within(WHOLE, "they are kept", async || {
            let kept = "kind=\"session.opened\",outcome=\"kept\"";
            node.metric("tidegate_happenings_total", kept).await == SESSIONS as f64
        })
        .await;
        node.kill();
        node.run().await;
        listener.has_ends(&crowd.sessions).await;
        all.extend(crowd.sessions);
    }
    assert_eq!(listener.ends.len(), all.len());
}

#[tokio::test]
async fn the_rooms_of_a_killed_node_are_vacated_unless_somebody_is_there() {
    let redis = Redis::start();
    let mut service = Service::taking();
    let events = r#"["room.occupied", "room.vacated"]"#;
    let settings = format!(
        "presence.linger = \"100ms\"\n\
         backend.hooks = [{{ events = {events}, url = \"{}\" }}]\n",
        service.url("/")
    );
    let mut nodes = fleet(2, &redis, &settings).await;
    // Everybody is in one room, and drivers in another one.
    let _driver = Client::with_id(nodes[1].public(), "driver_1", "a").await;
    let _passenger = Client::with_id(nodes[0].public(), "p_1", "b").await;
    let mut told = async || {
        let body = service.next().await.json();
        let text = |field: &str| body[field].as_str().unwrap().to_owned();
        (text("event"), text("room"), text("id"))
    };
    let first = [told().await, told().await];
    assert!(first.iter().all(|(event, ..)| event == "room.occupied"));
    within(WHOLE, "both are in the room", async || {
        redis.keys("tg:room:") == 2
    })
    .await;
    time::sleep(Duration::from_secs(1)).await;
    nodes[1].kill();
    let (event, room, _) = told().await;
    assert_eq!(event, "room.vacated");
    assert!(room.contains("driver"), "{room}");
    is_settled(&redis, 1).await;
    assert_eq!(redis.keys("tg:room:"), 1);
}
