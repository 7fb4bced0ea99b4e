//! The contract of customer service, as two members see it. Time is what the case says.

mod model;
mod random;
mod scene;
mod trouble;

use std::{collections::BTreeSet, time::Duration};

use tidegate::office::{End, Reason, Refusal, Strategy, TOLD_MAX};
use tokio::task::JoinSet;

use self::scene::{AWAY, IDLE, Scene, user};
pub(crate) use self::{random::whatever_happens_in_whichever_order, scene::Make};

const SECOND: Duration = Duration::from_secs(1);

/// Every clause, each in a place of its own.
pub(crate) async fn holds(make: impl Fn() -> Make) {
    let mut cases = JoinSet::new();
    macro_rules! start {
        ($($case:path),+ $(,)?) => {
            $(
                let case = $case(make());
                cases.spawn(async move {
                    case.await;
                    stringify!($case)
                });
            )+
        };
    }
    start!(
        a_customer_keeps_its_agent_and_is_told_who_it_is,
        round_robin_is_the_tutorials_table,
        the_hash_is_stable,
        who_finds_nobody_waits_and_is_served_in_order,
        an_agent_who_is_back_in_time_keeps_its_customers,
        who_loses_its_agent_waits_at_its_old_place,
        a_transfer_is_told_to_all_and_only_the_agents_own,
        a_release_ends_it,
        trouble::too_much_is_refused,
        trouble::a_seat_that_was_given_up_is_not_taken,
        trouble::what_a_dead_node_was_given_last_is_given_again,
        trouble::what_a_dead_node_was_given_is_given_again_to_an_agent_who_is_back,
        trouble::what_is_given_again_takes_nobodys_room,
        trouble::what_nobody_has_told_is_told_by_the_next,
        trouble::a_turn_that_is_somebody_elses_takes_nothing_out,
        many_at_once_have_one_agent_each,
    );
    while let Some(ended) = cases.join_next().await {
        println!("  held: {}", ended.unwrap());
    }
}

/// The texts, in order, that were published to a user.
macro_rules! assert_said {
    ($scene:expr, $user:literal, [$($text:expr),* $(,)?]) => {
        let expected: Vec<String> = vec![$($text.to_string()),*];
        assert_eq!($scene.take_said(concat!("user:", $user)), expected);
    };
}
use assert_said;

