//! What every implementation of a seam to a database has to do: one function for each clause, for
//! whoever can make one. Each wants a place of its own, with nothing in it.

pub(crate) mod contacts;
pub(crate) mod journal;
pub(crate) mod office;
pub(crate) mod orders;
pub(crate) mod sayings;
pub(crate) mod store;

use std::{cmp::Reverse, collections::BTreeSet};

use tidegate::{
    id::{Person, UserId},
    store::{Chat, Content, Of, Pending, Push, Query, Record, RecordId},
    topic::Topic,
};

/// The user of this number.
pub(crate) fn person(number: u64) -> Person {
    Person::new(number).unwrap()
}

/// A text from one to another, whose sender calls it by this number.
pub(crate) fn text(from: u64, to: u64, packet: u64, msg: &str) -> Content {
    Content::Chat(Chat {
        from: person(from),
        to: person(to),
        kind: 't',
        msg: msg.into(),
        packet_id: Some(packet.to_string().into()),
        is_online: packet.is_multiple_of(2),
    })
}

/// A durable message to a topic, under this name.
pub(crate) fn push(topic: &str, name: &str, data: &'static str) -> Content {
    Content::Push(Push {
        topic: topic.parse().unwrap(),
        name: name.into(),
        event: "happened".into(),
        data: data.into(),
        sender: None,
    })
}

/// A query for all there is of somebody.
pub(crate) fn all(of: Of) -> Query {
    Query {
        of,
        after: RecordId::default(),
        before: None,
        since_ms: 0,
        from: None,
        max: 1000,
    }
}

/// All chat messages of this user.
pub(crate) fn all_of(number: u64) -> Query {
    all(Of::Chat(person(number)))
}

/// All that went to this topic.
pub(crate) fn all_to(topic: &str) -> Query {
    all(Of::Topic(topic.parse().unwrap()))
}

/// Contents of every kind between a few users and topics, some of which are one user's in two ways.
pub(crate) fn contents() -> Vec<Content> {
    let mut contents = Vec::new();
    let long = "\u{1F6F6}".repeat(511);
    let texts = ["", "a", "it's \"1\" %_\\\0\n", "\u{4f60}\u{597d}", &long];
    for (packet, (from, to)) in [(1, 2), (2, 1), (1, 1), (3, 1), (1, 3), (2, 3), (1, 2)]
        .into_iter()
        .enumerate()
    {
        contents.push(text(from, to, packet as u64, texts[packet % texts.len()]));
        let topics = ["room:r", "user:1", "user:01", "user:x", "ROOM", "room:R"];
        if let Ok(topic) = topics[packet % topics.len()].parse::<Topic>() {
            let sender: Option<UserId> = (from == 2).then(|| "dr\u{e9}".parse().unwrap());
            contents.push(Content::Push(Push {
                topic,
                name: format!("\"{packet}\"").into(),
                event: "\u{4e8b}".into(),
                data: r#"{"a":[1,"\u0000\\"]}"#.into(),
                sender,
            }));
        }
    }
    let mut picture = text(1, 2, 50, "https://example.com/a.png");
    let Content::Chat(chat) = &mut picture else {
        unreachable!()
    };
    chat.kind = 'i';
    chat.packet_id = None;
    contents.push(picture);
    contents
}

/// What a query should find among these.
pub(crate) fn expected(records: &[Record], query: &Query) -> Vec<Record> {
    let mut found: Vec<_> = records
        .iter()
        .filter(|record| is_asked_for(record, query))
        .cloned()
        .collect();
    found.sort_by_key(|record| Reverse(record.id));
    found.truncate(query.max);
    found
}

fn is_asked_for(record: &Record, query: &Query) -> bool {
    let is_of = match (&query.of, &record.content) {
        (Of::Chat(person), Content::Chat(chat)) => chat.from == *person || chat.to == *person,
        (Of::Chat(_), Content::Push(_)) => false,
        (Of::Topic(topic), Content::Push(push)) => push.topic == *topic,
        (Of::Topic(topic), Content::Chat(chat)) => {
            let person = topic.person();
            person == Some(chat.from) || person == Some(chat.to)
        }
    };
    let is_from = query
        .from
        .is_none_or(|from| matches!(&record.content, Content::Chat(chat) if chat.from == from));
    is_of
        && is_from
        && query.after < record.id
        && query.before.is_none_or(|before| record.id < before)
        && query.since_ms <= record.time_ms
}

/// Asks in every way for what is there, and no more than these.
pub(crate) async fn answers_every_query(
    records: &[Record],
    read: impl Fn(Query) -> Pending<'static, Vec<Record>>,
) {
    let topics = ["room:r", "room:R", "user:1", "user:01", "user:x", "user:9"];
    let mut of: Vec<_> = topics.map(|topic| Of::Topic(topic.parse().unwrap())).into();
    of.extend([1, 2, 3, 9].map(|number| Of::Chat(person(number))));
    let ids: BTreeSet<_> = records.iter().map(|record| record.id).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let times: BTreeSet<_> = records.iter().map(|record| record.time_ms).collect();
    let (low, middle, high) = (ids[0], ids[ids.len() / 2], ids[ids.len() - 1]);
    let mut since: BTreeSet<_> = times.iter().map(|time| time + 1).collect();
    since.extend(&times);
    since.insert(0);
    let step = since.len().div_ceil(6);
    for of in of {
        for from in [None, Some(person(1)), Some(person(2)), Some(person(9))] {
            let mut queries = Vec::new();
            let plain = Query {
                from,
                ..all(of.clone())
            };
            for after in [RecordId::default(), low, middle, high] {
                for before in [None, Some(low), Some(middle), Some(high)] {
                    let max = if before.is_none() { 3 } else { 1000 };
                    queries.push(Query {
                        after,
                        before,
                        max,
                        ..plain.clone()
                    });
                }
            }
            for since_ms in since.iter().step_by(step) {
                queries.push(Query {
                    since_ms: *since_ms,
                    ..plain.clone()
                });
                let (after, max) = (low, 2);
                let since_ms = *since_ms;
                queries.push(Query {
                    since_ms,
                    after,
                    max,
                    ..plain.clone()
                });
            }
            queries.push(Query { max: 0, ..plain });
            for query in queries {
                let found = read(query.clone()).await.unwrap();
                assert_eq!(found, expected(records, &query), "{query:?}");
            }
        }
    }
}
