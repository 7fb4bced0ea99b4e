//! What the queries of all pages have in common.

use std::borrow::Cow;

use super::problem::Problem;
use crate::{dialect::query_pairs, topic::Topic};

/// The value of a parameter, if it is there.
pub(super) fn value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = query_pairs(query);
    let found = pairs.find(|(key, _)| key == name);
    found.map(|(_, value)| value)
}

/// Whether a parameter is 1. It may be 0, or missing.
pub(super) fn flag(query: &str, name: &'static str) -> Result<bool, Problem> {
    match value(query, name).as_deref() {
        Some("1") => Ok(true),
        Some("0") | None => Ok(false),
        Some(_) => {
            let detail = format!("{name}: is not usable, expected 0 or 1");
            Err(Problem::unprocessable(detail).field(name))
        }
    }
}

/// How many are wanted: at most `max`.
pub(super) fn limit(query: &str, default: usize, max: usize) -> Result<usize, Problem> {
    let Some(text) = value(query, "limit") else {
        return Ok(default);
    };
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| {
        let detail = format!("limit: is not usable, expected a whole number from 1 to {max}");
        Problem::unprocessable(detail).field("limit")
    })
}

/// The cursor is none that was given out.
pub(super) fn wrong_cursor() -> Problem {
    let detail = "cursor: is not usable, expected next of the page before";
    Problem::unprocessable(detail).field("cursor")
}

/// How many there are before the page, where that is its cursor.
pub(super) fn offset(query: &str) -> Result<usize, Problem> {
    let Some(text) = value(query, "cursor") else {
        return Ok(0);
    };
    let offset = text.parse::<u32>().map_err(|_| {
        let detail = "cursor: is not usable, expected the value of next of an earlier page";
        Problem::unprocessable(detail).field("cursor")
    })?;
    Ok(offset as usize)
}

/// Cuts a page down to `limit` of its items. Gives the last one if there were more, which is where the next
/// page begins.
pub(super) fn cut<T>(items: &mut Vec<T>, limit: usize) -> Option<&T> {
    let has_more = limit < items.len();
    items.truncate(limit);
    items.last().filter(|_| has_more)
}

/// The topic of this name.
pub(super) fn topic(name: &str) -> Result<Topic, Problem> {
    name.parse().map_err(|error| {
        let detail = format!("topic: {error}");
        Problem::unprocessable(detail).field("topic")
    })
}
