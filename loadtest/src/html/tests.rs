use proptest::prelude::*;

use super::*;
use crate::meter::{Phase, Sample, Tally};
use crate::process::{Reading, Role};

fn points(seconds: usize) -> Vec<Point> {
    let point = |second: usize| {
        let mut tally = Tally {
            received: 1_000 + second as u64,
            ..Tally::default()
        };
        tally.latency.record(std::time::Duration::from_micros(500));
        let sample = Sample {
            phase: if second < 3 {
                Phase::Warmup
            } else {
                Phase::Hold
            },
            at: second as f64 + 1.0,
            seconds: 1.0,
            kinds: [("a<b>".to_owned(), tally.clone()), ("b".to_owned(), tally)].into(),
            errors: [("odd & \"bad\"".to_owned(), 1)].into(),
            generators: [(0, 0.5)].into(),
            processes: vec![Reading {
                pid: 1,
                name: "<node>".to_owned(),
                role: Role::Server,
                cpu_seconds: Some(0.5),
                resident_bytes: Some(5_000_000),
            }],
            ..Sample::default()
        };
        Point::from(&sample)
    };
    (0..seconds).map(point).collect()
}

fn page(points: &[Point], earlier: Option<Earlier<'_>>) -> String {
    let mut table = Table::default();
    table.row("a name", "<value>");
    let page = Page {
        scenario: "echo",
        command: "loadtest echo --message '<x>&'",
        objection: Some("it is \"not\" valid"),
        tiles: &[("per second".to_owned(), "1,000".to_owned())],
        table: &table,
        points,
        earlier,
    };
    page.render()
}

/// Every element that is opened is closed, in order.
fn check_nesting(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("<{tag}"));
        let name = tag.split([' ', '\n']).next().unwrap();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}>");
        } else if !tag.ends_with('/') && !["!DOCTYPE", "meta"].contains(&name) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_page_needs_nothing_but_itself_and_holds_every_chart() {
    let points = points(20);
    let page = page(&points, None);
    check_nesting(&page);
    for title in [
        "Latency",
        "Messages",
        "Latency by kind",
        "CPU",
        "Memory",
        "Connections",
        "Errors",
    ] {
        assert!(page.contains(&format!("<b>{title}</b>")), "{title}");
    }
    for other in ["http:", "https:", "src=", "href=", "@import", "url("] {
        assert!(!page.contains(other), "{other}");
    }
    assert!(page.contains("&lt;node&gt;") && !page.contains("<node>"));
    assert!(page.contains("a&lt;b&gt;") && page.contains("odd &amp; &quot;bad&quot;"));
    assert!(page.contains("&#39;&lt;x&gt;&amp;&#39;"));
    assert!(!page.contains("earlier\""), "there was none");
}

#[test]
fn an_earlier_run_is_drawn_behind_and_told_beside() {
    let comparison = Comparison {
        figure: "messages_per_second".to_owned(),
        earlier: 1_000.0,
        now: 1_500.0,
        ratio: Some(1.5),
        verdict: Verdict::Better,
    };
    let before = points(30);
    let earlier = Earlier {
        name: "old<er>.json",
        points: &before,
        comparisons: &[comparison],
        notes: &["rate was 1 then, and is 2 now".to_owned()],
    };
    let page = page(&points(20), Some(earlier));
    check_nesting(&page);
    assert!(page.contains("old&lt;er&gt;.json"));
    assert!(
        page.contains("<td>1.500</td><td class=\"good\">better</td>"),
        "{page}"
    );
    assert!(page.contains("<path class=\"c0 earlier\""));
    assert!(page.contains("rate was 1 then"));
}

#[test]
fn a_long_run_makes_no_longer_page() {
    let (short, long) = (page(&points(300), None), page(&points(5_000), None));
    assert!(
        long.len() < short.len() * 3 / 2,
        "{} {}",
        short.len(),
        long.len()
    );
    check_nesting(&page(&[], None));
    check_nesting(&page(&points(1), None));
}

proptest! {
    #[test]
    fn whatever_is_escaped_is_text(text in any::<String>()) {
        let escaped = escape(&text);
        prop_assert!(!escaped.contains(['<', '>', '"', '\'']));
        let back = escaped
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&");
        let is_kept = |letter: &char| !matches!(letter, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffd}');
        let kept: String = text.chars().filter(is_kept).collect();
        prop_assert_eq!(back.replace('\u{fffd}', ""), kept);
    }
}
