//! Telling what came of a run: in the terminal, as JSON for programs, and as a page with charts.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use crate::baseline::{self, Baseline, Comparison};
use crate::cli::Common;
use crate::html::{Earlier, Page};
use crate::report::{Table, rounded};
use crate::scenario::RunError;
use crate::timeline::Point;

/// Figures at the top of a page, at most.
const TILES_MAX: usize = 6;

/// Options whose values nobody else is to see.
const SECRETS: [&str; 3] = ["--key", "--secret", "--backend"];

/// What is told of a run.
#[derive(Debug)]
pub struct Told<'a> {
    /// Its figures in words.
    pub table: &'a Table,
    /// All of them, an object.
    pub figures: Value,
    /// Why they are not the server's, if they are not.
    pub objection: Option<&'a str>,
    /// The run from second to second.
    pub points: &'a [Point],
}

impl Told<'_> {
    /// Prints the figures, and writes the files that are asked for.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn publish(mut self, common: &Common, baseline: Option<&Baseline>) -> Result<(), RunError> {
        print!("{}", self.table.render());
        let comparisons = baseline.map(|it| (it, it.compare(&self.figures)));
        if let Some((baseline, comparisons)) = &comparisons {
            let mut table = Table::default();
            baseline::rows(comparisons, &mut table);
            println!("\ncompared with {}", baseline.name());
            for note in baseline.notes(&self.figures) {
                println!("note: {note}");
            }
            print!("{}", table.render());
        }
        if let Some(file) = &common.html {
            write("--html", file, &self.page(&comparisons))?;
        }
        if let Some((baseline, comparisons)) = comparisons {
            self.figures["baseline"] = json!({"name": baseline.name(), "figures": comparisons});
        }
        let Some(file) = &common.json else {
            return Ok(());
        };
        let text = format!("{:#}\n", self.figures);
        write("--json", file, &text)
    }

    fn page(&self, comparisons: &Option<(&Baseline, Vec<Comparison>)>) -> String {
        let notes = comparisons
            .as_ref()
            .map(|(baseline, _)| baseline.notes(&self.figures));
        let earlier = comparisons.as_ref().zip(notes.as_ref());
        let page = Page {
            scenario: self.figures["scenario"].as_str().unwrap_or_default(),
            command: &command_line(std::env::args().skip(1)),
            objection: self.objection,
            tiles: &self.tiles(),
            table: self.table,
            points: self.points,
            earlier: earlier.map(|((baseline, comparisons), notes)| Earlier {
                name: baseline.name(),
                points: baseline.points(),
                comparisons,
                notes,
            }),
        };
        page.render()
    }

    /// Rates and costs, percentiles of the first latency, and memory.
    fn tiles(&self) -> Vec<(String, String)> {
        let figures = self.figures.as_object().into_iter().flatten();
        let is_rate = |name: &str| name.ends_with("_per_second") || name.ends_with("_cpu_second");
        let mut tiles: Vec<(String, String)> = figures
            .clone()
            .filter(|(name, _)| is_rate(name))
            .filter_map(|(name, value)| {
                Some((
                    name.replace('_', " ").replace("cpu", "CPU"),
                    rounded(value.as_f64()?),
                ))
            })
            .collect();
        let latency = figures
            .clone()
            .find(|(_, value)| value["p50_ms"].is_number());
        if let Some((name, latency)) = latency {
            for (percentile, field) in [("median", "p50_ms"), ("99 %", "p99_ms")] {
                let value = latency[field].as_f64().map(rounded).unwrap_or_default();
                let name = format!("{}, {percentile}", name.replace('_', " "));
                tiles.push((name, format!("{value} ms")));
            }
        }
        if let Some(bytes) = self.figures["bytes_per_connection"].as_f64() {
            let kib = rounded(bytes / 1_024.0);
            tiles.push(("memory per connection".to_owned(), format!("{kib} KiB")));
        }
        tiles.truncate(TILES_MAX);
        tiles
    }
}

/// Prints figures that are no measurement, and writes them if a file is asked for.
///
/// # Errors
/// The file cannot be written.
pub fn plainly(
    table: &Table,
    json: Option<&Path>,
    figures: &impl Serialize,
) -> Result<(), RunError> {
    print!("{}", table.render());
    let Some(file) = json else { return Ok(()) };
    let text = serde_json::to_string_pretty(figures)
        .map_err(|error| RunError::Failed(error.to_string()))?;
    write("--json", file, &(text + "\n"))
}

/// The command of a run, without what is secret of it.
fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec!["loadtest".to_owned()];
    let mut is_secret = false;
    for argument in arguments {
        let option = argument.split('=').next().unwrap_or_default();
        let is_named = SECRETS.contains(&option);
        words.push(
            match (is_secret, is_named && option.len() < argument.len()) {
                (true, _) => "***".to_owned(),
                (false, true) => format!("{option}=***"),
                (false, false) => argument.clone(),
            },
        );
        is_secret = !is_secret && is_named && option.len() == argument.len();
    }
    words.join(" ")
}

/// Whether the files that are asked for can be written, before the run.
///
/// # Errors
/// One line, when one cannot, or one would take the place of another.
pub fn check_files(common: &Common) -> Result<(), String> {
    let files = [("--html", &common.html), ("--json", &common.json)];
    if common.html.is_some() && common.html == common.json {
        return Err("--html and --json name the same file".to_owned());
    }
    for (option, file) in files {
        if let Some(file) = file {
            let is_new = !file.exists();
            let opened = fs::File::options().create(true).append(true).open(file);
            opened.map_err(|error| format!("{option} {}: {error}", file.display()))?;
            if is_new {
                // A run without figures leaves none behind.
                let _ = fs::remove_file(file);
            }
        }
    }
    Ok(())
}

fn write(option: &str, file: &Path, text: &str) -> Result<(), RunError> {
    fs::write(file, text)
        .map_err(|error| RunError::Failed(format!("{option} {}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_told() {
        let words = [
            "push",
            "--key",
            "abc",
            "-n",
            "3",
            "--secret=abc",
            "--backend",
            "me:abc",
            "--to",
            "a",
        ];
        let told = command_line(words.into_iter().map(str::to_owned));
        assert_eq!(
            told,
            "loadtest push --key *** -n 3 --secret=*** --backend *** --to a"
        );
    }
}
