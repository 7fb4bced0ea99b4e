//! The boards on a real Prometheus: every panel shows something.

use serde_json::Value;

use crate::{
    boards::{Board, Panel},
    lab::Lab,
    traffic,
};

/// Panels that may be empty, and why.
const MAY_BE_EMPTY: &[(&str, &str)] = &[
    ("loadtest: Errors", "nothing has to go wrong"),
    ("node: Certificate", "the nodes of the test have no TLS"),
    ("overview: Alerts", "nothing has to be wrong"),
];

/// A window of rates: long enough for two scrapes, a second apart, on a busy machine.
const WINDOW: &str = "15s";

/// A query with values for the variables of its board, as Grafana puts them in.
fn filled(board: &Board, query: &str) -> String {
    let node = &board.variables()[2];
    let node = match node["includeAll"].as_bool().unwrap() {
        true => node["allValue"].as_str().unwrap(),
        false => "gw1",
    };
    let query = query.replace("$cluster", "main").replace("$node", node);
    let query = query.replace("$__rate_interval", WINDOW);
    assert!(
        !query.contains('$'),
        "{query} has a variable that is not known"
    );
    query
}

/// Whether each of a panel's queries gives a number at some time.
async fn shows(lab: &Lab, board: &Board, panel: &Panel) -> bool {
    for query in panel.queries() {
        let query = filled(board, &query);
        let is_empty = match panel.json["type"] == "table" {
            true => lab.prometheus.query(&query).await.is_empty(),
            false => lab.prometheus.range(&query).await.is_empty(),
        };
        if is_empty {
            println!("nothing: {query}");
            return false;
        }
    }
    true
}

/// Values that a variable offers: `label_values(series, label)`.
async fn offered(lab: &Lab, variable: &Value) -> Vec<String> {
    let query = variable["definition"].as_str().unwrap();
    let query = query.replace("$cluster", "main");
    let inside = query.strip_prefix("label_values(").unwrap();
    let inside = inside.strip_suffix(')').unwrap();
    let (series, label) = inside.rsplit_once(", ").unwrap();
    lab.prometheus.label_values(series, label).await
}

#[tokio::test]
async fn every_panel_and_every_alert_finds_what_it_asks_for() {
    let lab = Lab::start().await;
    let _audience = traffic::drive(&lab).await;
    lab.load().await;
    let mut empty = Vec::new();
    for board in Board::all() {
        let [_, cluster, node] = board.variables() else {
            panic!("{} has other variables", board.name)
        };
        assert_eq!(offered(&lab, cluster).await, ["main"]);
        assert_eq!(offered(&lab, node).await, ["gw1", "gw2"]);
        for panel in board.panels() {
            let may_be = MAY_BE_EMPTY.iter().any(|(name, _)| *name == panel.name);
            if !shows(&lab, &board, &panel).await && !may_be {
                empty.push(panel.name);
            }
        }
    }
    assert!(empty.is_empty(), "panels without data: {empty:?}");
    crate::alerts::find_what_they_ask_for(&lab).await;
}

#[test]
fn panels_that_may_be_empty_exist() {
    let boards = Board::all();
    let names: Vec<_> = boards.iter().flat_map(Board::panels).collect();
    for (listed, _) in MAY_BE_EMPTY {
        assert!(names.iter().any(|panel| panel.name == *listed), "{listed}");
    }
}
