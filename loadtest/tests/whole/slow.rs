//! The scenario `slow` against a real node, small.

use serde_json::Value;

use crate::node::Node;

#[test]
fn who_does_not_read_is_cut_off_and_nobody_else_is() {
    let node = Node::start("slow");
    // More than the system and the node keep for one client, and for those who go on soon less.
    let load = ["--room-rate", "200", "--bytes", "8000", "--secs", "4"];
    let slow = ["--rooms", "6", "--slow", "40", "--stall", "0.1"];
    let (output, figures) = node.run("slow", &[&load[..], &slow[..]].concat());
    assert!(output.status.success(), "{output:?}");
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(
        (&figures["slow"], &figures["resumed"]),
        (&2.into(), &1.into())
    );
    let ended = |fates: &Value| {
        let of = |fate: &str| fates[fate].as_u64().unwrap();
        (of("closed_1013") + of("reset"), of("still_open"))
    };
    assert_eq!(ended(&figures["fates_others"]), (1, 0), "{figures}");
    assert_eq!(ended(&figures["fates_resumed"]), (0, 1), "{figures}");
    for latency in ["latency_before", "latency_during"] {
        assert!(0 < figures[latency]["count"].as_u64().unwrap(), "{figures}");
    }
    let number = |field: &str| figures[field].as_u64().unwrap();
    assert_eq!((number("missing"), number("unexpected")), (0, 0));
    assert!(0 < number("resident_before_bytes"), "{figures}");
    assert!(number("resident_before_bytes") <= number("resident_max_bytes"));
}
