//! Positions of the scenario `unicast` against a real node, small.

use crate::node::Node;

#[test]
fn drivers_send_their_positions_so_many_times_a_second() {
    let node = Node::start("positions");
    let (output, figures) = node.run("unicast", &["--positions", "20", "--secs", "1"]);
    assert!(output.status.success(), "{output:?}");
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    // Three drivers.
    let messages = figures["messages"].as_u64().unwrap();
    let conflated = figures["conflated"].as_u64().unwrap();
    assert!((45..=75).contains(&(messages + conflated)), "{figures}");
    assert_eq!(
        (&figures["missing"], &figures["unexpected"]),
        (&0.into(), &0.into())
    );
    assert_eq!(figures["valid"], true, "{figures}");
}
