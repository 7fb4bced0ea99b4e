//! The contract of a journal. Each case has the contacts too that the journal judges by.

use std::{collections::BTreeSet, sync::Arc};

use tidegate::{
    contacts::Contacts,
    journal::{Accepted, Journal},
    store::{Chat, Content, Query, Record, RecordId},
};
use tokio::task::JoinSet;

use super::{all_of, all_to, answers_every_query, contents, person, push, text};

/// Pairs that may write to each other in every case: all that [`contents`] has.
const FRIENDS: [(u64, u64); 6] = [(1, 2), (2, 1), (1, 1), (3, 1), (1, 3), (2, 3)];

pub(crate) async fn befriend(contacts: &dyn Contacts) {
    for (of, friend) in FRIENDS {
        let setting = contacts.set_friend(person(of), person(friend), true);
        setting.await.unwrap();
    }
}

/// Has one accepted that has to be kept. Says under which id, and whether it was there.
pub(crate) async fn keep(journal: &dyn Journal, content: Content) -> (RecordId, bool) {
    let accepted = journal.accept(vec![content]).await.unwrap();
    let [Accepted::Kept { id, is_repeat }] = accepted[..] else {
        panic!("{accepted:?}");
    };
    (id, is_repeat)
}

fn records(contents: Vec<Content>, accepted: &[Accepted]) -> Vec<Record> {
    assert_eq!(contents.len(), accepted.len());
    let pairs = contents.into_iter().zip(accepted);
    let records = pairs.map(|(content, accepted)| match *accepted {
        Accepted::Kept {
            id,
            is_repeat: false,
        } => Record {
            id,
            time_ms: id.time_ms(),
            content,
        },
        other => panic!("{other:?}: {content:?}"),
    });
    records.collect()
}

pub(crate) async fn nothing_accepted_is_nothing_kept(
    journal: Arc<dyn Journal>,
    _: Arc<dyn Contacts>,
) {
    assert_eq!(journal.accept(Vec::new()).await, Ok(Vec::new()));
    assert_eq!(journal.history(all_of(1)).await, Ok(Vec::new()));
    assert_eq!(journal.history(all_to("room:r")).await, Ok(Vec::new()));
}

pub(crate) async fn ids_grow_in_the_order_of_what_was_accepted(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    befriend(&*contacts).await;
    let mut ids = Vec::new();
    for call in 0..5 {
        let topics = ["room:r", "user:1"];
        let one = |number: u64| match number % 2 {
            0 => text(1, 2, call * 10 + number, "a"),
            _ => push(
                topics[number as usize / 2 % 2],
                &format!("{call}.{number}"),
                "1",
            ),
        };
        let accepted = journal.accept((0..10).map(one).collect()).await.unwrap();
        ids.extend(accepted.iter().map(|accepted| match accepted {
            Accepted::Kept { id, .. } => *id,
            Accepted::NotFriends => panic!("they are"),
        }));
    }
    assert_eq!(ids.len(), 50);
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
}

pub(crate) async fn the_history_answers_every_query(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    befriend(&*contacts).await;
    let mut all = Vec::new();
    for part in contents().chunks(4) {
        let accepted = journal.accept(part.to_vec()).await.unwrap();
        all.extend(records(part.to_vec(), &accepted));
    }
    answers_every_query(&all, |query: Query| {
        let journal = Arc::clone(&journal);
        Box::pin(async move { journal.history(query).await })
    })
    .await;
}

pub(crate) async fn what_one_was_answered_everybody_reads_at_once(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    befriend(&*contacts).await;
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let journal = Arc::clone(&journal);
        tasks.spawn(async move {
            let mut ids = Vec::new();
            for number in 0..25 {
                let (id, _) = keep(&*journal, text(1, 2, task * 100 + number, "a")).await;
                let newest = Query {
                    max: 1000,
                    ..all_of(2)
                };
                let found = journal.history(newest).await.unwrap();
                assert!(found.iter().any(|record| record.id == id));
                ids.push(id);
            }
            assert!(ids.is_sorted());
            ids
        });
    }
    let ids: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 200);
}

pub(crate) async fn who_is_no_friend_is_not_written_to(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    // One way: 1 may write to 2.
    contacts
        .set_friend(person(1), person(2), true)
        .await
        .unwrap();
    let call = vec![
        text(2, 1, 1, "no"),
        text(1, 2, 2, "yes"),
        text(1, 3, 3, "no"),
        text(1, 1, 4, "no"),
        push("user:3", "\"yes\"", "1"),
    ];
    let accepted = journal.accept(call.clone()).await.unwrap();
    let [
        Accepted::NotFriends,
        Accepted::Kept {
            id,
            is_repeat: false,
        },
        Accepted::NotFriends,
        Accepted::NotFriends,
        Accepted::Kept {
            is_repeat: false, ..
        },
    ] = accepted[..]
    else {
        panic!("{accepted:?}");
    };
    let found = journal.history(all_of(1)).await.unwrap();
    assert_eq!(
        found.iter().map(|record| record.id).collect::<Vec<_>>(),
        [id]
    );
    contacts
        .set_friend(person(1), person(2), false)
        .await
        .unwrap();
    let accepted = journal.accept(vec![text(1, 2, 5, "no more")]).await;
    assert_eq!(accepted, Ok(vec![Accepted::NotFriends]));
    contacts
        .set_friend(person(2), person(1), true)
        .await
        .unwrap();
    let (_, is_repeat) = keep(&*journal, text(2, 1, 1, "no")).await;
    assert!(!is_repeat, "what was refused was not kept");
}

