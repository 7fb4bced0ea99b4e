//! Mail: letters that are kept until they are removed.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use tidegate::{
    clock::Clock,
    cluster::redis::MailSettings,
    mail::{Bounds, Letter, LetterId, Mail, PAGE, Put},
    topic::Topic,
};

use crate::{
    place::{Place, Rig},
    redis::Redis,
    rigs,
};

/// Wide enough for most cases.
const BOUNDS: Bounds = Bounds {
    letters_max: 1000,
    keep: Duration::from_secs(3600),
};

fn user(name: &str) -> Topic {
    format!("user:{name}").parse().unwrap()
}

/// Not text, with what ends lines and texts.
fn body(number: u64) -> Bytes {
    let mut body = vec![0, 255, b'\r', b'\n'];
    body.extend(number.to_be_bytes());
    body.into()
}

async fn put(mail: &dyn Mail, to: &Topic, numbers: std::ops::Range<u64>) -> Vec<Put> {
    let letters = numbers.map(|number| (to.clone(), body(number)));
    mail.put(letters.collect()).await.unwrap()
}

async fn read(mail: &dyn Mail, of: &Topic) -> Vec<Letter> {
    let mut pages = mail.read(vec![of.clone()]).await.unwrap();
    assert_eq!(pages.len(), 1);
    pages.remove(0)
}

fn ids(letters: &[Letter]) -> Vec<LetterId> {
    letters.iter().map(|letter| letter.id).collect()
}

#[track_caller]
fn check(letters: &[Letter], numbers: impl IntoIterator<Item = u64>) {
    let bodies: Vec<Bytes> = letters.iter().map(|letter| letter.body.clone()).collect();
    let expect: Vec<Bytes> = numbers.into_iter().map(body).collect();
    assert_eq!(bodies, expect);
}

pub(crate) async fn letters_are_read_in_order_and_by_the_page<R: Rig>(place: Place<R>) {
    let (mail, other) = (place.mail(BOUNDS), place.mail(BOUNDS));
    let a = user("a");
    let first = put(&*mail, &a, 0..PAGE as u64).await;
    let second = put(&*other, &a, PAGE as u64..PAGE as u64 + 5).await;
    let names: Vec<LetterId> = first
        .iter()
        .chain(&second)
        .map(|put| put.posted.id)
        .collect();
    assert!(names.is_sorted() && first.iter().all(|put| put.dropped == 0));
    let mut before = LetterId::NONE;
    for put in first.iter().chain(&second) {
        assert_eq!(put.posted.after, before);
        before = put.posted.id;
    }
    let page = read(&*other, &a).await;
    check(&page, 0..PAGE as u64);
    assert_eq!(ids(&page), names[..PAGE]);
    // Read is not removed.
    assert_eq!(read(&*mail, &a).await, page);
    mail.remove(vec![(a.clone(), ids(&page))]).await.unwrap();
    check(&read(&*other, &a).await, PAGE as u64..PAGE as u64 + 5);
}

pub(crate) async fn every_user_has_mail_of_its_own<R: Rig>(place: Place<R>) {
    let mail = place.mail(BOUNDS);
    let users = ["a", "a}", "{a", "}", "\u{1F600} b", "a:b", "*"].map(user);
    let letters = users.iter().zip(0..);
    let letters = letters.map(|(user, number)| (user.clone(), body(number)));
    let put = mail.put(letters.collect()).await.unwrap();
    assert_eq!(put.len(), users.len());
    let mut asked = users.to_vec();
    asked.push(user("nobody"));
    let pages = mail.read(asked).await.unwrap();
    for (page, number) in pages.iter().zip(0..) {
        match users.get(number as usize) {
            Some(_) => check(page, [number]),
            None => check(page, []),
        }
    }
    // The name of a letter of somebody else is nobody's.
    let other = vec![(users[1].clone(), ids(&pages[0]))];
    if put[0].posted.id != put[1].posted.id {
        mail.remove(other).await.unwrap();
        check(&read(&*mail, &users[0]).await, [0]);
    }
    assert_eq!(mail.read(Vec::new()).await.unwrap(), [[]; 0]);
    assert_eq!(mail.put(Vec::new()).await.unwrap(), []);
}

