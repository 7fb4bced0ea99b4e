//! The boards as files: what Grafana needs of each, and what people need of each panel.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::{Value, json};
use tidegate::telemetry::names::ALL;

use crate::{files, root, text};

/// Columns of Grafana's grid.
const COLUMNS: u64 = 24;
/// Of Grafana 11, which later ones read.
const SCHEMA: u64 = 39;
/// Grafana's own names of units.
const UNITS: &[&str] = &[
    "Bps",
    "bytes",
    "cps",
    "none",
    "percentunit",
    "reqps",
    "s",
    "short",
];
const KINDS: &[&str] = &["heatmap", "stat", "state-timeline", "table", "timeseries"];
/// The variables of every board.
const VARIABLES: [&str; 3] = ["datasource", "cluster", "node"];

/// A board.
pub(crate) struct Board {
    pub(crate) name: String,
    pub(crate) json: Value,
}

/// A panel that shows something.
pub(crate) struct Panel {
    /// Its board and its title, as the runbook names it.
    pub(crate) name: String,
    pub(crate) json: Value,
}

impl Board {
    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let boards = files("grafana", "json").into_iter().map(|path| Self {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            json: serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap(),
        });
        boards.collect()
    }

    /// Everything on it, rows included.
    fn parts(&self) -> &[Value] {
        self.json["panels"].as_array().unwrap()
    }

    /// Its panels.
    pub(crate) fn panels(&self) -> Vec<Panel> {
        let panels = self.parts().iter().filter(|part| part["type"] != "row");
        let panels = panels.map(|json| Panel {
            name: format!("{}: {}", self.name, json["title"].as_str().unwrap()),
            json: json.clone(),
        });
        panels.collect()
    }

    /// Its variables.
    pub(crate) fn variables(&self) -> &[Value] {
        self.json["templating"]["list"].as_array().unwrap()
    }
}

impl Panel {
    /// Its queries, as they stand in the file.
    pub(crate) fn queries(&self) -> Vec<String> {
        let targets = self.json["targets"].as_array().unwrap().iter();
        let queries = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
        queries.collect()
    }
}

/// Whether something is a text that says something.
fn says(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

#[test]
fn the_files_are_what_the_script_makes() {
    let script = root().join("grafana/build.py");
    let output = Command::new("python3").arg(script).arg("--check").output();
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "run grafana/build.py: {said}");
}

#[test]
fn boards_have_what_grafana_needs() {
    let mut uids = BTreeSet::new();
    for Board { name, json } in Board::all() {
        assert_eq!(json["schemaVersion"], SCHEMA, "{name}");
        assert_eq!(json["tags"], json!(["tidegate"]), "{name}");
        assert!(json["id"].is_null(), "{name}: Grafana gives ids");
        let uid = json["uid"].as_str().unwrap().to_owned();
        assert!(uid.len() <= 40, "{name}");
        assert!(uids.insert(uid), "{name} has the uid of another one");
        for text in ["title", "description"] {
            assert!(says(&json[text]), "{name} has no {text}");
        }
        let begin = json["time"]["from"].as_str().unwrap();
        assert!(begin.starts_with("now-"), "{name}");
    }
}

#[test]
fn boards_have_variables_for_the_source_the_cluster_and_the_node() {
    for board in Board::all() {
        let names = board.variables().iter().map(|variable| &variable["name"]);
        assert_eq!(Vec::from_iter(names), VARIABLES, "{}", board.name);
        for variable in &board.variables()[1..] {
            assert_eq!(variable["datasource"]["uid"], "${datasource}");
            assert_eq!(variable["definition"], variable["query"]["query"]);
        }
    }
}

#[test]
fn every_panel_can_be_understood() {
    for board in Board::all() {
        let mut titles = BTreeSet::new();
        for Panel { name, json } in board.panels() {
            assert!(KINDS.contains(&json["type"].as_str().unwrap()), "{name}");
            assert!(says(&json["title"]) && says(&json["description"]), "{name}");
            assert!(
                titles.insert(json["title"].to_string()),
                "{name} is there twice"
            );
            let unit = json["fieldConfig"]["defaults"]["unit"].as_str();
            assert!(
                unit.is_some_and(|unit| UNITS.contains(&unit)),
                "{name}: {unit:?}"
            );
            assert_eq!(json["datasource"]["uid"], "${datasource}", "{name}");
            let mut refs = BTreeSet::new();
            for target in json["targets"].as_array().unwrap() {
                assert_eq!(target["datasource"]["uid"], "${datasource}", "{name}");
                assert!(says(&target["refId"]) && refs.insert(target["refId"].to_string()));
                let query = target["expr"].as_str().unwrap();
                assert!(query.contains(r#"cluster="$cluster""#), "{name}: {query}");
            }
            assert!(!refs.is_empty(), "{name} asks nothing");
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_do_not_overlap() {
    for board in Board::all() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeMap::new();
        for part in board.parts() {
            let title = format!("{}: {}", board.name, part["title"]);
            assert!(ids.insert(part["id"].as_u64().unwrap()), "{title}");
            let [x, y, w, h] =
                ["x", "y", "w", "h"].map(|key| part["gridPos"][key].as_u64().unwrap());
            assert!(0 < w && 0 < h && x + w <= COLUMNS, "{title}");
            for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
                let other = taken.insert(cell, title.clone());
                assert_eq!(other, None, "{title} is in the way");
            }
        }
    }
}

#[test]
fn every_metric_is_on_a_board() {
    let mut queries = String::new();
    for panel in Board::all().iter().flat_map(Board::panels) {
        queries += &(panel.queries().join("\n") + "\n");
    }
    let words: BTreeSet<&str> = queries
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .map(|word| word.trim_end_matches("_bucket"))
        .collect();
    let known = ALL.iter().map(|family| family.name);
    let of_load_tests = loadtest::prometheus::names::ALL.iter();
    let known = known.chain(of_load_tests.map(|family| family.name));
    let missing: Vec<_> = known.filter(|name| !words.contains(name)).collect();
    assert!(missing.is_empty(), "see grafana/README.md: {missing:?}");
}

#[test]
fn grafana_finds_boards_and_prometheus_where_the_files_say() {
    let source = text("grafana/provisioning/datasources/prometheus.yml");
    let interval = text("deploy/prometheus/prometheus.yml");
    let interval = interval.split("scrape_interval: ").nth(1).unwrap();
    let interval = interval.lines().next().unwrap();
    assert!(source.contains(&format!("timeInterval: {interval}\n")));
    assert!(source.contains("type: prometheus\n"));
    let boards = text("grafana/provisioning/dashboards/tidegate.yml");
    assert!(boards.contains("type: file\n"));
}
