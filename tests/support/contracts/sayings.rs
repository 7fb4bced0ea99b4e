//! The contracts of what is said in live rooms.

use std::sync::Arc;

use tidegate::sayings::{DRAFTS_MAX, Draft, Drafts, Found, PAGE_MAX, Page, Saying, Sayings, Voice};
use tokio::task::JoinSet;

/// When the first word was said.
const BEGIN_MS: u64 = 1_700_000_000_123;

fn draft(number: usize) -> Draft {
    Draft {
        id: format!("{number:032x}").into(),
        user_id: format!("user\u{5f20}{number}").into(),
        nickname: "a{b}&amp;\u{1f600}".into(),
        say: format!("{{\"n\": {number}}} \u{5f20}\n ").into(),
        // Not in the order in which they are added.
        time_ms: BEGIN_MS - number as u64 % 7,
    }
}

pub(crate) async fn drafts_are_listed_oldest_first(drafts: Arc<dyn Drafts>) {
    assert_eq!(drafts.list("r{1}", 10).await.unwrap(), []);
    for number in 0..12 {
        assert!(drafts.add("r{1}", draft(number)).await.unwrap());
    }
    assert!(drafts.add("r2", draft(99)).await.unwrap());
    let listed = drafts.list("r{1}", 10).await.unwrap();
    assert_eq!(listed, (0..10).map(draft).collect::<Vec<_>>());
    let listed = drafts.list("r{1}", 100).await.unwrap();
    assert_eq!(listed.len(), 12);
    assert_eq!(drafts.list("r2", 10).await.unwrap(), [draft(99)]);
    assert_eq!(drafts.list("r", 10).await.unwrap(), []);
}

pub(crate) async fn a_draft_is_taken_by_one_after_its_approval(drafts: Arc<dyn Drafts>) {
    let id = draft(1).id;
    assert_eq!(drafts.approve("r", &id).await.unwrap(), None);
    assert!(drafts.add("r", draft(1)).await.unwrap());
    // Not before it is approved, nor in another room, nor under another name.
    assert!(!drafts.take("r", &id).await.unwrap());
    assert_eq!(drafts.approve("r2", &id).await.unwrap(), None);
    assert_eq!(drafts.approve("r", "x").await.unwrap(), None);
    for _ in 0..2 {
        assert_eq!(drafts.approve("r", &id).await.unwrap(), Some(draft(1)));
    }
    // From then on nobody rejects it, and it is still listed.
    assert!(!drafts.reject("r", &id).await.unwrap());
    assert_eq!(drafts.clear("r").await.unwrap(), 0);
    assert_eq!(drafts.list("r", 10).await.unwrap(), [draft(1)]);
    let mut takers = JoinSet::new();
    for _ in 0..8 {
        let (drafts, id) = (Arc::clone(&drafts), id.clone());
        takers.spawn(async move { drafts.take("r", &id).await.unwrap() });
    }
    let taken = takers.join_all().await;
    assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
    assert_eq!(drafts.approve("r", &id).await.unwrap(), None);
    assert_eq!(drafts.list("r", 10).await.unwrap(), []);
}

pub(crate) async fn what_is_rejected_or_cleared_is_gone(drafts: Arc<dyn Drafts>) {
    for number in 0..5 {
        assert!(drafts.add("r", draft(number)).await.unwrap());
    }
    assert!(drafts.add("r2", draft(0)).await.unwrap());
    assert!(drafts.reject("r", &draft(0).id).await.unwrap());
    assert!(!drafts.reject("r", &draft(0).id).await.unwrap());
    assert_eq!(drafts.approve("r", &draft(0).id).await.unwrap(), None);
    drafts.approve("r", &draft(3).id).await.unwrap().unwrap();
    assert_eq!(drafts.clear("r").await.unwrap(), 3);
    assert_eq!(drafts.clear("r").await.unwrap(), 0);
    assert_eq!(drafts.list("r", 10).await.unwrap(), [draft(3)]);
    assert_eq!(drafts.list("r2", 10).await.unwrap(), [draft(0)]);
}

pub(crate) async fn a_room_has_as_many_drafts_as_it_may(drafts: Arc<dyn Drafts>) {
    for number in 0..DRAFTS_MAX {
        assert!(drafts.add("r", draft(number)).await.unwrap(), "{number}");
    }
    assert!(!drafts.add("r", draft(DRAFTS_MAX)).await.unwrap());
    assert!(drafts.add("r2", draft(DRAFTS_MAX)).await.unwrap());
    let listed = drafts.list("r", DRAFTS_MAX + 1).await.unwrap();
    assert_eq!(listed.len(), DRAFTS_MAX);
    assert!(drafts.reject("r", &draft(7).id).await.unwrap());
    assert!(drafts.add("r", draft(DRAFTS_MAX)).await.unwrap());
    let cleared = drafts.clear("r").await.unwrap();
    assert_eq!(cleared, DRAFTS_MAX as u64);
}

