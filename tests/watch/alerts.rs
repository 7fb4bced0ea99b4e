//! Alerts on a real Prometheus, from a node that is killed to what fires.

use rustix::process::Signal;

use crate::{lab::Lab, until};

/// Selectors in the expression of an alert: names with what stands in braces behind them.
fn selectors(expression: &str) -> Vec<String> {
    let mut selectors = Vec::new();
    for beginning in ["tidegate_", "up{"] {
        for (at, _) in expression.match_indices(beginning) {
            let before = expression[..at].chars().next_back();
            if before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &expression[at..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let mut end = end.unwrap_or(rest.len());
            if rest[end..].starts_with('{') {
                end += rest[end..].find('}').unwrap() + 1;
            }
            selectors.push(rest[..end].to_owned());
        }
    }
    selectors
}

/// Every selector of every alert finds a series on both nodes: a label that is written wrongly would make
/// an alert that never fires.
pub(crate) async fn find_what_they_ask_for(lab: &Lab) {
    let alerts = lab.prometheus.alerts().await;
    assert!(!alerts.is_empty());
    for alert in alerts {
        assert_eq!(alert["health"], "ok", "{alert}");
        let found = selectors(alert["query"].as_str().unwrap());
        assert!(!found.is_empty(), "{alert}");
        for selector in found {
            let count = format!("count(count by (node) ({selector}))");
            let nodes = lab.prometheus.query(&count).await;
            let nodes = nodes.first().map(|(_, count)| *count);
            assert_eq!(nodes, Some(2.0), "{selector} of {}", alert["name"]);
        }
    }
}

/// Waits until an alert fires with these labels.
async fn until_fires(lab: &Lab, name: &str, labels: &str) {
    let query = format!(r#"ALERTS{{alertname="{name}", alertstate="firing"{labels}}}"#);
    lab.prometheus.until(&query).await;
}

#[tokio::test]
async fn what_goes_wrong_raises_its_alert() {
    let mut lab = Lab::start().await;
    // Nodes that start do not know each other at once.
    let firing = r#"ALERTS{alertstate="firing"}"#;
    until("nothing fires", async || {
        lab.prometheus.query(firing).await.is_empty()
    })
    .await;
    lab.reload_badly();
    until_fires(&lab, "TidegateReloadFailed", r#", node="gw1""#).await;
    lab.kill_second();
    until_fires(&lab, "TidegateNodeDown", r#", node="gw2""#).await;
    until_fires(&lab, "TidegateTooFewNodesReady", r#", severity="page""#).await;
    until_fires(&lab, "TidegateNodeReaped", r#", node="gw1""#).await;
    lab.redis.signal(Signal::STOP);
    until_fires(&lab, "TidegateCanaryStale", r#", node="gw1""#).await;
    until_fires(&lab, "TidegateNodeNotReady", r#", node="gw1""#).await;
}
