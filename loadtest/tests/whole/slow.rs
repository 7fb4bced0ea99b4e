//! The scenario `slow` against a real node, small.

use serde_json::Value;

use crate::node::Node;

#[test]
fn who_does_not_read_is_cut_off_and_nobody_else_is() {
    let node = Node::start("slow");
    // More than the system and the node keep for one client, and for those who go on soon less.
    let load = ["--room-rate", "200", "--bytes", "8000", "--secs", "4"];
    let slow = ["--slow", "40", "--stall", "0.1"];
    let options = [&load[..], &slow].concat();
    check(&node, &[&options[..], &["--rooms", "6"]].concat(), 1);
    let two = ["--rooms", "2x6", "-n", "12", "--processes", "2"];
    check(&node, &[&options[..], &two].concat(), 2);
}

/// In each of so many rooms two stop reading, of whom one goes on.
fn check(node: &Node, options: &[&str], rooms: u64) {
    let (output, figures) = node.run("slow", options);
    assert!(output.status.success(), "{output:?}");
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(
        (&figures["slow"], &figures["resumed"]),
        (&(2 * rooms).into(), &rooms.into())
    );
    let ended = |fates: &Value| {
        let of = |fate: &str| fates[fate].as_u64().unwrap();
        (of("closed_1013") + of("reset"), of("still_open"))
    };
    assert_eq!(ended(&figures["fates_others"]), (rooms, 0), "{figures}");
    assert_eq!(ended(&figures["fates_resumed"]), (0, rooms), "{figures}");
    for latency in ["latency_before", "latency_during"] {
        assert!(0 < figures[latency]["count"].as_u64().unwrap(), "{figures}");
    }
    let number = |field: &str| figures[field].as_u64().unwrap();
    assert_eq!((number("missing"), number("unexpected")), (0, 0));
    assert!(0 < number("resident_before_bytes"), "{figures}");
    assert!(number("resident_before_bytes") <= number("resident_max_bytes"));
}
