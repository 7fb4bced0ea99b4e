//! The raw configuration: the file's values with the environment's laid over them.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::{
    Mistake,
    setting::inline,
    source::{PREFIX, Source},
    visit::Raw,
};

/// Keys in braces of these tables are names that somebody chose: their case is kept.
const NAMED_TABLES: &[&str] = &["dialect.ride.backends"];

/// A table, by its keys.
pub(crate) type Table = BTreeMap<String, Node>;

/// What a key has.
pub(crate) enum Node {
    /// More keys.
    Table(Table),
    /// A value of the file.
    Typed(toml::Value),
    /// The value of an environment variable, and its name.
    Text(String, String),
}

impl Node {
    /// The keys below, if it has any; a table in an environment variable is TOML or JSON.
    pub(crate) fn into_table(self) -> Result<Table, Self> {
        match self {
            Self::Table(table) => Ok(table),
            Self::Typed(toml::Value::Table(table)) => Ok(typed(table)),
            Self::Typed(value) => Err(Self::Typed(value)),
            Self::Text(text, variable) => match inline(&Raw::Text(text.clone())) {
                Raw::Typed(toml::Value::Table(table)) => Ok(typed(table)),
                _ => Err(Self::Text(text, variable)),
            },
        }
    }

    /// Whether a variable, and not the file, has set it.
    fn is_of_environment(&self) -> bool {
        match self {
            Self::Table(table) => table.values().any(Self::is_of_environment),
            Self::Typed(_) => false,
            Self::Text(..) => true,
        }
    }

    /// The value, and the environment variable that it comes from.
    pub(crate) fn into_raw(self) -> (Raw, Option<String>) {
        match self {
            Self::Table(table) => (Raw::Typed(toml::Value::Table(untyped(table))), None),
            Self::Typed(value) => (Raw::Typed(value), None),
            Self::Text(text, variable) => (Raw::Text(text), Some(variable)),
        }
    }
}

/// The library's own way from texts to values ends at a number that is too large, without its key
/// and without what else is wrong. Such a number becomes one with a point, which no key takes.
fn parsed(table: DeTable<'_>) -> toml::Table {
    table
        .into_iter()
        .map(|(key, value)| {
            (
                key.into_inner().into_owned(),
                parsed_value(value.into_inner()),
            )
        })
        .collect()
}

fn parsed_value(value: DeValue<'_>) -> toml::Value {
    match value {
        DeValue::String(text) => toml::Value::String(text.into_owned()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => toml::Value::Integer(number),
            Err(_) => toml::Value::Float(f64::INFINITY),
        },
        DeValue::Float(number) => {
            toml::Value::Float(number.as_str().parse().unwrap_or(f64::INFINITY))
        }
        DeValue::Boolean(truth) => toml::Value::Boolean(truth),
        DeValue::Datetime(time) => toml::Value::Datetime(time),
        DeValue::Array(values) => {
            let values = values.into_iter();
            let values = values.map(|value| parsed_value(value.into_inner()));
            toml::Value::Array(values.collect())
        }
        DeValue::Table(table) => toml::Value::Table(parsed(table)),
    }
}

fn typed(table: toml::Table) -> Table {
    let node = |value| match value {
        toml::Value::Table(table) => Node::Table(typed(table)),
        value => Node::Typed(value),
    };
    table
        .into_iter()
        .map(|(key, value)| (key, node(value)))
        .collect()
}

fn untyped(table: Table) -> toml::Table {
    let value = |node| match node {
        Node::Table(table) => toml::Value::Table(untyped(table)),
        Node::Typed(value) => value,
        Node::Text(text, _) => toml::Value::String(text),
    };
    table
        .into_iter()
        .map(|(key, node)| (key, value(node)))
        .collect()
}

