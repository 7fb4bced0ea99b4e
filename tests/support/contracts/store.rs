//! The contract of a store of messages.

use std::sync::Arc;

use tidegate::store::{Content, MessageStore, Query, Record, RecordId};
use tokio::task::JoinSet;

use super::{all_of, all_to, answers_every_query, contents, text};

/// When the first record was accepted.
pub(crate) const BEGIN_MS: u64 = 1_700_000_000_000;

/// Records that were accepted a second after each other.
pub(crate) fn records(contents: Vec<Content>) -> Vec<Record> {
    let records = contents.into_iter().enumerate().map(|(number, content)| {
        let time_ms = BEGIN_MS + number as u64 * 1000 + 123;
        let id = RecordId(RecordId::at(time_ms).0 + number as u64 % 3);
        Record {
            id,
            time_ms,
            content,
        }
    });
    records.collect()
}

/// Chat messages of the time before Tidegate, whose ids count and whose times are whole seconds.
pub(crate) fn legacy() -> Vec<Record> {
    let chats = contents().into_iter().filter_map(|content| match content {
        Content::Chat(mut chat) => {
            chat.packet_id = None;
            Some(Content::Chat(chat))
        }
        Content::Push(_) => None,
    });
    let records = chats.enumerate().map(|(number, content)| Record {
        id: RecordId(1 + number as u64),
        time_ms: BEGIN_MS - 1_000_000 + number as u64 * 1000,
        content,
    });
    records.collect()
}

pub(crate) async fn all_that_was_inserted_is_found_by_every_query(store: Arc<dyn MessageStore>) {
    let mut all = legacy();
    all.extend(records(contents()));
    // In any order.
    let (odd, even): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|one| one.id.0 % 2 == 1);
    store.insert(even).await.unwrap();
    store.insert(odd).await.unwrap();
    store.insert(Vec::new()).await.unwrap();
    let read = |query: Query| {
        let store = Arc::clone(&store);
        let reading: tidegate::store::Pending<'static, _> =
            Box::pin(async move { store.history(query).await });
        reading
    };
    answers_every_query(&all, read).await;
}

pub(crate) async fn what_is_there_already_is_passed_over(store: Arc<dyn MessageStore>) {
    let all = records(contents());
    store.insert(all[..4].to_vec()).await.unwrap();
    let mut others = all.clone();
    let Content::Chat(chat) = &mut others[0].content else {
        unreachable!()
    };
    chat.msg = "other".into();
    store.insert(others.clone()).await.unwrap();
    // Twice in one call.
    others.extend(others.clone());
    store.insert(others).await.unwrap();
    for query in [all_of(1), all_to("room:r"), all_to("user:1")] {
        let found = store.history(query.clone()).await;
        assert_eq!(found, Ok(super::expected(&all, &query)));
    }
}

pub(crate) async fn several_insert_the_same_at_once(store: Arc<dyn MessageStore>) {
    let all: Vec<_> = records((0..200).map(|packet| text(1, 2, packet, "a")).collect());
    let mut tasks = JoinSet::new();
    for task in 0..4 {
        let (store, mut all) = (Arc::clone(&store), all.clone());
        if task % 2 == 1 {
            all.reverse();
        }
        tasks.spawn(async move {
            for part in all.chunks(20) {
                store.insert(part.to_vec()).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let found = store.history(all_of(1)).await;
    assert_eq!(found, Ok(super::expected(&all, &all_of(1))));
}

pub(crate) async fn a_whole_batch_is_inserted(store: Arc<dyn MessageStore>) {
    let long = "\u{6c34}".repeat(1023);
    let all = records((0..1000).map(|packet| text(1, 2, packet, &long)).collect());
    store.insert(all.clone()).await.unwrap();
    let found = store.history(all_of(2)).await.unwrap();
    assert!(found == super::expected(&all, &all_of(2)));
}

pub(crate) async fn what_is_old_is_removed_little_by_little(store: Arc<dyn MessageStore>) {
    let (legacy, new) = (legacy(), records(contents()));
    let all = [legacy.clone(), new.clone()].concat();
    store.insert(all.clone()).await.unwrap();
    let rest = |before_ms: u64| {
        let mut rest = all.clone();
        rest.retain(|record| before_ms <= record.time_ms);
        rest
    };
    assert_eq!(store.prune(legacy[0].time_ms, 1000).await, Ok(0));
    // A part of the old ones, of those the new ones, and of all of them.
    for before_ms in [
        legacy[3].time_ms,
        new[5].time_ms,
        u64::from(u32::MAX) * 1000,
    ] {
        let mut removed = 0;
        loop {
            let now = store.prune(before_ms, 2).await.unwrap();
            assert!(now <= 2);
            removed += now;
            if now < 2 {
                break;
            }
        }
        for query in [
            all_of(1),
            all_of(2),
            all_to("room:r"),
            all_to("user:1"),
            all_to("user:x"),
        ] {
            let found = store.history(query.clone()).await;
            assert_eq!(
                found,
                Ok(super::expected(&rest(before_ms), &query)),
                "{before_ms}"
            );
        }
        assert_eq!(store.prune(before_ms, 1000).await, Ok(0), "{before_ms}");
        assert!(0 < removed);
    }
}
