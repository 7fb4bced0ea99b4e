//! What a run shows while it goes on and in the end.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use loadtest::http;
use rustix::process::test_kill_process;
use serde_json::Value;

use crate::node::{LOADTEST, Node};
use crate::processes::children;

#[test]
fn a_run_is_told_as_a_page_and_beside_an_earlier_one() {
    let node = Node::start("page");
    let rate = ["--rate", "60"];
    let (output, first) = node.run("unicast", &rate);
    assert!(output.status.success(), "{output:?}");
    let first = first.unwrap();
    let earlier = node.folder.join("earlier.json");
    fs::write(&earlier, first.to_string()).unwrap();
    let page = node.folder.join("page.html");
    let files = [
        "--baseline",
        earlier.to_str().unwrap(),
        "--html",
        page.to_str().unwrap(),
    ];
    let (output, figures) = node.run("unicast", &[&rate[..], &files, &["--progress"]].concat());
    assert!(output.status.success(), "{output:?}");

    let compared = &figures.unwrap()["baseline"];
    assert_eq!(compared["name"], "earlier.json");
    let compared = compared["figures"].as_array().unwrap();
    let of = |figure: &str| compared.iter().find(|it| it["figure"] == figure).unwrap();
    assert_eq!(
        of("messages_per_second")["earlier"],
        first["messages_per_second"]
    );
    assert_eq!(of("latency.p50_ms")["earlier"], first["latency"]["p50_ms"]);
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.contains("compared with earlier.json"), "{told}");
    let progress = String::from_utf8(output.stderr).unwrap();
    assert!(
        progress.contains("hold") && progress.contains("6 open"),
        "{progress}"
    );

    let page = fs::read_to_string(page).unwrap();
    let pid = format!("tidegate {}", node.child.id());
    for part in [
        "<b>Latency</b>",
        "<b>CPU</b>",
        "<b>Memory</b>",
        "Compared with earlier.json",
        &pid,
    ] {
        assert!(page.contains(part), "{part}");
    }
}

/// The value of a series at an endpoint; `None` while there is none.
fn value(scraped: &str, series: &str) -> Option<f64> {
    let mut lines = scraped.lines();
    lines.find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn prometheus_can_scrape_a_run_of_several_processes_none_of_which_outlives_it() {
    let node = Node::start("scraped");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut child = Command::new(LOADTEST)
        .args(["unicast", "--to", &node.public, "-n", "6", "--rate", "100"])
        .args(["--warmup", "0", "--secs", "60", "--processes", "2"])
        .args(["--server-pid", &node.child.id().to_string()])
        .args(["--prometheus", &address.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut looks = 0;
    let scraped = loop {
        let answer = http::get(address, "/metrics", Duration::from_secs(5));
        let scraped = answer.map(|answer| answer.body).unwrap_or_default();
        let received = value(&scraped, r#"loadtest_received_total{kind="message"}"#);
        if received.is_some_and(|received| 50.0 < received) {
            break scraped;
        }
        looks += 1;
        assert!(looks < 600, "{scraped}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(
        value(&scraped, "loadtest_connections "),
        Some(6.0),
        "{scraped}"
    );
    for process in ["0", "1"] {
        let series = format!(r#"loadtest_generator_cpu_seconds_total{{process="{process}"}}"#);
        assert!(value(&scraped, &series).is_some(), "{scraped}");
    }
    assert_eq!(
        value(&scraped, r#"loadtest_phase{phase="hold"}"#),
        Some(1.0),
        "{scraped}"
    );
    let children = children(child.id());
    assert_eq!(children.len(), 2);
    child.kill().unwrap();
    child.wait().unwrap();
    // Nobody listens to them any more, which they notice with the next second.
    let mut looks = 0;
    while children
        .iter()
        .any(|child| test_kill_process(*child).is_ok())
    {
        looks += 1;
        assert!(looks < 600, "the others go on");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_no_earlier_run_is_refused_before_anything_runs() {
    let output = Command::new(LOADTEST)
        .args([
            "idle",
            "--to",
            "127.0.0.1:1",
            "-n",
            "1",
            "--baseline",
            "/nowhere.json",
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("--baseline /nowhere.json"), "{told}");
    let figures: Result<Value, _> = serde_json::from_slice(&output.stdout);
    assert!(figures.is_err(), "nothing is told of a run that was none");
}