fn saying(code: &str, kind: Voice, number: u64) -> Saying {
    Saying {
        code: code.into(),
        kind,
        name: (kind == Voice::User).then(|| format!("{code}-{number}").into()),
        user_id: format!("u\u{5f20}{number}").into(),
        nickname: "a&amp;\u{1f600} ".into(),
        say: format!("\u{5f20} {number} ").into(),
        time_ms: BEGIN_MS + number * 1000,
    }
}

fn page(code: &str, kind: Voice, skip: usize, max: usize) -> Page {
    Page {
        code: code.into(),
        kind,
        skip,
        max,
    }
}

fn said(found: &Found) -> Vec<&Saying> {
    found.sayings.iter().map(|(_, saying)| saying).collect()
}

pub(crate) async fn pages_are_of_a_room_and_a_voice_newest_first(sayings: Arc<dyn Sayings>) {
    let mut ids = Vec::new();
    for number in 0..25 {
        for (code, kind) in [("r", Voice::Wall), ("r", Voice::User), ("R", Voice::Wall)] {
            let id = sayings.publish(saying(code, kind, number)).await.unwrap();
            ids.push(id);
        }
    }
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    for (code, kind) in [("r", Voice::Wall), ("r", Voice::User), ("R", Voice::Wall)] {
        let first = sayings
            .history(page(code, kind, 0, PAGE_MAX))
            .await
            .unwrap();
        assert_eq!(first.count, 25);
        let expect: Vec<_> = (5..25)
            .rev()
            .map(|number| saying(code, kind, number))
            .collect();
        assert_eq!(said(&first), expect.iter().collect::<Vec<_>>());
        assert!(first.sayings.iter().all(|(id, _)| ids.contains(id)));
        let second = sayings
            .history(page(code, kind, PAGE_MAX, PAGE_MAX))
            .await
            .unwrap();
        assert_eq!((second.sayings.len(), second.count), (5, 25));
        assert_eq!(*said(&second)[4], saying(code, kind, 0));
    }
    for (code, skip) in [("r ", 0), ("s", 0), ("r", 25), ("r", 10_000)] {
        let found = sayings
            .history(page(code, Voice::Wall, skip, 10))
            .await
            .unwrap();
        assert_eq!(found.sayings, [], "{code}");
    }
}

pub(crate) async fn a_name_is_published_once(sayings: Arc<dyn Sayings>) {
    let mut publishers = JoinSet::new();
    for _ in 0..8 {
        let sayings = Arc::clone(&sayings);
        publishers.spawn(async move {
            let published = sayings.publish(saying("r", Voice::User, 1)).await;
            published.unwrap()
        });
    }
    let ids = publishers.join_all().await;
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let found = sayings
        .history(page("r", Voice::User, 0, 10))
        .await
        .unwrap();
    assert_eq!((found.sayings.len(), found.count), (1, 1));
    // What walls say has no name, and may be said again.
    for _ in 0..2 {
        sayings.publish(saying("r", Voice::Wall, 1)).await.unwrap();
    }
    let found = sayings
        .history(page("r", Voice::Wall, 0, 10))
        .await
        .unwrap();
    assert_eq!(found.count, 2);
}

pub(crate) async fn what_a_wall_said_is_recalled_once(sayings: Arc<dyn Sayings>) {
    let wall = sayings.publish(saying("r", Voice::Wall, 1)).await.unwrap();
    let other = sayings.publish(saying("r", Voice::Wall, 2)).await.unwrap();
    let user = sayings.publish(saying("r", Voice::User, 3)).await.unwrap();
    for (code, id) in [
        ("R", wall),
        ("r2", wall),
        ("r", user),
        ("r", 0),
        ("r", user + 9),
    ] {
        assert!(
            !sayings.recall(code, id, BEGIN_MS).await.unwrap(),
            "{code} {id}"
        );
    }
    assert!(sayings.recall("r", wall, BEGIN_MS).await.unwrap());
    assert!(!sayings.recall("r", wall, BEGIN_MS).await.unwrap());
    let found = sayings
        .history(page("r", Voice::Wall, 0, 10))
        .await
        .unwrap();
    assert_eq!(
        (found.sayings, found.count),
        (vec![(other, saying("r", Voice::Wall, 2))], 1)
    );
}

pub(crate) async fn what_was_said_long_ago_is_removed(sayings: Arc<dyn Sayings>) {
    for number in 0..30 {
        sayings
            .publish(saying("r", Voice::Wall, number))
            .await
            .unwrap();
    }
    let before = BEGIN_MS + 20_000;
    let mut removed = Vec::new();
    while removed.last() != Some(&0) {
        removed.push(sayings.prune(before, 8).await.unwrap());
    }
    assert_eq!(removed, [8, 8, 4, 0]);
    let found = sayings
        .history(page("r", Voice::Wall, 0, 20))
        .await
        .unwrap();
    assert_eq!(found.count, 10);
    assert_eq!(*said(&found)[9], saying("r", Voice::Wall, 20));
}
