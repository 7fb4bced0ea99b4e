//! Contacts: the application's own sets.

use std::sync::Arc;

use tidegate::{
    cluster::{redis::Redis, streams::StreamsError},
    contacts::{Contacts, Position},
};

use crate::{
    chat::{self, Shelf},
    contracts::{contacts as contract, journal, person},
    place::{Place, Rig},
    rigs::{Alone, PASSWORD, redis},
};

/// The cases, which must not meet.
pub(crate) fn names() -> [&'static str; 6] {
    [
        "friends_are_one_way_and_in_order",
        "every_change_of_friends_can_be_made_twice",
        "couriers_come_and_go",
        "only_couriers_are_located",
        "orders_that_were_taken_are_known",
        "who_is_no_friend_is_not_written_to",
    ]
}

pub(crate) async fn run<R: Rig<Streams = Redis>>(case: &'static str, place: Place<R>) {
    let redis = place.streams();
    let contacts: Arc<dyn Contacts> = Arc::new(redis.contacts());
    match case {
        "friends_are_one_way_and_in_order" => {
            contract::friends_are_one_way_and_in_order(contacts).await;
        }
        "every_change_of_friends_can_be_made_twice" => {
            contract::every_change_of_friends_can_be_made_twice(contacts).await;
        }
        "couriers_come_and_go" => contract::couriers_come_and_go(contacts).await,
        "only_couriers_are_located" => contract::only_couriers_are_located(contacts).await,
        "orders_that_were_taken_are_known" => {
            contract::orders_that_were_taken_are_known(contacts).await;
        }
        "who_is_no_friend_is_not_written_to" => {
            let journal = chat::journal(&redis, &Shelf::new());
            journal::who_is_no_friend_is_not_written_to(journal, contacts).await;
        }
        _ => panic!("there is no such case"),
    }
}

#[tokio::test]
async fn what_the_application_has_written_counts_and_what_is_no_user_is_passed_over() {
    let rig = Alone::start();
    let contacts = redis(&rig.url(), "tg:").contacts();
    rig.0
        .ask(&["SADD", "URS:1", "10", "9", "abc", "007", "0", "-1", ""]);
    let friends = contacts.friends(person(1)).await;
    assert_eq!(friends, Ok([9, 10].map(person).to_vec()));
    rig.0.ask(&["SADD", "DELIVER", "9"]);
    let position = Position {
        longitude: 121.5,
        latitude: 31.25,
    };
    assert_eq!(contacts.locate(person(9), position).await, Ok(true));
    let found = rig.0.ask(&["GEOPOS", "GEO:DELIVER", "9"]);
    assert!(
        found.starts_with("121.5") || found.contains("121.49"),
        "{found}"
    );
    assert!(found.contains("31.2"), "{found}");
    contacts.set_taken("12", person(9)).await.unwrap();
    let left: u64 = rig.0.ask(&["TTL", "tg:im:taken:{12}"]).parse().unwrap();
    assert!((30 * 86_400..=31 * 86_400).contains(&left), "{left}");
    // What is of another type is an error, and no list without anybody.
    rig.0.ask(&["SET", "URS:3", "x"]);
    assert!(contacts.friends(person(3)).await.is_err());
}

#[tokio::test]
async fn the_keys_of_the_application_are_tried_and_not_changed() {
    let rig = Alone::start();
    rig.0.allow_documented(PASSWORD, "");
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    let (redis, keys) = (redis(&url, "tg:"), || rig.0.keys(""));
    assert_eq!(redis.contacts().check().await, Ok(()));
    assert_eq!(keys(), 0);
    for keys in [
        "~tg:* ~DELIVER ~GEO:DELIVER",
        "~tg:* ~URS:* ~DELIVER",
        "~tg:* ~URS:* ~GEO:DELIVER",
    ] {
        rig.0
            .allow_documented(PASSWORD, &format!("resetkeys {keys}"));
        assert_eq!(redis.check().await, Ok(()), "{keys}");
        let refused = redis.contacts().check().await;
        assert!(
            matches!(refused, Err(StreamsError::Refused(_))),
            "{refused:?}"
        );
    }
}
