//! The scenario `push` against a real node, small. Redis is pushed through in `scripts/bench push`.

use serde_json::Value;

use crate::node::Node;

fn run(node: &Node, options: &[&str]) -> Value {
    let admin = ["--admin", &node.admin, "--pushers", "2"];
    let (output, figures) = node.run("push", &[&admin[..], options].concat());
    assert!(output.status.success(), "{output:?}");
    figures.unwrap_or_else(|| panic!("{output:?}"))
}

#[test]
fn pushes_come_once_singly_and_in_batches() {
    let node = Node::start("pushes");
    for (batch, processes) in [("1", "1"), ("10", "1"), ("1", "2"), ("10", "2")] {
        let figures = run(&node, &["--batch", batch, "--processes", processes]);
        assert!(100 < figures["pushes"].as_u64().unwrap(), "{figures}");
        assert_eq!(
            (&figures["missing"], &figures["unexpected"]),
            (&0.into(), &0.into())
        );
        assert_eq!(figures["processes"][0]["pid"], node.child.id());
    }
}

#[test]
fn calls_are_made_at_their_rate() {
    let node = Node::start("rate");
    for processes in ["1", "2"] {
        let figures = run(&node, &["--rate", "100", "--processes", processes]);
        let pushes = figures["pushes"].as_u64().unwrap();
        assert!((30..=70).contains(&pushes), "{figures}");
    }
}

#[test]
fn a_key_that_may_not_publish_is_told_of() {
    let node = Node::start("refused");
    let key = "a-key-of-32-characters-nobody-has";
    let options = ["--admin", &node.admin, "--key", key, "--pushers", "2"];
    let (output, _) = node.run("push", &options);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("401"), "{told}");
}
