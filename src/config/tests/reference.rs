//! `docs/CONFIGURATION.md` has every key, and nothing that is none.

use super::*;
use crate::config::{
    diff::needs_restart,
    visit::{Sections, Setting},
};

const REFERENCE: &str = include_str!("../../../docs/CONFIGURATION.md");

/// What the code and the reference both say about a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Facts {
    is_required: bool,
    is_secret: bool,
    needs_restart: bool,
}

#[test]
fn the_reference_says_of_every_key_what_the_code_does() {
    let mut keys = Keys::default();
    Config::default().visit(&mut keys);
    let rows = rows();
    for (key, facts) in &keys.found {
        assert_eq!(rows.get(key), Some(facts), "{key}");
    }
    for key in rows.keys() {
        assert!(keys.found.contains_key(key), "{key} is no key");
    }
}

/// The rows of five cells whose first one is a key.
fn rows() -> BTreeMap<String, Facts> {
    let mut rows = BTreeMap::new();
    for line in REFERENCE.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [key, kind, default, reload, _] = cells[..] else {
            continue;
        };
        let Some(key) = key.strip_prefix('`').and_then(|key| key.strip_suffix('`')) else {
            continue;
        };
        assert!(["yes", "restart"].contains(&reload), "{key}: {reload}");
        let facts = Facts {
            is_required: default == "required",
            is_secret: kind.contains("secret"),
            needs_restart: reload == "restart",
        };
        let before = rows.insert(key.to_owned(), facts);
        assert_eq!(before, None, "{key} stands twice");
    }
    rows
}

/// The visitor that collects the keys, those of absent sections and empty lists too.
#[derive(Default)]
pub(super) struct Keys {
    path: String,
    found: BTreeMap<String, Facts>,
}

impl Keys {
    /// Those that are secrets, in the order of the alphabet.
    pub(super) fn secrets(&self) -> Vec<String> {
        let secrets = self.found.iter().filter(|(_, facts)| facts.is_secret);
        secrets.map(|(key, _)| key.clone()).collect()
    }

    fn add(&mut self, key: &str, is_required: bool, is_secret: bool) {
        let key = format!("{}{key}", self.path);
        let facts = Facts {
            is_required,
            is_secret,
            needs_restart: needs_restart(&key),
        };
        self.found.insert(key, facts);
    }

    fn go_below(&mut self, key: &str, section: &mut dyn Section) {
        let length = self.path.len();
        self.path.push_str(key);
        section.visit(self);
        self.path.truncate(length);
    }
}

impl Visitor for Keys {
    fn setting(&mut self, key: &'static str, _: &mut dyn Setting) {
        self.add(key, false, false);
    }

    fn required(&mut self, key: &'static str, _: &mut dyn Setting) {
        self.add(key, true, false);
    }

    fn secret(&mut self, key: &'static str, _: &mut dyn Setting) {
        self.add(key, false, true);
    }

    fn required_secret(&mut self, key: &'static str, _: &mut dyn Setting) {
        self.add(key, true, true);
    }

    fn section(&mut self, key: &'static str, section: &mut dyn Section) {
        self.go_below(&format!("{key}."), section);
    }

    fn sections(&mut self, key: &'static str, sections: &mut dyn Sections) {
        let mark = if sections.count_max() == 1 {
            "."
        } else {
            "[]."
        };
        sections.reset(1);
        self.go_below(&format!("{key}{mark}"), sections.at(0));
    }
}