pub(crate) async fn the_oldest_letters_give_way_and_are_counted<R: Rig>(place: Place<R>) {
    let mail = place.mail(Bounds {
        letters_max: 3,
        ..BOUNDS
    });
    let (a, b) = (user("a"), user("b"));
    let dropped = |put: Vec<Put>| -> Vec<u64> { put.iter().map(|put| put.dropped).collect() };
    assert_eq!(dropped(put(&*mail, &a, 0..2).await), [0, 0]);
    assert_eq!(dropped(put(&*mail, &b, 9..10).await), [0]);
    assert_eq!(dropped(put(&*mail, &a, 2..5).await), [0, 1, 1]);
    check(&read(&*mail, &a).await, 2..5);
    check(&read(&*mail, &b).await, [9]);
    // A bound that was lowered holds from the next letter on.
    let mail = place.mail(Bounds {
        letters_max: 1,
        ..BOUNDS
    });
    assert_eq!(dropped(put(&*mail, &a, 5..6).await), [3]);
    check(&read(&*mail, &a).await, [5]);
}

pub(crate) async fn what_was_removed_is_not_there<R: Rig>(place: Place<R>) {
    let mail = place.mail(BOUNDS);
    let (a, b) = (user("a"), user("b"));
    put(&*mail, &a, 0..4).await;
    put(&*mail, &b, 8..9).await;
    let page = read(&*mail, &a).await;
    let some = vec![page[0].id, page[2].id];
    mail.remove(vec![(a.clone(), some.clone())]).await.unwrap();
    check(&read(&*mail, &a).await, [1, 3]);
    // Twice does no harm, nor does what never was.
    let never = LetterId(u64::MAX >> 1, 7);
    let again = vec![
        (a.clone(), some),
        (a.clone(), vec![never, page[1].id, page[3].id]),
        (user("nobody"), vec![never]),
    ];
    mail.remove(again).await.unwrap();
    check(&read(&*mail, &a).await, []);
    let next = put(&*mail, &a, 5..6).await;
    assert_eq!(
        next[0].posted.after,
        LetterId::NONE,
        "those before are gone"
    );
    check(&read(&*mail, &a).await, [5]);
    check(&read(&*mail, &b).await, [8]);
}

pub(crate) async fn expired_letters_are_not_read<R: Rig>(place: Place<R>) {
    const KEEP: Duration = Duration::from_secs(1);
    let bounds = Bounds {
        keep: KEEP,
        ..BOUNDS
    };
    let mail = place.mail(bounds);
    let (a, b) = (user("a"), user("b"));
    put(&*mail, &a, 0..1).await;
    put(&*mail, &b, 1..2).await;
    check(&read(&*mail, &a).await, [0]);
    // The time itself is what is tested.
    tokio::time::sleep(KEEP + Duration::from_millis(100)).await;
    put(&*mail, &a, 2..3).await;
    check(&read(&*mail, &a).await, [2]);
    check(&read(&*mail, &b).await, []);
}

pub(crate) async fn letters_of_many_members_are_all_there_and_have_names_of_their_own<R: Rig>(
    place: Place<R>,
) {
    let (one, two) = (place.mail(BOUNDS), place.mail(BOUNDS));
    let a = user("a");
    let first = async {
        for number in 0..40 {
            put(&*one, &a, number..number + 1).await;
        }
    };
    let second = async {
        for number in 40..80 {
            put(&*two, &a, number..number + 1).await;
        }
    };
    tokio::join!(first, second);
    let letters = read(&*one, &a).await;
    let names: BTreeSet<LetterId> = ids(&letters).into_iter().collect();
    assert_eq!((letters.len(), names.len()), (80, 80));
    for range in [0..40, 40..80] {
        let mut own = letters.clone();
        own.retain(|letter| range.clone().any(|number| letter.body == body(number)));
        check(&own, range);
    }
}

#[tokio::test]
async fn a_letter_that_too_few_replicas_have_is_not_answered_for() {
    let primary = Redis::start();
    let mail = rigs::redis(&primary.url(), "tg:").mail(MailSettings {
        bounds: BOUNDS,
        replicas: 1,
        clock: Clock::start(),
    });
    let a = user("a");
    let refused = mail.put(vec![(a.clone(), body(1))]).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("0 replicas have it, expected 1")
    );
    let port = primary.port().to_string();
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &port]);
    crate::redis::wait_until("the replica is there", || {
        replica
            .ask(&["INFO", "replication"])
            .contains("master_link_status:up")
    });
    put(&mail, &a, 2..3).await;
}
