//! `tidegate explain`: what happened to a message, by way of the node that runs here.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Done, Failure, args::Explain, control, manage::running, printable};
use crate::config::ReloadSource;

/// Shows the steps of a message, and what is not known of it.
pub(super) fn explain(source: &ReloadSource, wanted: &Explain) -> Done {
    let entry = running(source)?;
    let id = utf8_percent_encode(&wanted.id, NON_ALPHANUMERIC);
    let what = if wanted.trace { "traces" } else { "messages" };
    let path = format!("/api/{what}/{id}/steps");
    let answer = control::request(&entry, "GET", &path, None).map_err(Failure::failed)?;
    if !answer.is_success() {
        return Err(Failure::failed(answer.problem()));
    }
    let text = [steps(&answer.body), unknown(&answer.body)]
        .concat()
        .join("\n");
    match list(&answer.body, "steps").next() {
        Some(_) => Ok(text),
        None => Err(Failure::failed(text)),
    }
}

fn steps(message: &Value) -> Vec<String> {
    let mut lines = vec![format!("trace {}", text(message, "trace"))];
    lines.extend(list(message, "steps").map(line));
    lines
}

/// When, where, what, and what there is to say of it.
pub(super) fn line(step: &Value) -> String {
    let mut line = format!(
        "{}  {}  {:<10}",
        text(step, "time"),
        printable(text(step, "node")),
        printable(text(step, "step")),
    );
    let facts = step.get("facts").and_then(Value::as_object);
    for (name, value) in facts.into_iter().flatten() {
        let value = printable(value.as_str().unwrap_or_default());
        line.push_str(&format!(" {}={value}", printable(name)));
    }
    line.trim_end().to_owned()
}

/// What nobody can say: that something is not shown does not mean that it did not happen.
fn unknown(message: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if list(message, "steps").next().is_none() {
        lines.push(
            "nothing is known of this message: there was none of this id, or it was one of a client that was not \
             sampled, or its steps were overwritten"
                .to_owned(),
        );
    }
    for node in list(message, "nodes") {
        let sample = node.get("sample").and_then(Value::as_f64);
        let name = text(node, "node");
        lines.push(match text(node, "since") {
            "" => format!("{name} remembers nothing: trace.memory_bytes_max is 0 there"),
            since => format!(
                "{name} remembers messages of applications and durable ones since {since}, and {}% of the others",
                sample.unwrap_or_default() * 100.0,
            ),
        });
        let left_out = node.get("left_out").and_then(Value::as_u64).unwrap_or(0);
        if 0 < left_out {
            lines.push(format!(
                "{left_out} more steps of {} are not shown",
                text(node, "node")
            ));
        }
    }
    let missing = list(message, "missing").filter_map(Value::as_str);
    lines.extend(
        missing.map(|node| {
            format!("{node} has not answered in time: what happened there is not known")
        }),
    );
    let too_old = list(message, "too_old").filter_map(Value::as_str);
    lines.extend(
        too_old.map(|node| format!("{node} is too old to say: what happened there is not known")),
    );
    let gone = list(message, "gone").filter_map(Value::as_str);
    lines.extend(gone.map(|node| {
        let node = printable(node);
        format!("{node} is there no more: what happened there is not known")
    }));
    lines
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten()
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_is_one_line_and_no_order_to_a_terminal() {
        let step = json!({
            "time": "2026-11-29T21:09:00.123Z", "node": "gw-1", "step": "published",
            "facts": {"topic": "user:a\u{1b}[2J", "way": "api"},
        });
        let expect = "2026-11-29T21:09:00.123Z  gw-1  published  topic=user:a\\u{1b}[2J way=api";
        assert_eq!(line(&step), expect);
    }

    #[test]
    fn what_is_not_known_is_said() {
        let message = json!({
            "trace": "0", "steps": [], "missing": ["gw-2"], "too_old": ["gw-3"], "gone": ["gw-4.1"],
            "nodes": [{"node": "gw-1", "since": "then", "sample": 0.01, "left_out": 2}],
        });
        let lines = unknown(&message);
        assert!(lines[0].starts_with("nothing is known"), "{lines:?}");
        assert_eq!(
            lines[1],
            "gw-1 remembers messages of applications and durable ones since then, and 1% of the others"
        );
        assert_eq!(lines[2], "2 more steps of gw-1 are not shown");
        assert!(lines[3].starts_with("gw-2 has not answered"), "{lines:?}");
        assert!(lines[4].starts_with("gw-3 is too old"), "{lines:?}");
        assert!(lines[5].starts_with("gw-4.1 is there no more"), "{lines:?}");
        let lines = unknown(&json!({"steps": [{}], "nodes": [{"node": "gw-1", "sample": 1.0}]}));
        assert!(lines[0].starts_with("gw-1 remembers nothing"), "{lines:?}");
    }
}