/// Reads the file of `source` and lays its environment over it.
///
/// # Errors
///
/// A file that is not TOML: whatever else could be said would only follow from that.
pub(crate) fn read(source: &Source, mistakes: &mut Vec<Mistake>) -> Result<Table, Mistake> {
    let mut table = match &source.file {
        Some(file) => match DeTable::parse(&file.text) {
            Ok(table) => typed(parsed(table.into_inner())),
            Err(error) => return Err(Mistake::new(&file.name, syntax(&error, &file.text))),
        },
        None => Table::new(),
    };
    // Sorted, so that `A` comes before `A__B` and does not replace it.
    for (variable, text) in source.settings() {
        let mut path = key_path(variable.get(PREFIX.len()..).unwrap_or_default());
        let laid =
            node(&mut path, text, variable).and_then(|node| lay_over(&mut table, &path, node));
        if let Err(problem) = laid {
            let problem = format!("{problem} (from {variable})");
            mistakes.push(Mistake::new(path.join("."), problem));
        }
    }
    Ok(table)
}

/// What a variable puts at `path`. Below a table of chosen names stand secrets, which the file can
/// give as `{ file = "..." }`: here that is such a table too, or `_FILE` behind the name.
fn node(path: &mut [String], text: &str, variable: &str) -> Result<Node, &'static str> {
    let plain = Node::Text(text.to_owned(), variable.to_owned());
    let Some((name, table)) = path.split_last_mut() else {
        return Ok(plain);
    };
    if !NAMED_TABLES.contains(&table.join(".").as_str()) {
        return Ok(plain);
    }
    if let Some(stem) = without_file(name) {
        *name = stem.to_owned();
        return Ok(Node::Table(Table::from([("file".to_owned(), plain)])));
    }
    if !text.trim_start().starts_with('{') {
        return Ok(plain);
    }
    // Taken for the secret itself it would be one that nobody has meant.
    plain
        .into_table()
        .map(Node::Table)
        .map_err(|_| "is not usable, expected a secret, or a table such as { file = \"...\" }")
}

/// The name in front of `_FILE`, in any case.
fn without_file(name: &str) -> Option<&str> {
    let (stem, suffix) = name.split_at_checked(name.len().checked_sub("_FILE".len())?)?;
    (!stem.is_empty() && suffix.eq_ignore_ascii_case("_FILE")).then_some(stem)
}

/// One line, without the line of the file that the library would show: it may hold a secret.
fn syntax(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', ", ");
    let Some(span) = error.span() else {
        return format!("is not TOML: {message}");
    };
    let before = text.get(..span.start).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("line {line}, column {column}: {message}")
}

fn key_path(name: &str) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for part in name.split("__") {
        let named = NAMED_TABLES.contains(&path.join(".").as_str());
        path.push(if named {
            part.to_owned()
        } else {
            part.to_ascii_lowercase()
        });
    }
    path
}

/// Puts `node` at `path`, making the tables on the way.
fn lay_over(table: &mut Table, path: &[String], node: Node) -> Result<(), &'static str> {
    const NO_TABLE: &str = "is no table of keys";

    let (key, rest) = path.split_first().ok_or(NO_TABLE)?;
    if rest.is_empty() {
        // The other form of a secret in the file does not stay beside the one that wins.
        let other = match key.strip_suffix("_file") {
            Some(plain) => plain.to_owned(),
            None => format!("{key}_file"),
        };
        if table
            .get(&other)
            .is_some_and(|other| !other.is_of_environment())
        {
            table.remove(&other);
        }
        if table.get(key).is_some_and(Node::is_of_environment) {
            return Err("is set by another variable already");
        }
        table.insert(key.clone(), node);
        return Ok(());
    }
    let below = table
        .remove(key)
        .unwrap_or_else(|| Node::Table(Table::new()));
    let mut below = below.into_table().map_err(|_| NO_TABLE)?;
    let laid = lay_over(&mut below, rest, node);
    table.insert(key.clone(), Node::Table(below));
    laid
}
