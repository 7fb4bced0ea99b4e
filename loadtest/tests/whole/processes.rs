//! Runs in several processes.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::node::{LOADTEST, Node};

#[test]
fn several_processes_give_the_figures_of_one() {
    let node = Node::start("processes");
    for (scenario, options) in [
        ("idle", &["--settle", "0.1"][..]),
        ("echo", &["--outstanding", "2"]),
        ("room", &["--rooms", "3x2", "--room-rate", "50"]),
        ("unicast", &["--outstanding", "4"]),
        (
            "unicast",
            &["--rate", "60", "--ramp", "0.2", "--ramp-down", "0.2"],
        ),
    ] {
        let options = [&["--processes", "3"], options].concat();
        let (output, figures) = node.run(scenario, &options);
        let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
        assert!(output.status.success(), "{output:?}");
        assert_eq!(figures["connections"], 6, "{figures}");
        assert_eq!(figures["valid"], true, "{figures}");
        let timeline = figures["timeline"].as_array().unwrap();
        let held = timeline.iter().filter(|it| it["phase"] == "hold");
        for second in held {
            assert_eq!(second["open"], 6, "{second}");
            assert_eq!(second["generator_percent"].as_array().unwrap().len(), 3);
            assert_eq!(second["processes"][0]["pid"], node.child.id());
        }
        match scenario {
            "idle" => assert_eq!(figures["exchanged"], 6, "{figures}"),
            "room" => {
                assert_eq!(figures["rooms"], 3, "{figures}");
                assert!(40 < figures["messages"].as_u64().unwrap(), "{figures}");
            }
            _ => assert_eq!(
                (&figures["missing"], &figures["unexpected"]),
                (&0.into(), &0.into())
            ),
        }
    }
}

#[test]
fn what_one_process_publishes_reaches_the_subscribers_of_all() {
    let node = Node::start("shared");
    let server = concat!(env!("CARGO_MANIFEST_DIR"), "/servers/room.toml");
    let rate = [
        "--rate",
        "50",
        "--ramp",
        "0.5",
        "--secs",
        "1",
        "--ramp-down",
        "1",
    ];
    let load = [&["--server", server, "--wait"], &rate[..]].concat();
    for processes in ["2", "3"] {
        let options = [&load[..], &["--processes", processes]].concat();
        let (output, figures) = node.run("fanout", &options);
        assert!(output.status.success(), "{output:?}");
        let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
        assert_eq!(figures["valid"], true, "{figures}");
        assert_eq!(figures["subscribers"], 6, "{figures}");
        let number = |field: &str| figures[field].as_u64().unwrap();
        assert!((40..=60).contains(&number("messages")), "{figures}");
        // Some are between two subscribers when measuring ends.
        let missing = (6 * number("messages")).abs_diff(number("deliveries"));
        assert!(missing <= 12, "{figures}");
        let count = |latency: &str| figures[latency]["count"].as_u64().unwrap();
        assert_eq!(count("latency_last"), number("messages"));
        // A message may be due when measuring has begun in some processes only.
        let each = count("latency_each");
        assert!(each.abs_diff(6 * number("messages")) <= 6, "{figures}");
        let most = |latency: &str| figures[latency]["max_ms"].as_f64().unwrap();
        // But for what a histogram loses.
        assert!(
            0.97 * most("latency_each") <= most("latency_last"),
            "{figures}"
        );
    }
}

/// The processes that one has started.
pub(crate) fn children(parent: u32) -> Vec<Pid> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap();
    let children = children.split_whitespace().map(|it| it.parse().unwrap());
    children.filter_map(Pid::from_raw).collect()
}

#[test]
fn a_process_that_dies_is_named_and_the_run_is_not_valid() {
    let node = Node::start("dies");
    let json = node.folder.join("dies.json");
    let child = Command::new(LOADTEST)
        .args([
            "idle",
            "--to",
            &node.public,
            "-n",
            "6",
            "--secs",
            "5",
            "--settle",
            "0",
        ])
        .args(["--processes", "2", "--json"])
        .arg(&json)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    node.until_sessions(6);
    let victim = children(child.id())[1];
    kill_process(victim, Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(
        told.contains("process 2 of 2 (pid ") && told.contains("signal: 9"),
        "{told}"
    );
    let figures: serde_json::Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(figures["valid"], false);
    let reason = figures["invalid_reason"].as_str().unwrap();
    assert!(reason.contains("process 2 of 2"), "{reason}");
}

#[test]
fn what_cannot_be_shared_is_refused() {
    for (options, said) in [
        (&["fanout", "-n", "6"][..], "only with --rate"),
        (&["idle", "-n", "2"], "too few"),
        (
            &["unicast", "-n", "6", "--outstanding", "2"],
            "--outstanding",
        ),
        (&["slow", "-n", "100"], "2 rooms are too few"),
        (&["mixed", "-n", "100"], "room: --processes 3: 1 rooms"),
        (
            &["soak", "-n", "900", "--churners", "2"],
            "--churners is less",
        ),
        (
            &[
                "push",
                "-n",
                "6",
                "--redis",
                "127.0.0.1:1",
                "--pushers",
                "2",
            ],
            "--pushers is less",
        ),
        (&["live", "-n", "4", "--walls", "2"], "2 phones are too few"),
    ] {
        let output = Command::new(LOADTEST)
            .args(options)
            .args(["--to", "127.0.0.1:1", "--processes", "3"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(said), "{told}");
    }
}
