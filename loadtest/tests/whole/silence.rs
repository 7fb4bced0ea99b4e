//! Clients that only listen, of a node that evicts who is silent.

use crate::node::Node;

#[test]
fn who_only_listens_is_not_taken_for_gone_unless_nobody_is_pinged() {
    let node = Node::start_with("silence", "[limits]\nidle = \"1s\"\n");
    // In each room one speaks and five listen.
    let load = ["--room-rate", "2", "--secs", "3"];
    let (output, _) = node.run("room", &[&load[..], &["--ping", "0.3"]].concat());
    assert!(output.status.success(), "{output:?}");
    let (output, _) = node.run("room", &[&load[..], &["--ping", "0"]].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("closed by the server with code 1000"),
        "{output:?}"
    );
    assert_eq!(output.status.code(), Some(1));
}
