//! The scenario `live` against a real node, small.

use crate::node::Node;

#[test]
fn every_phone_hears_what_one_says_in_any_number_of_processes() {
    let node = Node::start("live");
    // Each run in a room of its own.
    for (processes, code) in [("1", "alone"), ("2", "shared"), ("3", "split")] {
        // Slow enough that processes which begin to measure a moment apart differ by few words.
        let load = ["-n", "11", "--walls", "2", "--rate", "20", "--secs", "2"];
        let run = ["--processes", processes, "--code", code];
        let (output, figures) = node.run("live", &[&load[..], &run].concat());
        assert!(output.status.success(), "{output:?}");
        let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
        let number = |field: &str| figures[field].as_u64().unwrap();
        assert_eq!((number("phones"), number("walls")), (9, 2));
        assert!((25..=50).contains(&number("said")), "{figures}");
        assert_eq!((number("refused"), number("unheard")), (0, 0), "{figures}");
        assert_eq!(figures["valid"], true, "{figures}");
        // Every word that was said while it was measured is shown to two walls, and heard by nine phones.
        let count = |latency: &str| figures[latency]["count"].as_u64().unwrap();
        let words = count("say_to_last_phone");
        assert!(words.abs_diff(number("said")) <= 2, "{figures}");
        // But for one that is due when measuring has begun in some processes only.
        assert!(count("say_to_wall").abs_diff(2 * words) <= 2, "{figures}");
        let approved = 9 * number("approved");
        let heard = count("approval_to_phone");
        assert!(heard.abs_diff(approved) <= 18, "{figures}");
        assert_eq!(count("approval_to_last_phone"), words);
        let most = |latency: &str| figures[latency]["max_ms"].as_f64().unwrap();
        assert!(most("approval_to_last_phone") <= most("say_to_last_phone"));
    }
}
