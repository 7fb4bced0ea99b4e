//! `tidegate jobs`: shows, retries and drops jobs, by way of the node that runs here.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    Done, Failure,
    args::{Jobs, Which},
    control::{self, Answer},
    manage::running,
    pid::Entry,
    printable,
};
use crate::config::ReloadSource;

/// Shows or changes jobs.
pub(super) fn jobs(source: &ReloadSource, wanted: &Jobs) -> Done {
    let entry = running(source)?;
    match wanted {
        Jobs::List { dead } => {
            let state = if *dead { "dead" } else { "open" };
            let mut lines = Vec::new();
            all(&entry, state, |job| lines.push(line(job)))?;
            Ok(match lines.is_empty() {
                true => "no jobs".to_owned(),
                false => lines.join("\n"),
            })
        }
        Jobs::Retry(which) => change(&entry, which, "POST", "/retry", "will be tried again"),
        Jobs::Drop(which) => change(&entry, which, "DELETE", "", "dropped"),
    }
}

fn change(entry: &Entry, which: &Which, method: &str, behind: &str, done: &str) -> Done {
    let mut ids = which.ids.clone();
    if which.all {
        all(entry, "dead", |job| ids.push(text(job, "id").to_owned()))?;
    }
    let (mut count, mut problems) = (0, Vec::new());
    for id in &ids {
        let path = format!(
            "/api/jobs/{}{behind}",
            utf8_percent_encode(id, NON_ALPHANUMERIC)
        );
        match ask(entry, method, &path) {
            Ok(_) => count += 1,
            Err(failure) => problems.push(format!("{}: {failure}", printable(id))),
        }
    }
    if problems.is_empty() {
        return Ok(format!("{count} {done}"));
    }
    problems.insert(0, format!("{count} {done}, {} not", problems.len()));
    Err(Failure::failed(problems.join("\n")))
}

/// Looks at every job of a state.
fn all(entry: &Entry, state: &str, mut look: impl FnMut(&Value)) -> Result<(), Failure> {
    let mut cursor = "0".to_owned();
    loop {
        let path = format!("/api/jobs?state={state}&cursor={cursor}");
        let page = ask(entry, "GET", &path).map_err(Failure::failed)?.body;
        let jobs = page.get("jobs").and_then(Value::as_array);
        jobs.into_iter().flatten().for_each(&mut look);
        match page.get("next").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut cursor),
            None => return Ok(()),
        }
    }
}

fn ask(entry: &Entry, method: &str, path: &str) -> Result<Answer, String> {
    let answer = control::request(entry, method, path, None).map_err(|error| error.to_string())?;
    match answer.is_success() {
        true => Ok(answer),
        false => Err(answer.problem()),
    }
}

/// Id, kind, state and since when, how many attempts, and why it is so.
fn line(job: &Value) -> String {
    let attempts = job.get("attempts").and_then(Value::as_u64).unwrap_or(0);
    let mut line = format!(
        "{}  {}  {}  {}  {attempts} attempts",
        printable(text(job, "id")),
        printable(text(job, "kind")),
        text(job, "state"),
        text(job, "created"),
    );
    if !text(job, "until").is_empty() {
        line.push_str(&format!(", next {}", text(job, "until")));
    }
    if !text(job, "reason").is_empty() {
        line.push_str(&format!("  {}", printable(text(job, "reason"))));
    }
    line
}

fn text<'a>(job: &'a Value, key: &str) -> &'a str {
    job.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_id_is_no_order_to_a_terminal() {
        let job = json!({"id": "a\u{1b}[2J\nü", "kind": "ocr", "state": "dead", "created": ""});
        assert_eq!(line(&job), "a\\u{1b}[2J\\nü  ocr  dead    0 attempts");
    }

    #[test]
    fn a_job_is_one_line() {
        let job = json!({
            "id": "a", "kind": "ocr", "state": "waiting", "created": "2026-01-01T00:00:00.000Z",
            "attempts": 2, "until": "2026-01-01T00:01:00.000Z", "reason": "no",
        });
        assert_eq!(
            line(&job),
            "a  ocr  waiting  2026-01-01T00:00:00.000Z  2 attempts, next 2026-01-01T00:01:00.000Z  no"
        );
    }
}
