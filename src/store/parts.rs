//! What a query is made of, so that a database finds each part by an index.
//!
//! A condition "from this one or to this one" has no index; a part has one, gives its newest, and the
//! newest of all parts are the answer.

use std::cmp::Reverse;

use super::{Of, Query, Record, RecordId};
use crate::{id::Person, topic::Topic};

/// Records that one index has in the order of their ids.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// Chat messages that somebody has sent.
    From(Person),
    /// Those that somebody has received, but for those to oneself.
    To(Person),
    /// Those of one to another.
    Between {
        /// Who has sent them.
        from: Person,
        /// Who has received them.
        to: Person,
    },
    /// What was pushed to a topic.
    Pushed(Topic),
}

/// Ids between these two, and which of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Range {
    /// Only greater ones.
    pub(super) after: u64,
    /// Only smaller ones.
    pub(super) before: u64,
    /// Only records as old as this or newer, in milliseconds, by a look at each.
    pub(super) since_ms: u64,
}

/// The parts whose newest records have the newest that a query asks for.
pub(super) fn parts(query: &Query) -> Vec<Part> {
    let (topic, person) = match &query.of {
        Of::Chat(person) => (None, Some(*person)),
        Of::Topic(topic) => (Some(topic), topic.person()),
    };
    let mut parts = match (person, query.from) {
        (None, _) => Vec::new(),
        (Some(person), None) => vec![Part::From(person), Part::To(person)],
        (Some(person), Some(from)) if person == from => vec![Part::From(person)],
        (Some(to), Some(from)) => vec![Part::Between { from, to }],
    };
    // Nobody has sent a push by a number.
    let topic = topic.filter(|_| query.from.is_none());
    parts.extend(topic.cloned().map(Part::Pushed));
    parts
}

/// The ids that a query asks for, the greater ones first. What is older is only to be looked at if
/// there were too few of them.
pub(super) fn ranges(query: &Query) -> Vec<Range> {
    let (after, before) = (query.after.0, query.before.map_or(u64::MAX, |id| id.0));
    let RecordId(first) = RecordId::FIRST;
    let ranges = match query.since_ms {
        0 => vec![Range {
            after,
            before,
            since_ms: 0,
        }],
        since_ms => vec![
            Range {
                after: after.max(RecordId::at(since_ms).0.max(first) - 1),
                before,
                since_ms: 0,
            },
            Range {
                after,
                before: before.min(first),
                since_ms,
            },
        ],
    };
    let is_wide = |range: &Range| 1 < range.before.saturating_sub(range.after);
    ranges.into_iter().filter(is_wide).collect()
}

/// The newest of all of them, newest first.
pub(super) fn newest(mut records: Vec<Record>, max: usize) -> Vec<Record> {
    records.sort_unstable_by_key(|record| Reverse(record.id));
    records.truncate(max);
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(of: Of) -> Query {
        Query {
            of,
            after: RecordId::default(),
            before: None,
            since_ms: 0,
            from: None,
            max: 40,
        }
    }

    #[test]
    fn a_time_is_a_range_of_ids_and_a_look_at_what_is_older_than_tidegate() {
        let person = Person::new(1).unwrap();
        let all = query(Of::Chat(person));
        assert_eq!(ranges(&all).len(), 1);
        let since_ms = 1_700_000_000_000;
        let since = Query {
            since_ms,
            ..all.clone()
        };
        let RecordId(first) = RecordId::at(since_ms);
        let [new, old] = ranges(&since)[..] else {
            panic!("there are two");
        };
        assert_eq!((new.after, new.since_ms), (first - 1, 0));
        assert_eq!((old.before, old.since_ms), (1 << 40, since_ms));
        // What was asked for is in one of them only.
        let after = Query {
            after: RecordId(1 << 41),
            ..since.clone()
        };
        assert_eq!(ranges(&after).len(), 1);
        let never = Query {
            since_ms: u64::MAX,
            ..since
        };
        assert_eq!(
            ranges(&never),
            [old].map(|old| Range {
                since_ms: u64::MAX,
                ..old
            })
        );
    }
}
