//! The scenario `room` against a real node, small.

use crate::node::Node;

#[test]
fn every_member_of_every_room_gets_what_is_published_there() {
    let node = Node::start("rooms");
    for options in [["--outstanding", "2"], ["--room-rate", "40"]] {
        let options = [&["--rooms", "2x2,10", "-n", "14"], &options[..]].concat();
        let (output, figures) = node.run("room", &options);
        assert!(output.status.success(), "{output:?}");
        let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
        let number = |field: &str| figures[field].as_u64().unwrap();
        assert_eq!((number("rooms"), number("connections")), (3, 14));
        assert!(40 < number("messages"), "{figures}");
        // One and one and nine members; some are between two rooms when measuring begins and ends.
        assert!(2 * number("messages") < number("deliveries"), "{figures}");
        assert_eq!((number("incomplete"), number("unexpected")), (0, 0));
        assert_eq!(figures["valid"], true, "{figures}");
    }
}

#[test]
fn rooms_that_do_not_fit_are_wrong_usage() {
    let node = Node::start("misfits");
    let (output, _) = node.run("room", &["--rooms", "2x2", "--rate", "1"]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--rooms have 4 members"), "{told}");
}
