//! This run beside an earlier one, whose figures were written with `--json`.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::report::{Table, rounded};
use crate::timeline::Point;

/// What differs by less is the same.
const SAME: f64 = 0.02;
/// What is not compared as a whole.
const PASSED_OVER: [&str; 4] = ["baseline", "count", "processes", "timeline"];
/// Figures of which more is better, by the ends of their names.
const MORE_IS_BETTER: [&str; 1] = ["_per_second"];
/// Figures of which more is better, by what their names contain.
const MORE_IS_BETTER_OF: [&str; 1] = ["_cpu_second"];
/// Figures of which less is better, by the ends of their names.
const LESS_IS_BETTER: [&str; 7] = [
    "_ms",
    "_per_delivery",
    "_per_handshake",
    "bytes_per_connection",
    "bytes_per_connection_at_end",
    "total_seconds",
    "bytes_per_minute",
];
/// Counts of which there should be none.
const NONE_IS_BEST: [&str; 8] = [
    "dropped",
    "failed",
    "missing",
    "refused",
    "unanswered",
    "undelivered",
    "unexpected",
    "unheard",
];
/// What was asked for: where it differs, figures can hardly be compared.
const ASKED_FOR: [&str; 11] = [
    "batch",
    "bytes",
    "connections",
    "outstanding",
    "parallel",
    "phones",
    "rate",
    "senders",
    "subscribers",
    "walls",
    "way",
];

/// An earlier run.
#[derive(Debug)]
pub struct Baseline {
    name: String,
    figures: Value,
    points: Vec<Point>,
}

/// A figure of both runs.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Its name; of one within another, both with a dot between.
    pub figure: String,
    /// In the earlier run.
    pub earlier: f64,
    /// In this run.
    pub now: f64,
    /// This one in relation to the earlier one; null when that was 0.
    pub ratio: Option<f64>,
    /// What that means.
    pub verdict: Verdict,
}

/// What a difference means.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is better now.
    Better,
    /// It is worse now.
    Worse,
    /// It differs by less than two per cent.
    Same,
}

impl Verdict {
    /// In a word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Same => "same",
        }
    }
}

impl Baseline {
    /// Reads what an earlier run of the same scenario has written.
    ///
    /// # Errors
    /// One line, when there is no such run.
    pub fn read(file: &Path, scenario: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("--baseline {}: {what}", file.display());
        let text = fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
        let figures: Value =
            serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
        match figures["scenario"].as_str() {
            Some(name) if name == scenario => {}
            Some(name) => return Err(wrong(&format!("a run of {name}, not of {scenario}"))),
            None => return Err(wrong("not what --json writes")),
        }
        // Runs of before there was a timeline have none.
        let points = serde_json::from_value(figures["timeline"].clone()).unwrap_or_default();
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            name: name.into_owned(),
            figures,
            points,
        })
    }

    /// The name of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It from second to second.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Every figure that both have, that is not 0 in both, and of which it is known what is better.
    #[must_use]
    pub fn compare(&self, now: &Value) -> Vec<Comparison> {
        let mut comparisons = Vec::new();
        walk(&self.figures, now, "", &mut comparisons);
        comparisons
    }

    /// What speaks against comparing the two, in words.
    #[must_use]
    pub fn notes(&self, now: &Value) -> Vec<String> {
        let differs = |name: &&str| self.figures[*name] != now[*name];
        let asked = ASKED_FOR.iter().copied().filter(differs);
        let mut notes: Vec<String> = asked
            .map(|name| {
                let (earlier, now) = (&self.figures[name], &now[name]);
                format!("{} was {earlier} then, and is {now} now", spoken(name))
            })
            .collect();
        if self.figures["valid"] == false {
            let reason = self.figures["invalid_reason"].as_str().unwrap_or("unknown");
            notes.push(format!("the earlier run was not valid: {reason}"));
        }
        notes
    }
}

impl Comparison {
    /// Of two values, if it is known which one is better.
    fn of(figure: &str, earlier: f64, now: f64) -> Option<Self> {
        let name = figure.rsplit('.').next()?;
        let is_more_better = MORE_IS_BETTER.iter().any(|end| name.ends_with(end))
            || MORE_IS_BETTER_OF.iter().any(|part| name.contains(part))
                && !name.contains("cpu_seconds");
        let is_less_better = LESS_IS_BETTER.iter().any(|end| name.ends_with(end))
            || NONE_IS_BEST.contains(&name)
            || figure.starts_with("losses.");
        let sign = match (is_more_better, is_less_better) {
            (true, false) => 1.0,
            (false, true) => -1.0,
            _ => return None,
        };
        if earlier == 0.0 && now == 0.0 {
            return None;
        }
        let ratio = (earlier != 0.0).then(|| now / earlier);
        let is_same = ratio.is_some_and(|ratio| (ratio - 1.0).abs() < SAME);
        let verdict = match sign * (now - earlier) {
            _ if is_same => Verdict::Same,
            0.0.. => Verdict::Better,
            _ => Verdict::Worse,
        };
        Some(Self {
            figure: figure.to_owned(),
            earlier,
            now,
            ratio,
            verdict,
        })
    }

    /// Its name as it is spoken.
    #[must_use]
    pub fn name(&self) -> String {
        spoken(&self.figure)
    }

    /// The earlier value in words.
    #[must_use]
    pub fn earlier_text(&self) -> String {
        rounded(self.earlier)
    }

    /// The value of this run in words.
    #[must_use]
    pub fn now_text(&self) -> String {
        rounded(self.now)
    }

    /// The ratio in words.
    #[must_use]
    pub fn ratio_text(&self) -> String {
        self.ratio
            .map_or_else(String::new, |ratio| format!("{ratio:.3}"))
    }
}

/// Adds the rows of a comparison.
pub fn rows(comparisons: &[Comparison], table: &mut Table) {
    for comparison in comparisons {
        let (earlier, now) = (comparison.earlier_text(), comparison.now_text());
        let (ratio, word) = (comparison.ratio_text(), comparison.verdict.word());
        table.row(
            comparison.name(),
            format!("{now:>14} now, {earlier:>14} then, ratio {ratio:>7}  {word}"),
        );
    }
}

/// A name as it is spoken.
fn spoken(figure: &str) -> String {
    let figure = figure.replace('.', ", ").replace("p99_9", "p99.9");
    figure.replace('_', " ").replace("cpu", "CPU")
}

fn walk(earlier: &Value, now: &Value, path: &str, comparisons: &mut Vec<Comparison>) {
    match (earlier, now) {
        (Value::Object(earlier), Value::Object(now)) => {
            for (name, now) in now {
                let Some(earlier) = earlier.get(name) else {
                    continue;
                };
                if !PASSED_OVER.contains(&name.as_str()) {
                    let dot = if path.is_empty() { "" } else { "." };
                    walk(earlier, now, &format!("{path}{dot}{name}"), comparisons);
                }
            }
        }
        _ => {
            let numbers = earlier.as_f64().zip(now.as_f64());
            comparisons
                .extend(numbers.and_then(|(earlier, now)| Comparison::of(path, earlier, now)));
        }
    }
}

#[cfg(test)]
mod tests;
