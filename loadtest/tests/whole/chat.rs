//! The scenario `chat` against a real node, small.

use std::process::Output;

use serde_json::Value;

use crate::node::Node;

fn run(node: &Node, options: &[&str]) -> (Output, Option<Value>) {
    let key = node.folder.join("private.pem");
    let key = ["--im-key", key.to_str().unwrap()];
    node.run("chat", &[&key[..], options].concat())
}

#[test]
fn messages_are_acknowledged_and_delivered_once() {
    let node = Node::start("friends");
    let (output, figures) = run(&node, &["--outstanding", "3", "--admin", &node.admin]);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(output.status.success(), "{output:?}");
    assert!(0 < figures["acknowledged"].as_u64().unwrap(), "{figures}");
    assert_eq!(figures["errors"], serde_json::json!({}));
    assert_eq!(
        (&figures["unanswered"], &figures["undelivered"]),
        (&0.into(), &0.into())
    );
    assert_eq!(figures["processes"][0]["pid"], node.child.id());
    let (output, figures) = run(&node, &["--rate", "50"]);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(10 < figures["acknowledged"].as_u64().unwrap(), "{figures}");
}

#[test]
fn refusals_are_counted_by_their_texts() {
    let node = Node::start("strangers");
    let (output, figures) = run(&node, &["--outstanding", "1"]);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(figures["acknowledged"], 0);
    let refused = figures["errors"]["You are not friends"].as_u64();
    assert!(refused.is_some_and(|count| 0 < count), "{figures}");
}
