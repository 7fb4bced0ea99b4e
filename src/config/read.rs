//! The visitor that reads: each key's value out of the raw tree, each mistake into a list.

use std::path::Path;

use super::{
    Mistake,
    setting::inline,
    source::read_text,
    tree::{Node, Table},
    visit::{Raw, Refused, Section, Sections, Setting, Visitor},
};

/// Reads one table.
struct Reader<'a> {
    table: Table,
    /// Keys of the tables around this one, with a dot at the end.
    path: String,
    known: Vec<&'static str>,
    mistakes: &'a mut Vec<Mistake>,
}

/// 2 to the 63rd: no number of the configuration is as large.
const TOO_LARGE: f64 = 9_223_372_036_854_775_808.0;

/// Whether a value may show in a mistake.
#[derive(Clone, Copy)]
enum Show {
    Redacted,
    Value,
}

/// Reads `section` from `table`, whose keys are below `path`.
pub(crate) fn read(
    table: Table,
    path: String,
    section: &mut dyn Section,
    mistakes: &mut Vec<Mistake>,
) {
    let mut reader = Reader {
        table,
        path,
        known: Vec::new(),
        mistakes,
    };
    section.visit(&mut reader);
    reader.report_unknown();
}

/// The text of a secret's file, without the line end that editors add.
pub(crate) fn secret_file(path: &str) -> Result<String, String> {
    match read_text(Path::new(path)) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(problem) => Err(format!("a readable file: {path}: {problem}")),
    }
}

// === impl Reader ===

impl Reader<'_> {
    fn take(&mut self, key: &'static str) -> Option<Node> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn mistake(&mut self, key: &str, problem: impl Into<String>) {
        let key = format!("{}{key}", self.path);
        self.mistakes.push(Mistake::new(key, problem));
    }

    /// Reads the key; whether it was there.
    fn read_setting(&mut self, key: &'static str, setting: &mut dyn Setting, show: Show) -> bool {
        let Some(node) = self.take(key) else {
            return false;
        };
        let (raw, variable) = node.into_raw();
        let from = variable.map_or(String::new(), |name| format!(" (from {name})"));
        match setting.set(&raw) {
            Ok(()) => {}
            Err(Refused::Value(expected)) => {
                let is = describe(&raw, show);
                self.mistake(key, format!("{is}{from}, expected {expected}"));
            }
            Err(Refused::Elements(values, expected)) => {
                for (index, value) in values {
                    let is = describe(&Raw::Typed(value), show);
                    let problem = format!("{is}{from}, expected {expected}");
                    self.mistake(&format!("{key}[{index}]"), problem);
                }
            }
        }
        true
    }

    fn read_secret(&mut self, key: &'static str, setting: &mut dyn Setting) -> bool {
        let file_key = format!("{key}_file");
        let Some(node) = self.table.remove(&file_key) else {
            return self.read_setting(key, setting, Show::Redacted);
        };
        if self.take(key).is_some() {
            self.mistake(
                key,
                format!("stands beside {file_key}, expected one of the two"),
            );
            return true;
        }
        let path = match node.into_raw().0 {
            Raw::Text(path) | Raw::Typed(toml::Value::String(path)) => path,
            raw @ Raw::Typed(_) => {
                let is = describe(&raw, Show::Value);
                self.mistake(&file_key, format!("{is}, expected the path of a file"));
                return true;
            }
        };
        match secret_file(&path) {
            Ok(text) => {
                if let Err(refused) = setting.set(&Raw::Text(text)) {
                    let expected = match refused {
                        Refused::Value(expected) => expected,
                        Refused::Elements(_, expected) => expected.to_owned(),
                    };
                    let problem = format!("has unusable contents, expected {expected}");
                    self.mistake(&file_key, problem);
                }
            }
            Err(expected) => {
                self.mistake(&file_key, format!("cannot be read, expected {expected}"));
            }
        }
        true
    }

    fn report_unknown(mut self) {
        for (key, node) in std::mem::take(&mut self.table) {
            let from = match first_variable(&node) {
                Some(variable) => format!(" (from {variable})"),
                None => String::new(),
            };
            let allowed = self.known.join(", ");
            let problem = match nearest(&key, &self.known) {
                Some(near) => {
                    format!("is not a known key{from}, did you mean {near}? Allowed are {allowed}")
                }
                None => format!("is not a known key{from}, allowed are {allowed}"),
            };
            // As the file writes it, or the mistake would be about nothing.
            let key = if key.is_empty() { "\"\"" } else { &key };
            self.mistake(key, problem);
        }
    }
}

