//! The scenario `echo` against a real node and against the yardstick, small.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::node::{LOADTEST, Node, run_against};

#[test]
fn every_ping_is_answered_in_both_loops() {
    let node = Node::start("pings");
    for options in [["--outstanding", "2"], ["--rate", "200"]] {
        let (output, figures) = node.run("echo", &options);
        assert!(output.status.success(), "{output:?}");
        let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
        assert!(50 < figures["echoes"].as_u64().unwrap(), "{figures}");
        assert_eq!(
            (&figures["missing"], &figures["others"]),
            (&0.into(), &0.into())
        );
        assert!(
            0 < figures["latency"]["count"].as_u64().unwrap(),
            "{figures}"
        );
        assert_eq!(figures["processes"][0]["pid"], node.child.id());
    }
}

#[test]
fn what_is_never_answered_as_expected_is_told_of() {
    let node = Node::start("silent");
    let options = [
        "--outstanding",
        "1",
        "--expect",
        "ping",
        "--secs",
        "9",
        "--patience",
        "1",
    ];
    let (output, _) = node.run("echo", &options);
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("6 messages are under way"), "{told}");
}

struct Yardstick(Child);

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_yardstick_gives_back_what_it_was_sent() {
    let mut server = Command::new(LOADTEST);
    server.args(["raw-server", "--listen", "127.0.0.1:0"]);
    let mut server = Yardstick(server.stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    let output = server.0.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let address = line.split([' ', ',']).nth(2).unwrap();
    let options = [
        "--outstanding",
        "2",
        "--path",
        "/echo/{i}",
        "--message",
        r#"{"from":{i},"number":"{seq}","pad":"{pad}"}"#,
        "--expect",
        r#""from":{i},"number":"{seq}""#,
        "--bytes",
        "200",
    ];
    let (output, figures) = run_against(address, "echo", &options);
    assert!(output.status.success(), "{output:?}");
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(100 < figures["echoes"].as_u64().unwrap(), "{figures}");
    assert_eq!(
        (&figures["missing"], &figures["others"]),
        (&0.into(), &0.into())
    );
}
