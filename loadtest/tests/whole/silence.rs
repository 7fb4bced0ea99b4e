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

#[test]
fn what_was_measured_is_told_although_some_were_lost() {
    let node = Node::start_with("losses", "[limits]\nidle = \"1s\"\n");
    let key = node.folder.join("private.pem");
    // Half of them only receive, and nobody pings for them.
    let load = ["-n", "4", "--rate", "10", "--secs", "3", "--ping", "0"];
    let access = ["--im-key", key.to_str().unwrap(), "--admin", &node.admin];
    let (output, figures) = node.run("chat", &[&load[..], &access].concat());
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(0 < figures["acknowledged"].as_u64().unwrap(), "{figures}");
    assert_eq!(figures["valid"], false);
    let reason = figures["invalid_reason"].as_str().unwrap();
    let lost = "connections lost, the first one: closed by the server with code 1000";
    assert!(reason.ends_with(lost), "{reason}");
}
