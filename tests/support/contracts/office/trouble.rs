//! What is refused, lost on its way, or not told by whoever should.

use std::time::Duration;

use tidegate::office::{End, EntryId, LEASE, MESSAGES_MAX, Refusal, Strategy, WINDOW};

use super::{
    SECOND, assert_said,
    scene::{AWAY, Make, Scene},
};

pub(super) async fn too_much_is_refused(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    for _ in 0..MESSAGES_MAX {
        scene.ask("c", "1").await.unwrap();
    }
    assert_eq!(scene.ask("c", "1").await, Err(Refusal::TooMany));
    let long = format!("\"{}\"", "x".repeat(60_000));
    scene.ask("d", &long).await.unwrap();
    assert_eq!(scene.ask("d", &long).await, Err(Refusal::TooMany));
    scene.sit("1", "n.1.1").await;
    assert_eq!(scene.take_said("user:1").len(), MESSAGES_MAX + 3);
    let longer = format!("\"{}\"", "x".repeat(100_000));
    scene.ask("d", &longer).await.unwrap();
    assert_said!(scene, 1, [longer]);
    for _ in 0..2 * MESSAGES_MAX {
        scene.ask("c", "1").await.unwrap();
    }
}

pub(super) async fn a_seat_that_was_given_up_is_not_taken(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.rise("n.1.1", End::Died).await;
    assert_eq!(scene.try_sit("1", "n.1.1").await, Err(Refusal::Gone));
    scene.sit("1", "n.1.2").await;
    scene.sit("1", "n.1.3").await;
    scene.sit("1", "n.1.3").await;
    scene.rise("n.1.2", End::Left).await;
    scene.rise("n.1.2", End::Left).await;
    assert!(scene.view().await.agents[0].is_online, "it has another one");
    scene.rise("n.1.3", End::Left).await;
    assert!(!scene.view().await.agents[0].is_online);
    let view = scene.take_said("room:agents");
    let agent =
        |online| format!(r#"{{"type":"agent","id":"1","name":"name of 1","online":{online}}}"#);
    assert_eq!(view, [agent(true), agent(false)]);
}

pub(super) async fn what_a_dead_node_was_given_last_is_given_again(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.ask("c", "1").await.unwrap();
    scene.pass(WINDOW + SECOND).await;
    scene.ask("c", "2").await.unwrap();
    scene.ask("c", "3").await.unwrap();
    scene.sit("2", "m.1.1").await;
    scene.said.clear();
    scene.rise("n.1.1", End::Died).await;
    scene.ask("c", "4").await.unwrap();
    scene.pass(AWAY).await;
    assert_said!(
        scene,
        2,
        [
            r#"{"type":"assigned","id":"c","name":"name of c"}"#,
            2,
            3,
            4
        ]
    );
    scene.rise("m.1.1", End::Left).await;
    scene.sit("2", "m.1.2").await;
    assert_said!(scene, 2, []);
}

pub(super) async fn what_a_dead_node_was_given_is_given_again_to_an_agent_who_is_back(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.ask("c", "1").await.unwrap();
    scene.ask("c", "2").await.unwrap();
    scene.sit("1", "m.1.1").await;
    scene.ask("c", "3").await.unwrap();
    scene.said.clear();
    scene.rise("n.1.1", End::Died).await;
    scene.ask("c", "4").await.unwrap();
    assert_said!(scene, 1, [1, 2, 3, 4]);
    scene.sit("1", "m.1.2").await;
    scene.rise("m.1.1", End::Left).await;
    assert_said!(scene, 1, []);
}

pub(super) async fn what_is_given_again_takes_nobodys_room(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    for _ in 0..2 * MESSAGES_MAX {
        scene.ask("c", "1").await.unwrap();
    }
    scene.rise("n.1.1", End::Died).await;
    for _ in 0..MESSAGES_MAX {
        scene.ask("c", "2").await.unwrap();
    }
    assert_eq!(scene.ask("c", "2").await, Err(Refusal::TooMany));
    scene.take_said("user:1");
    scene.sit("1", "n.1.2").await;
    assert_eq!(scene.take_said("user:1").len(), 3 * MESSAGES_MAX);
    scene.rise("n.1.2", End::Left).await;
    for _ in 0..MESSAGES_MAX {
        scene.ask("c", "3").await.unwrap();
    }
    assert_eq!(scene.ask("c", "3").await, Err(Refusal::TooMany));
}

pub(super) async fn what_nobody_has_told_is_told_by_the_next(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.tells = false;
    scene.ask("c", "1").await.unwrap();
    scene.ask("c", "2").await.unwrap();
    scene.tells = true;
    scene.ask("c", "3").await.unwrap();
    scene.pass(Duration::ZERO).await;
    assert_said!(scene, 1, []);
    scene.pass(LEASE).await;
    assert_said!(
        scene,
        1,
        [
            r#"{"type":"assigned","id":"c","name":"name of c"}"#,
            1,
            2,
            3
        ]
    );
    scene.dies_while_telling = true;
    scene.ask("c", "4").await.unwrap();
    scene.dies_while_telling = false;
    scene.pass(LEASE).await;
    assert_said!(scene, 1, [4, 4]);
}

pub(super) async fn a_turn_that_is_somebody_elses_takes_nothing_out(make: Make) {
    let mut scene = Scene::new(make, Strategy::LeastLoaded);
    scene.sit("1", "n.1.1").await;
    scene.tells = false;
    scene.ask("c", "1").await.unwrap();
    let old = scene.turns.pop().unwrap();
    let told = scene.next(&old, Vec::new()).await.unwrap();
    let told: Vec<EntryId> = told.into_iter().map(|(id, _)| id).collect();
    scene.pass(LEASE).await;
    let new = scene.turns.pop().unwrap();
    assert_eq!((&new.lane, old.number < new.number), (&old.lane, true));
    assert_eq!(scene.next(&old, told.clone()).await, None);
    assert_eq!(
        scene.next(&new, Vec::new()).await.unwrap().len(),
        told.len()
    );
    assert_eq!(scene.next(&new, told.clone()).await, Some(Vec::new()));
    assert_eq!(scene.next(&new, told).await, None, "it is over");
}
