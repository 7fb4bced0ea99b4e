//! Which rooms the node is in.

use super::*;
use crate::dues::Cursor;

#[tokio::test]
async fn a_room_is_occupied_by_its_first_and_vacated_by_its_last_subscriber() {
    let scene = Scene::new(&[Kind::RoomOccupied, Kind::RoomVacated]).await;
    let telling = scene.witness.begin(&scene.tasks);
    let (anna, bert) = (scene.connect(), scene.connect());
    let room = Topic::room("a").unwrap();
    let now = Clock::start().now();
    let told = async |count: usize| until(async || count <= scene.told().len()).await;
    scene.router.subscribe(&room, &anna, now);
    told(1).await;
    scene.router.subscribe(&room, &bert, now);
    scene.router.unsubscribe(&room, &anna);
    scene.router.unsubscribe(&room, &bert);
    told(2).await;
    scene
        .router
        .subscribe(&"user:7".parse().unwrap(), &anna, now);
    scene.router.subscribe(&room, &anna, now);
    told(3).await;
    scene.router.unsubscribe(&room, &anna);
    telling
        .end(tokio::time::Instant::now() + Duration::from_secs(10))
        .await;
    let kinds: Vec<_> = scene
        .herald
        .kept
        .lock()
        .iter()
        .map(|h| h.what.kind())
        .collect();
    let (occupied, vacated) = (Kind::RoomOccupied, Kind::RoomVacated);
    assert_eq!(kinds, [occupied, vacated, occupied, vacated]);
    let ids: HashSet<_> = scene.told().into_iter().collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn who_is_in_a_room_when_somebody_begins_to_care_is_told_of() {
    let scene = Scene::new(&[]).await;
    let telling = scene.witness.begin(&scene.tasks);
    let anna = scene.connect();
    let room = Topic::room("a").unwrap();
    scene.router.subscribe(&room, &anna, Clock::start().now());
    scene.herald.wanted.lock().insert(Kind::RoomOccupied);
    until(async || !scene.told().is_empty()).await;
    scene.router.unsubscribe(&room, &anna);
    telling
        .end(tokio::time::Instant::now() + Duration::from_secs(10))
        .await;
    assert_eq!(scene.told().len(), 2);
}

#[tokio::test]
async fn nobody_is_in_a_room_when_nobody_cares_any_more() {
    let scene = Scene::new(&[Kind::RoomOccupied]).await;
    let telling = scene.witness.begin(&scene.tasks);
    let anna = scene.connect();
    let room = Topic::room("a").unwrap();
    let now = Clock::start().now();
    scene.router.subscribe(&room, &anna, now);
    until(async || scene.told().len() == 1).await;
    scene.herald.wanted.lock().clear();
    until(async || scene.witness.has_left_all()).await;
    scene.router.unsubscribe(&room, &anna);
    // Nothing is left to wait for.
    let soon = tokio::time::Instant::now() + Duration::from_secs(60);
    tokio::time::timeout(Duration::from_secs(5), telling.end(soon))
        .await
        .expect("it ends by itself");
    let page = scene.dues.read(&scene.router.member(), Cursor::default());
    assert!(page.await.unwrap().rooms.is_empty());
}
