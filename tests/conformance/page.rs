//! `docs/CONFORMANCE.md`, made of the verdicts.

use std::fmt::Write as _;

use super::verdicts::Verdict;

/// Sections of the suite.
const SECTIONS: [(u32, &str); 9] = [
    (1, "Framing"),
    (2, "Pings and pongs"),
    (3, "Reserved bits"),
    (4, "Opcodes"),
    (5, "Fragmentation"),
    (6, "UTF-8"),
    (7, "Closing"),
    (9, "Large messages, up to 16 MiB"),
    (10, "Other"),
];
const BEHAVIOURS: [&str; 3] = ["OK", "NON-STRICT", "INFORMATIONAL"];

const HEAD: &str = "\
# Conformance

Verdicts of the Autobahn test suite (autobahntestsuite 25.10.1, `wstest -m fuzzingclient`) about a node of ours that
echoes every message. `tests/conformance` runs it with every test run, and fails when a case is missing, when a verdict
is another one than here, or when this page says something else than it found. Sections 12 and 13 are about compression
(permessage-deflate), which tidegate does not offer.

    scripts/test                                          # installs the suite and runs all tests
    cargo test --test conformance                         # again, this test alone
    TG_BLESS=1 cargo test --test conformance        # writes this page

";

pub(crate) fn render(verdicts: &[Verdict], not_plainly_ok: &[(&str, &str, &str)]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(page, "| section | cases | {} |", BEHAVIOURS.join(" | "));
    let _ = writeln!(page, "| --- |{}", " ---: |".repeat(1 + BEHAVIOURS.len()));
    for (section, name) in SECTIONS {
        row(
            &mut page,
            &format!("{section} {name}"),
            verdicts,
            |verdict| verdict.section() == section,
        );
    }
    row(&mut page, "all", verdicts, |_| true);
    page.push_str("\nNot plainly OK:\n\n| case | verdict | why |\n| --- | --- | --- |\n");
    for (case, behaviour, reason) in not_plainly_ok {
        let _ = writeln!(page, "| {case} | {behaviour} | {reason} |");
    }
    page
}

fn row(page: &mut String, name: &str, verdicts: &[Verdict], belongs: impl Fn(&Verdict) -> bool) {
    let of: Vec<_> = verdicts.iter().filter(|verdict| belongs(verdict)).collect();
    let _ = write!(page, "| {name} | {} |", of.len());
    for behaviour in BEHAVIOURS {
        let count = of.iter().filter(|verdict| verdict.behaviour == behaviour);
        let _ = write!(page, " {} |", count.count());
    }
    page.push('\n');
}
