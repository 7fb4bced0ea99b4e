//! What the outside has to do with a session: its seat, and what an application keeps with it, a JSON object
//! that lives as long as the session.

use std::sync::{Arc, Weak};

use serde_json::{Map, Value};

use super::Subscriber;
use crate::{
    peer::{DATA_BYTES_MAX, DataChange, DataOutcome},
    router::seat::Seat,
};

/// What a session has that nothing was kept with.
const NOTHING: &str = "{}";

impl Subscriber {
    /// Takes note of who serves it. At most once.
    pub fn set_seat(&self, seat: Weak<dyn Seat>) {
        let is_first = self.seat.set(seat).is_ok();
        debug_assert!(is_first, "a session is served once");
    }

    /// Who serves it, as long as anybody does.
    pub fn seat(&self) -> Option<Arc<dyn Seat>> {
        self.seat.get()?.upgrade()
    }

    /// The text of the JSON object that is kept with the session.
    pub fn data(&self) -> Box<str> {
        let state = self.state.lock();
        state.data().unwrap_or(NOTHING).into()
    }

    /// Reads or changes what is kept with the session, unless that has ended. Gives what is kept then.
    pub fn change_data(&self, change: &DataChange) -> DataOutcome {
        let mut state = self.state.lock();
        if state.outbox.closed().is_some() {
            return DataOutcome::Gone;
        }
        let before = state.data().unwrap_or(NOTHING);
        let after = match change {
            DataChange::None => return DataOutcome::Kept(before.into()),
            DataChange::Set(text) => text.clone(),
            DataChange::Merge(patch) => merged(before, patch),
        };
        if DATA_BYTES_MAX < after.len() {
            return DataOutcome::TooLong(u32::try_from(after.len()).unwrap_or(u32::MAX));
        }
        let kept = (&*after != NOTHING).then(|| after.clone());
        if kept.is_some() || state.data().is_some() {
            state.rare.get_or_insert_default().data = kept;
        }
        DataOutcome::Kept(after)
    }
}

/// The text of `before` after a merge patch (RFC 7396). What is no object changes nothing.
fn merged(before: &str, patch: &str) -> Box<str> {
    let object = |text| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let mut target = object(before);
    merge(&mut target, object(patch));
    Value::Object(target).to_string().into()
}

fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(&key);
            }
            Value::Object(patch) => {
                let mut inner = match target.remove(&key) {
                    Some(Value::Object(inner)) => inner,
                    _ => Map::new(),
                };
                merge(&mut inner, patch);
                target.insert(key, Value::Object(inner));
            }
            value => {
                target.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7396, appendix A, whose documents are objects.
    #[test]
    fn a_patch_is_merged_as_the_rfc_says() {
        for (before, patch, after) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(&*merged(before, patch), after, "{before} {patch}");
        }
    }
}
