//! The contract of contacts.

use std::sync::Arc;

use tidegate::contacts::{Contacts, Position};

use super::person;

const HERE: Position = Position {
    longitude: 121.47,
    latitude: 31.23,
};

pub(crate) async fn friends_are_one_way_and_in_order(contacts: Arc<dyn Contacts>) {
    let contacts = &*contacts;
    let greatest = i64::MAX as u64 - 1;
    for friend in [10, 9, greatest, 1, 100] {
        let setting = contacts.set_friend(person(1), person(friend), true);
        setting.await.unwrap();
    }
    let friends = [1, 9, 10, 100, greatest].map(person);
    assert_eq!(contacts.friends(person(1)).await, Ok(friends.to_vec()));
    for other in [9, 10, 11] {
        assert_eq!(contacts.friends(person(other)).await, Ok(Vec::new()));
    }
}

pub(crate) async fn every_change_of_friends_can_be_made_twice(contacts: Arc<dyn Contacts>) {
    let contacts = &*contacts;
    for (is_friend, friends) in [
        (true, vec![person(2)]),
        (false, vec![]),
        (true, vec![person(2)]),
    ] {
        for _ in 0..2 {
            let setting = contacts.set_friend(person(1), person(2), is_friend);
            setting.await.unwrap();
            assert_eq!(contacts.friends(person(1)).await, Ok(friends.clone()));
        }
    }
}

pub(crate) async fn couriers_come_and_go(contacts: Arc<dyn Contacts>) {
    let contacts = &*contacts;
    assert_eq!(contacts.couriers().await, Ok(Vec::new()));
    for courier in [10, 9, 9] {
        contacts.set_courier(person(courier), true).await.unwrap();
    }
    assert_eq!(contacts.couriers().await, Ok(vec![person(9), person(10)]));
    for _ in 0..2 {
        contacts.set_courier(person(9), false).await.unwrap();
    }
    assert_eq!(contacts.couriers().await, Ok(vec![person(10)]));
}

pub(crate) async fn only_couriers_are_located(contacts: Arc<dyn Contacts>) {
    let contacts = &*contacts;
    assert_eq!(contacts.locate(person(9), HERE).await, Ok(false));
    contacts.set_courier(person(9), true).await.unwrap();
    for latitude in [-85.05112878, 0.0, 85.05112878] {
        let position = Position {
            longitude: 180.0,
            latitude,
        };
        assert_eq!(contacts.locate(person(9), position).await, Ok(true));
    }
    assert_eq!(contacts.locate(person(8), HERE).await, Ok(false));
    contacts.set_courier(person(9), false).await.unwrap();
    assert_eq!(contacts.locate(person(9), HERE).await, Ok(false));
}

pub(crate) async fn orders_that_were_taken_are_known(contacts: Arc<dyn Contacts>) {
    let contacts = &*contacts;
    assert_eq!(contacts.taken_by("12").await, Ok(None));
    for _ in 0..2 {
        contacts.set_taken("12", person(9)).await.unwrap();
        assert_eq!(contacts.taken_by("12").await, Ok(Some(person(9))));
    }
    contacts.set_taken("ab", person(8)).await.unwrap();
    for other in ["012", "12 ", "12abc", "1", "AB", "", "\u{e1}b"] {
        assert_eq!(contacts.taken_by(other).await, Ok(None), "{other}");
    }
    assert_eq!(contacts.taken_by("12").await, Ok(Some(person(9))));
    assert_eq!(contacts.taken_by("ab").await, Ok(Some(person(8))));
}
