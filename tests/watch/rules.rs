//! The rules of alerts as files: promtool takes them, each has cases in which it fires and in which it
//! does not, and an entry in the runbook.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    process::Command,
};

use crate::{boards::Board, files, root, text};

/// What every entry of the runbook has.
const PARTS: [&str; 4] = ["**Means.**", "**Users see.**", "**Look at.**", "**Do.**"];

/// An alert, as its file has it.
struct Alert {
    name: String,
    /// The lines of its rule.
    rule: String,
}

/// Every alert.
fn alerts() -> Vec<Alert> {
    let mut alerts = Vec::new();
    for path in files("deploy/prometheus/rules", "yml") {
        let text = fs::read_to_string(path).unwrap();
        for rule in text.split("- alert: ").skip(1) {
            alerts.push(Alert {
                name: rule.lines().next().unwrap().trim().to_owned(),
                rule: rule.to_owned(),
            });
        }
    }
    alerts
}

/// Runs promtool, which has to be content.
fn promtool(verbs: &[&str], paths: &[PathBuf]) {
    let output = Command::new("promtool").args(verbs).args(paths).output();
    let output = output.expect("promtool is needed: apt-get install prometheus");
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}\n{complained}");
}

#[test]
fn promtool_takes_the_configuration_and_the_rules() {
    let config = root().join("deploy/prometheus/prometheus.yml");
    promtool(&["check", "config"], &[config]);
    promtool(
        &["check", "rules"],
        &files("deploy/prometheus/rules", "yml"),
    );
}

#[test]
fn alerts_fire_when_they_should_and_only_then() {
    promtool(&["test", "rules"], &files("deploy/prometheus/tests", "yml"));
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    // By alert: whether some case expects it to fire, and whether some case expects it not to.
    let mut cases: BTreeMap<String, [bool; 2]> = BTreeMap::new();
    for path in files("deploy/prometheus/tests", "yml") {
        let text = fs::read_to_string(path).unwrap();
        for case in text.split("alertname: ").skip(1) {
            let name = case.lines().next().unwrap().trim().to_owned();
            let fires = case.contains("exp_labels:");
            cases.entry(name).or_default()[usize::from(fires)] = true;
        }
    }
    let names = alerts().into_iter().map(|alert| (alert.name, [true, true]));
    assert_eq!(cases, names.collect());
}

#[test]
fn alerts_say_how_bad_it_is_and_why_there() {
    let mut names = BTreeSet::new();
    for Alert { name, rule } in alerts() {
        assert!(name.starts_with("Tidegate"), "{name}");
        assert!(names.insert(name.clone()), "{name} is there twice");
        let severity = rule.split("labels: {severity: ").nth(1).unwrap();
        let severity = severity.split('}').next().unwrap();
        assert!(["page", "warn"].contains(&severity), "{name}: {severity}");
        assert!(rule.contains("summary: "), "{name}");
        // The reason of its threshold, before its expression.
        let before = rule.split("expr:").next().unwrap();
        assert!(before.contains("# "), "{name}: why this threshold?");
    }
}

#[test]
fn every_alert_has_an_entry_in_the_runbook_and_the_other_way_round() {
    let runbook = text("docs/RUNBOOK.md");
    let entries: Vec<_> = runbook.split("\n### ").skip(1).collect();
    let headings = entries.iter().map(|entry| entry.lines().next().unwrap());
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|alert| alert.name.as_str()).collect();
    assert_eq!(headings.collect::<BTreeSet<_>>(), names);
    assert_eq!(entries.len(), names.len(), "an entry is there twice");
    for entry in entries {
        for part in PARTS {
            assert!(entry.contains(part), "{part} is missing: {entry}");
        }
    }
    for Alert { name, rule } in alerts {
        let url = format!("runbook_url: docs/RUNBOOK.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&url), "{name} does not lead to its entry");
    }
}

#[test]
fn panels_that_the_runbook_names_exist() {
    let runbook = text("docs/RUNBOOK.md");
    let boards = Board::all();
    let panels: BTreeSet<_> = boards
        .iter()
        .flat_map(Board::panels)
        .map(|panel| panel.name)
        .collect();
    // *board: title*
    let parts: Vec<_> = runbook.split('*').collect();
    let named = parts.iter().filter(|part| {
        let board = part.split_once(": ").map(|(board, _)| board);
        board.is_some_and(|board| boards.iter().any(|other| other.name == board))
    });
    let mut count = 0;
    for name in named {
        assert!(panels.contains(*name), "{name} is no panel");
        count += 1;
    }
    assert!(0 < count);
}
