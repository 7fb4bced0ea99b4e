use serde_json::json;

use super::*;

fn baseline(figures: Value) -> Baseline {
    Baseline {
        name: "earlier.json".to_owned(),
        figures,
        points: Vec::new(),
    }
}

fn compare(earlier: Value, now: &Value) -> Vec<(String, Option<f64>, Verdict)> {
    let comparisons = baseline(earlier).compare(now).into_iter();
    comparisons
        .map(|it| (it.figure, it.ratio, it.verdict))
        .collect()
}

#[test]
fn more_is_better_of_rates_and_less_of_costs() {
    let of = |rate: f64, p99: f64, memory: f64, lost: u64| {
        json!({
            "scenario": "echo", "connections": 5, "rate": null,
            "messages_per_second": rate,
            "messages_per_server_cpu_second": rate,
            "server_cpu_seconds_per_handshake": p99,
            "latency": {"count": 7, "p99_ms": p99},
            "bytes_per_connection": memory,
            "losses": {"reset": lost, "first": null},
            "timeline": [{"received_per_second": rate}],
            "valid": true,
        })
    };
    let found = compare(of(100.0, 10.0, 1_000.0, 0), &of(150.0, 20.0, 1_010.0, 2));
    let expected = [
        ("bytes_per_connection", Some(1.01), Verdict::Same),
        ("latency.p99_ms", Some(2.0), Verdict::Worse),
        ("losses.reset", None, Verdict::Worse),
        ("messages_per_second", Some(1.5), Verdict::Better),
        ("messages_per_server_cpu_second", Some(1.5), Verdict::Better),
        (
            "server_cpu_seconds_per_handshake",
            Some(2.0),
            Verdict::Worse,
        ),
    ];
    let expected = expected.map(|(name, ratio, verdict)| (name.to_owned(), ratio, verdict));
    assert_eq!(found, expected);
    let back = compare(of(150.0, 20.0, 1_010.0, 2), &of(100.0, 10.0, 1_000.0, 0));
    let verdicts: Vec<Verdict> = back.iter().map(|(_, _, verdict)| *verdict).collect();
    use Verdict::{Better, Same, Worse};
    assert_eq!(verdicts, [Same, Better, Better, Worse, Worse, Better]);
}

#[test]
fn figures_that_one_run_lacks_are_left_out() {
    let now = json!({"latency": null, "messages_per_second": 5, "new_per_second": 1});
    let earlier = json!({"latency": {"p99_ms": 1}, "messages_per_second": 5});
    let found = compare(earlier, &now);
    assert_eq!(
        found,
        [("messages_per_second".to_owned(), Some(1.0), Verdict::Same)]
    );
}

#[test]
fn what_was_asked_for_otherwise_is_told() {
    let earlier =
        json!({"connections": 5, "rate": 10.0, "valid": false, "invalid_reason": "saturated"});
    let now = json!({"connections": 6, "rate": 10.0, "valid": true});
    assert_eq!(
        baseline(earlier).notes(&now),
        [
            "connections was 5 then, and is 6 now",
            "the earlier run was not valid: saturated"
        ]
    );
}

#[test]
fn what_is_no_earlier_run_of_the_scenario_is_told_in_one_line() {
    let folder = std::env::temp_dir().join(format!("tidegate-baseline-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    for (text, said) in [
        ("", "EOF"),
        ("[]", "not what --json writes"),
        (r#"{"scenario":"idle"}"#, "a run of idle, not of echo"),
    ] {
        let file = folder.join("run.json");
        fs::write(&file, text).unwrap();
        let line = Baseline::read(&file, "echo").unwrap_err();
        assert!(line.contains(said) && !line.contains('\n'), "{line}");
    }
    let line = Baseline::read(&folder.join("none.json"), "echo").unwrap_err();
    assert!(line.contains("none.json"), "{line}");
    let file = folder.join("run.json");
    fs::write(&file, r#"{"scenario":"echo"}"#).unwrap();
    let baseline = Baseline::read(&file, "echo").unwrap();
    assert_eq!((baseline.name(), baseline.points().len()), ("run.json", 0));
    fs::remove_dir_all(folder).unwrap();
}