impl Visitor for Reader<'_> {
    fn setting(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.read_setting(key, setting, Show::Value);
    }

    fn required(&mut self, key: &'static str, setting: &mut dyn Setting) {
        if !self.read_setting(key, setting, Show::Value) {
            self.mistake(key, format!("is missing, expected {}", setting.expected()));
        }
    }

    fn secret(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.read_secret(key, setting);
    }

    fn required_secret(&mut self, key: &'static str, setting: &mut dyn Setting) {
        if !self.read_secret(key, setting) {
            let expected = setting.expected();
            let problem = format!("is missing, expected {expected}, or {key}_file");
            self.mistake(key, problem);
        }
    }

    fn section(&mut self, key: &'static str, section: &mut dyn Section) {
        let Some(node) = self.take(key) else {
            return;
        };
        match node.into_table() {
            Ok(table) => read(
                table,
                format!("{}{key}.", self.path),
                section,
                self.mistakes,
            ),
            Err(_) => self.mistake(key, "is not a table of keys"),
        }
    }

    fn sections(&mut self, key: &'static str, sections: &mut dyn Sections) {
        let Some(node) = self.take(key) else {
            return;
        };
        if sections.count_max() == 1 {
            sections.reset(1);
            match node.into_table() {
                Ok(table) => {
                    let path = format!("{}{key}.", self.path);
                    read(table, path, sections.at(0), self.mistakes);
                }
                Err(_) => self.mistake(key, "is not a table of keys"),
            }
            return;
        }
        let Raw::Typed(toml::Value::Array(items)) = inline(&node.into_raw().0) else {
            self.mistake(key, "is not a list of tables");
            return;
        };
        sections.reset(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{}{key}[{index}]", self.path);
            match Node::Typed(item).into_table() {
                Ok(table) => read(table, format!("{path}."), sections.at(index), self.mistakes),
                Err(_) => self
                    .mistakes
                    .push(Mistake::new(path, "is not a table of keys")),
            }
        }
    }
}

fn describe(raw: &Raw, show: Show) -> String {
    let text = match raw {
        Raw::Text(text) | Raw::Typed(toml::Value::String(text)) => text.as_str(),
        Raw::Typed(_) => "",
    };
    let password = text.contains("://") && text.contains('@');
    match (if password { Show::Redacted } else { show }, raw) {
        (Show::Redacted, _) => "is not usable".to_owned(),
        (Show::Value, Raw::Text(text)) => format!("is {text:?}"),
        (Show::Value, Raw::Typed(toml::Value::Table(_))) => "is a table".to_owned(),
        (Show::Value, Raw::Typed(toml::Value::Array(_))) => "is a list".to_owned(),
        (Show::Value, Raw::Typed(toml::Value::String(text))) => format!("is {text:?}"),
        // As it stands there it would have more digits than are known of it.
        (Show::Value, Raw::Typed(toml::Value::Float(number))) if TOO_LARGE <= number.abs() => {
            "is a number that is too large".to_owned()
        }
        (Show::Value, Raw::Typed(value)) => format!("is {value}"),
    }
}

fn first_variable(node: &Node) -> Option<&str> {
    match node {
        Node::Table(table) => table.values().find_map(first_variable),
        Node::Typed(_) => None,
        Node::Text(_, variable) => Some(variable),
    }
}

/// The known key that a typing mistake away, if one is.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |known: &&&str| distance(key, known) <= 2.min(known.len() / 2);
    known
        .iter()
        .filter(close)
        .min_by_key(|known| distance(key, known))
        .copied()
}

/// Letters to add, drop or replace between two words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_a_typing_mistake_away() {
        let known = ["idle", "message_bytes_max", "message_timeout"];
        assert_eq!(nearest("idel", &known), Some("idle"));
        assert_eq!(
            nearest("message_byte_max", &known),
            Some("message_bytes_max")
        );
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest("", &known), None);
    }
}
