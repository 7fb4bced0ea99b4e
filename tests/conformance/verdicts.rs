//! What the suite says about each case.

use std::{collections::HashMap, fs, path::Path};

use serde::Deserialize;

use super::suite::AGENT;

/// One case and how it went.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// `section.group.number`, of which some sections have no group.
    pub(crate) case: String,
    /// `OK`, `NON-STRICT`, `INFORMATIONAL`, `FAILED` and others.
    pub(crate) behaviour: String,
    /// The same about the end of the connection.
    pub(crate) at_close: String,
}

#[derive(Deserialize)]
struct Entry {
    behavior: String,
    #[serde(rename = "behaviorClose")]
    behavior_close: String,
}

impl Verdict {
    /// The numbers in the name of the case.
    pub(crate) fn numbers(&self) -> Vec<u32> {
        let numbers = self.case.split('.').map(str::parse);
        numbers.collect::<Result<_, _>>().unwrap()
    }

    /// The first of them.
    pub(crate) fn section(&self) -> u32 {
        self.numbers()[0]
    }
}

/// Reads the suite's index, in the order of the cases.
pub(crate) fn read(index: &Path) -> Vec<Verdict> {
    let text = fs::read_to_string(index)
        .unwrap_or_else(|error| panic!("the suite has left no {}: {error}", index.display()));
    let mut agents: HashMap<String, HashMap<String, Entry>> = serde_json::from_str(&text).unwrap();
    let cases = agents.remove(AGENT).unwrap_or_default();
    let mut verdicts: Vec<_> = cases
        .into_iter()
        .map(|(case, entry)| Verdict {
            case,
            behaviour: entry.behavior,
            at_close: entry.behavior_close,
        })
        .collect();
    verdicts.sort_by_key(Verdict::numbers);
    verdicts
}
