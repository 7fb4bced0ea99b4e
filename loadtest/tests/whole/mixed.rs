//! The scenarios `mixed` and `soak` against a real node, small. Redis is pushed through in `scripts/bench push`.

use serde_json::Value;

use crate::node::Node;

fn run(node: &Node, scenario: &str, options: &[&str]) -> Value {
    let key = node.folder.join("private.pem");
    let means = ["--im-key", key.to_str().unwrap(), "--admin", &node.admin];
    let rates = [
        "--positions",
        "10",
        "--room-rate",
        "40",
        "--push-rate",
        "40",
        "--chat-rate",
        "40",
    ];
    let options = [&means[..], &rates[..], options].concat();
    let (output, figures) = node.run(scenario, &options);
    assert!(output.status.success(), "{output:?}");
    figures.unwrap_or_else(|| panic!("{output:?}"))
}

/// Every kind of message has come.
fn all_kinds_came(figures: &Value) {
    for kind in ["position", "packet", "chat delivery", "delivery", "push"] {
        let received = figures["kinds"][kind]["received"].as_u64();
        assert!(
            received.is_some_and(|count| 10 < count),
            "{kind}: {figures}"
        );
    }
    for (clients, remainder) in figures["remainders"].as_object().unwrap() {
        let left = (&remainder["missing"], &remainder["unexpected"]);
        assert_eq!(left, (&0.into(), &0.into()), "{clients}: {figures}");
    }
    assert_eq!(figures["valid"], true, "{figures}");
}

#[test]
fn a_city_lives() {
    let node = Node::start("city");
    let figures = run(&node, "mixed", &["--secs", "1", "-n", "30"]);
    all_kinds_came(&figures);
    assert_eq!(figures["connections"], 30);
}

/// Two rooms, and of each other kind two pairs.
const FOR_TWO: [&str; 6] = [
    "--processes",
    "2",
    "--shares",
    "ride=4,im=4,room=100,push=4",
    "-n",
    "112",
];

#[test]
fn a_city_lives_in_two_processes() {
    let node = Node::start("cities");
    let figures = run(&node, "mixed", &[&["--secs", "1"], &FOR_TWO[..]].concat());
    all_kinds_came(&figures);
    assert_eq!(figures["connections"], 112);
    // At the rates of one process: two drivers with 10 a second, and 49 in each of two rooms with 40 a second.
    let received = |kind: &str| figures["kinds"][kind]["received"].as_u64().unwrap();
    assert!((12..=30).contains(&received("position")), "{figures}");
    assert!((25..=55).contains(&received("push")), "{figures}");
    assert!((2_900..=4_900).contains(&received("delivery")), "{figures}");
}

#[test]
fn a_soak_tells_what_grows_while_clients_come_and_go() {
    let node = Node::start("soak");
    let options = [
        "--minutes",
        "0.1",
        "--settle",
        "1",
        "--churners",
        "3",
        "--churn",
        "20",
    ];
    for (processes, connections) in [(&["-n", "30"][..], 33), (&FOR_TWO, 115)] {
        let figures = run(&node, "soak", &[&options, processes].concat());
        all_kinds_came(&figures);
        assert_eq!(figures["connections"], connections);
        grows_by_something(&figures);
    }
}

fn grows_by_something(figures: &Value) {
    let comings = figures["comings"].as_u64().unwrap();
    assert!((80..=130).contains(&comings), "{figures}");
    for slope in [
        "memory_bytes_per_minute",
        "p50_ms_per_minute",
        "p99_ms_per_minute",
    ] {
        assert!(figures[slope]["slope"].is_number(), "{slope}: {figures}");
        assert!(figures[slope]["error"].is_number(), "{slope}: {figures}");
    }
}
