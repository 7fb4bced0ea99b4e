//! What waits in live rooms for a wall's word.

use std::sync::Arc;

use tidegate::{
    cluster::redis::Redis,
    sayings::{DRAFTS_KEPT, Draft, Drafts},
};

use crate::{
    contracts::sayings as contract,
    place::{Place, Rig},
    rigs::{Alone, redis},
};

fn drafts<R: Rig<Streams = Redis>>(place: &Place<R>) -> Arc<dyn Drafts> {
    Arc::new(place.streams().drafts())
}

pub(crate) async fn oldest_first<R: Rig<Streams = Redis>>(place: Place<R>) {
    contract::drafts_are_listed_oldest_first(drafts(&place)).await;
}

pub(crate) async fn taken_by_one<R: Rig<Streams = Redis>>(place: Place<R>) {
    contract::a_draft_is_taken_by_one_after_its_approval(drafts(&place)).await;
}

pub(crate) async fn rejected_or_cleared<R: Rig<Streams = Redis>>(place: Place<R>) {
    contract::what_is_rejected_or_cleared_is_gone(drafts(&place)).await;
}

pub(crate) async fn bounded<R: Rig<Streams = Redis>>(place: Place<R>) {
    contract::a_room_has_as_many_drafts_as_it_may(drafts(&place)).await;
}

/// Both keys of a room go a week after the last one was added.
#[tokio::test]
async fn the_keys_of_a_room_expire() {
    let rig = Alone::start();
    let drafts = redis(&rig.url(), "tg:").drafts();
    let draft = Draft {
        id: "1".into(),
        user_id: "1".into(),
        nickname: "a".into(),
        say: "b".into(),
        time_ms: 1,
    };
    assert!(drafts.add("r", draft).await.unwrap());
    let keys = rig.0.ask(&["KEYS", "tg:live:*"]);
    let keys: Vec<&str> = keys.split_whitespace().collect();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let left: u64 = rig.0.ask(&["PTTL", key]).parse().unwrap();
        let kept = DRAFTS_KEPT.as_millis() as u64;
        assert!((kept - 60_000..=kept).contains(&left), "{key}: {left}");
    }
}