async fn a_customer_keeps_its_agent_and_is_told_who_it_is(make: Make) {
    let mut scene = Scene::new(make, Strategy::RoundRobin);
    scene.sit("2", "n.1.1").await;
    scene.sit("1", "n.1.2").await;
    scene.ask("3", "\"hello\"").await.unwrap();
    assert_said!(
        scene,
        1,
        [
            r#"{"type":"assigned","id":"3","name":"name of 3"}"#,
            "\"hello\""
        ]
    );
    assert_said!(
        scene,
        3,
        [r#"{"type":"assigned","id":"1","name":"name of 1"}"#]
    );
    scene.sit("0", "n.1.3").await;
    scene.ask("3", "1").await.unwrap();
    scene.ask("5", "2").await.unwrap();
    assert_said!(scene, 1, ["1"]);
    assert_said!(
        scene,
        2,
        [r#"{"type":"assigned","id":"5","name":"name of 5"}"#, "2"]
    );
    assert_said!(scene, 3, []);
    let found = scene.find("3").await.unwrap();
    assert_eq!(found.agent.unwrap().id, user("1"));
    assert_eq!(scene.find("9").await, None);
    assert_eq!(scene.assigned, [2, 0, 0, 0]);
}

async fn round_robin_is_the_tutorials_table(make: Make) {
    let mut scene = Scene::new(make, Strategy::RoundRobin);
    for agent in ["30", "4", "10"] {
        scene.sit(agent, &format!("n.1.{agent}")).await;
    }
    for customer in 1..=9 {
        let customer = customer.to_string();
        scene.ask(&customer, "1").await.unwrap();
    }
    let view = scene.view().await;
    let agents = view.agents.iter().map(|agent| agent.party.id.as_str());
    assert!(agents.eq(["4", "10", "30"]));
    let served = view.customers.into_iter();
    let served = served.map(|customer| customer.agent.unwrap().id.as_str().to_owned());
    assert!(served.eq(["4", "10", "30", "4", "10", "30", "4", "10", "30"]));
}

async fn the_hash_is_stable(make: Make) {
    let mut scene = Scene::new(make, Strategy::Hash);
    for (agent, session) in ["1", "2", "3", "x", "y"].iter().zip(1..) {
        scene.sit(agent, &format!("n.1.{session}")).await;
    }
    for customer in ["7", "zo\u{eb}", "a b"] {
        scene.ask(customer, "1").await.unwrap();
        let agent = scene.find(customer).await.unwrap().agent.unwrap();
        let count = scene.view().await.agents.len() as u64;
        let at = tidegate::office::order::hash(&user(customer)) % count;
        let expected = scene.view().await.agents[at as usize].party.clone();
        assert_eq!(agent, expected, "{customer}");
    }
}

async fn who_finds_nobody_waits_and_is_served_in_order(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    for customer in ["c", "a", "b"] {
        scene.ask(customer, "\"first\"").await.unwrap();
        scene.ask(customer, "\"second\"").await.unwrap();
    }
    assert_said!(scene, "c", [r#"{"type":"queued","position":1}"#]);
    assert_said!(scene, "b", [r#"{"type":"queued","position":3}"#]);
    let places = scene.view().await.customers.into_iter();
    assert!(
        places
            .map(|customer| customer.position)
            .eq([Some(1), Some(2), Some(3)])
    );
    scene.release("c").await.unwrap();
    assert_eq!(scene.dropped, 2);
    scene.take_said("user:a");
    assert_said!(scene, "b", [r#"{"type":"queued","position":2}"#]);
    scene.sit("1", "n.1.1").await;
    let said = scene.take_said("user:1");
    let told: BTreeSet<_> = said
        .iter()
        .filter(|text| text.contains("assigned"))
        .collect();
    assert_eq!((said.len(), told.len()), (6, 2));
    assert_said!(
        scene,
        "a",
        [r#"{"type":"assigned","id":"1","name":"name of 1"}"#]
    );
    assert_eq!(scene.assigned, [0, 2, 0, 0]);
}

async fn an_agent_who_is_back_in_time_keeps_its_customers(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.ask("c", "1").await.unwrap();
    scene.sit("2", "n.1.2").await;
    scene.rise("n.1.1", End::Left).await;
    scene.ask("c", "2").await.unwrap();
    scene.pass(AWAY - SECOND).await;
    scene.take_said("user:1");
    scene.sit("1", "n.1.3").await;
    assert_said!(scene, 1, ["2"]);
    assert_said!(scene, 2, []);
    scene.rise("n.1.3", End::Left).await;
    scene.pass(AWAY).await;
    assert_said!(
        scene,
        1,
        [r#"{"type":"unassigned","id":"c","name":"name of c","to":"2"}"#]
    );
    assert_said!(
        scene,
        2,
        [r#"{"type":"assigned","id":"c","name":"name of c"}"#]
    );
    assert_eq!(scene.assigned, [1, 0, 1, 0]);
    let agents = scene.view().await.agents;
    assert_eq!(agents.len(), 1, "who was given up is none any more");
}

async fn who_loses_its_agent_waits_at_its_old_place(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.ask("old", "1").await.unwrap();
    scene.rise("n.1.1", End::Left).await;
    for new in 1..=TOLD_MAX + 2 {
        scene.ask(&format!("new {new}"), "1").await.unwrap();
    }
    scene.said.clear();
    scene.pass(AWAY).await;
    assert_said!(
        scene,
        1,
        [r#"{"type":"unassigned","id":"old","name":"name of old","to":null}"#]
    );
    assert_said!(scene, "old", [r#"{"type":"queued","position":1}"#]);
    assert_said!(scene, "new 49", [r#"{"type":"queued","position":50}"#]);
    // Too far behind to be told of every move.
    assert_said!(scene, "new 50", []);
    let found = scene.find("new 50").await.unwrap();
    assert_eq!(found.position, Some(51));
}

async fn a_transfer_is_told_to_all_and_only_the_agents_own(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.ask("c", "1").await.unwrap();
    scene.sit("2", "n.1.2").await;
    scene.said.clear();
    assert_eq!(
        scene.transfer(Some("2"), "c", "2").await,
        Err(Refusal::NotYours)
    );
    assert_eq!(
        scene.transfer(Some("1"), "c", "3").await,
        Err(Refusal::NoAgent)
    );
    assert_eq!(
        scene.transfer(None, "d", "2").await,
        Err(Refusal::NoCustomer)
    );
    assert_eq!(scene.transfer(Some("1"), "c", "1").await, Ok(()));
    assert!(scene.said.is_empty());
    assert_eq!(scene.transfer(Some("1"), "c", "2").await, Ok(()));
    assert_said!(
        scene,
        1,
        [r#"{"type":"unassigned","id":"c","name":"name of c","to":"2"}"#]
    );
    assert_said!(
        scene,
        2,
        [r#"{"type":"assigned","id":"c","name":"name of c"}"#]
    );
    assert_said!(
        scene,
        "c",
        [r#"{"type":"assigned","id":"2","name":"name of 2"}"#]
    );
    let view = r#"{"type":"assignment","customer":{"id":"c","name":"name of c"},"agent":{"id":"2","name":"name of 2"},"position":null}"#;
    assert_eq!(scene.take_said("room:agents"), [view]);
    assert_eq!(scene.assigned[Reason::Transferred as usize], 1);
    assert_eq!(
        scene.transfer(None, "c", "1").await,
        Ok(()),
        "whoever has it"
    );
}

async fn a_release_ends_it(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.ask("c", "1").await.unwrap();
    assert_eq!(scene.release_by("2", "c").await, Err(Refusal::NotYours));
    scene.said.clear();
    assert_eq!(scene.release_by("1", "c").await, Ok(()));
    assert_said!(
        scene,
        1,
        [r#"{"type":"unassigned","id":"c","name":"name of c","to":null}"#]
    );
    assert_eq!(scene.release("c").await, Err(Refusal::NoCustomer));
    assert_eq!(scene.view().await.customers, []);
    scene.ask("c", "2").await.unwrap();
    scene.pass(IDLE - SECOND).await;
    scene.ask("c", "3").await.unwrap();
    scene.pass(IDLE - SECOND).await;
    assert!(
        scene.find("c").await.is_some(),
        "it has said something meanwhile"
    );
    scene.pass(SECOND).await;
    assert_eq!(
        scene.find("c").await,
        None,
        "it has said nothing for so long"
    );
}

async fn many_at_once_have_one_agent_each(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    for agent in 1..=4 {
        scene.sit(&agent.to_string(), &format!("n.1.{agent}")).await;
    }
    let customers: Vec<String> = (0..40).map(|number| format!("c{number}")).collect();
    scene.ask_at_once(&customers).await;
    let view = scene.view().await;
    assert!(view.agents.iter().all(|agent| agent.customers == 10));
    assert_eq!(view.customers.len(), 40);
    for agent in 1..=4 {
        // Each is told of ten, and given what they say, twice.
        assert_eq!(scene.take_said(&format!("user:{agent}")).len(), 30);
    }
}