pub(crate) async fn a_repeat_is_the_message_that_was_kept(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    befriend(&*contacts).await;
    let chat = |change: fn(&mut Chat)| {
        let Content::Chat(mut chat) = text(1, 2, 7, "a") else {
            unreachable!()
        };
        change(&mut chat);
        Content::Chat(chat)
    };
    let (first, is_repeat) = keep(&*journal, chat(|_| ())).await;
    assert!(!is_repeat);
    // Each of them is another message, also where bytes differ that look alike.
    let others: [fn(&mut Chat); 10] = [
        |chat| chat.msg = "b".into(),
        |chat| chat.msg = "A".into(),
        |chat| chat.msg = "a ".into(),
        |chat| chat.msg = "\u{e1}".into(),
        |chat| chat.kind = 'i',
        |chat| chat.to = person(3),
        |chat| (chat.from, chat.to) = (person(2), person(3)),
        |chat| chat.packet_id = Some("\"7\"".into()),
        |chat| chat.packet_id = Some("7.0".into()),
        |chat| chat.packet_id = Some("x".repeat(128).into()),
    ];
    let mut ids = BTreeSet::from([first]);
    for other in others {
        let (id, is_repeat) = keep(&*journal, chat(other)).await;
        assert!(!is_repeat && ids.insert(id), "{:?}", chat(other));
    }
    // All of them are remembered, not only the last one of that packet id.
    for same in [|_: &mut Chat| (), others[0], others[5], others[9]] {
        let (id, is_repeat) = keep(&*journal, chat(same)).await;
        assert!(is_repeat && ids.contains(&id));
    }
    // It was said when it was accepted whether the receiver was there, and that does not count.
    let (id, is_repeat) = keep(&*journal, chat(|chat| chat.is_online ^= true)).await;
    assert_eq!((id, is_repeat), (first, true));
    let found = journal.history(all_of(1)).await.unwrap();
    assert_eq!(found.len() + 1, ids.len(), "one is of 2 and 3");
    let kept = found.iter().find(|record| record.id == first).unwrap();
    assert_eq!(kept.content, chat(|_| ()));
}

pub(crate) async fn a_repeat_in_one_call_is_one_message(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    befriend(&*contacts).await;
    let call = vec![
        text(1, 2, 1, "a"),
        push("room:r", "1", "1"),
        text(1, 2, 1, "a"),
        text(1, 2, 1, "b"),
        push("room:r", "1", "2"),
    ];
    let accepted = journal.accept(call.clone()).await.unwrap();
    let ids = accepted.iter().map(|accepted| match *accepted {
        Accepted::Kept { id, is_repeat } => (id, is_repeat),
        Accepted::NotFriends => panic!("they are"),
    });
    let ids: Vec<_> = ids.collect();
    assert_eq!(ids[2], (ids[0].0, true));
    assert_eq!(ids[4], (ids[1].0, true));
    assert_eq!(ids.iter().filter(|(_, is_repeat)| !is_repeat).count(), 3);
    // Whoever does not know what became of a call repeats it.
    let again = journal.accept(call).await.unwrap();
    let again: Vec<_> = again
        .into_iter()
        .map(|accepted| match accepted {
            Accepted::Kept {
                id,
                is_repeat: true,
            } => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(again, ids.iter().map(|(id, _)| *id).collect::<Vec<_>>());
}

pub(crate) async fn a_push_is_told_by_its_name_and_topic(
    journal: Arc<dyn Journal>,
    _: Arc<dyn Contacts>,
) {
    let (first, is_repeat) = keep(&*journal, push("room:r", "\"a\"", "1")).await;
    assert!(!is_repeat);
    assert_eq!(
        keep(&*journal, push("room:r", "\"a\"", "2")).await,
        (first, true)
    );
    for (topic, name) in [
        ("room:R", "\"a\""),
        ("user:r", "\"a\""),
        ("room:r", "\"A\""),
        ("room:r", "a"),
    ] {
        let (id, is_repeat) = keep(&*journal, push(topic, name, "1")).await;
        assert!(!is_repeat && id != first, "{topic} {name}");
    }
    let found = journal.history(all_to("room:r")).await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!(found[2].content, push("room:r", "\"a\"", "1"));
}

pub(crate) async fn what_has_no_packet_id_is_no_repeat(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
) {
    befriend(&*contacts).await;
    let Content::Chat(mut chat) = text(1, 2, 1, "a") else {
        unreachable!()
    };
    chat.packet_id = None;
    let call = vec![Content::Chat(chat.clone()), Content::Chat(chat)];
    let accepted = journal.accept(call.clone()).await.unwrap();
    let mut all = records(call, &accepted);
    all.reverse();
    assert_eq!(journal.history(all_of(2)).await, Ok(all));
}

/// The others are the same journal by clocks that are just under a day ahead, and just over it.
pub(crate) async fn a_repeat_is_forgotten_after_a_day(
    journal: Arc<dyn Journal>,
    contacts: Arc<dyn Contacts>,
    within: Arc<dyn Journal>,
    later: Arc<dyn Journal>,
) {
    befriend(&*contacts).await;
    let contents = [text(1, 2, 1, "a"), push("room:r", "1", "1")];
    let mut ids = Vec::new();
    for content in &contents {
        ids.push(keep(&*journal, content.clone()).await.0);
    }
    for (content, first) in contents.iter().zip(&ids) {
        let again = keep(&*within, content.clone()).await;
        assert_eq!(again, (*first, true));
    }
    for (content, first) in contents.into_iter().zip(ids) {
        let (id, is_repeat) = keep(&*later, content.clone()).await;
        assert!(!is_repeat && first < id);
        assert_eq!(keep(&*later, content).await, (id, true));
    }
}
