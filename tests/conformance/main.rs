//! The framing of the gateway, judged by the public WebSocket conformance suite (Autobahn).
//!
//! A node of this process echoes what the suite sends to it, through the listener, the reader, the
//! outbox and the flusher that every dialect uses. `docs/CONFORMANCE.md` keeps the verdicts; the test
//! fails when a case is missing, when a verdict is worse than listed, and when that page differs.

#![allow(clippy::unwrap_used)]

mod node;
mod page;
mod suite;
mod verdicts;

use std::{fs, path::Path};

/// Number of cases of the suite's version that were asked for: one that vanished is no success.
const CASES: usize = 301;

/// Cases that the suite does not judge plainly OK, each with the reason why that is right.
const NOT_PLAINLY_OK: [(&str, &str, &str); 3] = [
    (
        "7.1.6",
        "INFORMATIONAL",
        "256 KiB, a Close and a Ping at once: the standard leaves open how much is still echoed",
    ),
    (
        "7.13.1",
        "INFORMATIONAL",
        "a close code above 4999, of which the standard says nothing",
    ),
    (
        "7.13.2",
        "INFORMATIONAL",
        "a close code above 4999, of which the standard says nothing",
    ),
];

/// Set to write the page anew instead of comparing it.
const BLESS: &str = "TG_BLESS";

#[test]
fn the_suite_finds_nothing_that_is_not_listed() {
    let suite = suite::Suite::find().unwrap_or_else(|missing| panic!("{missing}"));
    let reports = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    node::serve(|address| suite.run(address, &reports)).unwrap_or_else(|error| panic!("{error}"));
    let verdicts = verdicts::read(&reports.join("index.json"));

    let unexpected: Vec<_> = verdicts
        .iter()
        .filter(|verdict| !is_expected(verdict))
        .map(|verdict| format!("{verdict:?}"))
        .collect();
    assert!(
        unexpected.is_empty(),
        "not listed as such (reports in {}):\n{}",
        reports.display(),
        unexpected.join("\n")
    );
    assert_eq!(verdicts.len(), CASES, "every case has run");
    let judged = |case: &str| verdicts.iter().find(|verdict| verdict.case == case);
    for (case, behaviour, _) in NOT_PLAINLY_OK {
        let now = judged(case).map(|verdict| verdict.behaviour.as_str());
        assert_eq!(now, Some(behaviour), "the list knows {case} otherwise");
    }
    compare(&page::render(&verdicts, &NOT_PLAINLY_OK));
}

fn is_expected(verdict: &verdicts::Verdict) -> bool {
    let listed = NOT_PLAINLY_OK
        .iter()
        .find(|(case, ..)| verdict.case == *case)
        .map_or("OK", |(_, behaviour, _)| behaviour);
    verdict.behaviour == listed && ["OK", "INFORMATIONAL"].contains(&verdict.at_close.as_str())
}

fn compare(page: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFORMANCE.md");
    if std::env::var_os(BLESS).is_some() {
        fs::write(&path, page).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/CONFORMANCE.md is out of date; `{BLESS}=1 cargo test --test conformance` writes it"
    );
}
