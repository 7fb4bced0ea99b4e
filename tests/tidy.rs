//! Checks the architecture itself: which module may name which, which dependency is at home where,
//! and what no file may contain.
//!
//! A boundary that only stands in a document is crossed within a month.

#![allow(clippy::unwrap_used)]

#[path = "tidy/policy.rs"]
mod policy;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/secrecy.rs"]
mod secrecy;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;

use std::{collections::BTreeSet, path::Path, process::Command};

use rules::{EXCEPTIONS, HOMES, IO, LAYERS, Layer, READS_THE_CLOCK};
use source::{File, files, paths, root, sources};
use text::{links, metrics, named, words};

/// Lines of one file, inline tests aside.
const LINES_MAX: usize = 400;

#[test]
fn every_module_has_a_layer_and_keeps_to_it() {
    let mut crossings = Vec::new();
    for file in sources(&["src"]) {
        if file.is_test() {
            continue;
        }
        let layer = layer(&file.path);
        let part = part(&file.path);
        for path in paths(&file.code()) {
            let Some(name) = path.strip_prefix("crate::") else {
                continue;
            };
            let other = target(name);
            let is_listed = EXCEPTIONS
                .iter()
                .any(|(from, to, _)| *from == part && is_within(name, to));
            let may = match layer {
                Layer::Vocabulary => other == Layer::Vocabulary,
                Layer::Core => matches!(other, Layer::Vocabulary | Layer::Core),
                Layer::Settings => other != Layer::Edge && other != Layer::Top,
                Layer::Edge => other != Layer::Edge && other != Layer::Top,
                Layer::Top => true,
            };
            if !may && !is_listed && !is_within(name, part) {
                crossings.push(format!(
                    "{} ({layer:?}) names {name} ({other:?})",
                    file.path
                ));
            }
        }
    }
    assert_none(&crossings);
}

#[test]
fn every_exception_is_needed() {
    let unused = EXCEPTIONS.iter().filter(|(part_of, name, _)| {
        let mut all = sources(&["src"]);
        all.retain(|file| part(&file.path) == *part_of);
        !all.iter().any(|file| {
            let paths = paths(&file.code());
            let mut names = paths.iter().filter_map(|path| path.strip_prefix("crate::"));
            names.any(|path| is_within(path, name))
        })
    });
    assert_none(&unused.collect::<Vec<_>>());
}

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    let found = product_paths("src", |file, path| {
        let pure = matches!(layer(&file.path), Layer::Vocabulary | Layer::Core);
        pure && file.path != READS_THE_CLOCK && IO.iter().any(|name| is_within(path, name))
    });
    assert_none(&found);
}

#[test]
fn every_dependency_has_one_home() {
    let found = product_paths("src", |file, path| {
        let home = HOMES.iter().find(|(name, _)| is_within(path, name));
        home.is_some_and(|(_, homes)| !homes.iter().any(|home| file.path.starts_with(home)))
    });
    assert_none(&found);
}

#[test]
fn tasks_have_owners_and_clocks_can_be_paused() {
    let found = product_paths("src", |_, path| {
        ["tokio::spawn", "tokio::task::spawn", "std::time::Instant"].contains(&path)
    });
    assert_none(&found);
}

#[test]
fn lints_are_not_silenced_where_they_protect_a_rule() {
    let silenced = ["disallowed_methods", "too_many_lines", "unwrap_used"];
    let found = sources(&["src"]).into_iter().filter_map(|file| {
        let code = file.code();
        let lint = silenced.iter().find(|lint| code.contains(**lint))?;
        Some(format!("{} silences {lint}", file.path))
    });
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn nothing_is_unsafe() {
    let found = sources(&["src", "loadtest", "tests", "benches"])
        .into_iter()
        .filter(|file| words(&file.code()).any(|word| word == "unsafe"));
    assert_none(&found.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn files_can_be_read_in_one_go() {
    let long = sources(&["src", "loadtest", "tests"])
        .into_iter()
        .filter(|file| !file.is_test() || file.path.starts_with("tests/"))
        .map(|file| (file.product().lines().count(), file.path))
        .filter(|(lines, _)| LINES_MAX < *lines);
    assert_none(&long.collect::<Vec<_>>());
}

#[test]
fn every_file_says_what_it_is() {
    let silent = sources(&["src", "loadtest", "tests", "benches"])
        .into_iter()
        // The module that is tested says it.
        .filter(|file| !file.is_test())
        .filter(|file| !file.text.starts_with("//!") && !file.text.starts_with("#![doc"));
    assert_none(&silent.map(|file| file.path).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[", "ignore"),
    ];
    let mut files = files(&[""]);
    // Hashes hold any letters.
    files.retain(|file| !file.path.ends_with("package-lock.json"));
    assert_none(&holding(&files, &marks));
}

#[test]
fn no_path_of_somebodys_machine_is_kept() {
    let places = [
        concat!("/var/", "tmp"),
        concat!("/ho", "me/"),
        concat!("/root", "/"),
        concat!("/Us", "ers/"),
    ];
    assert_none(&holding(&files(&[""]), &places));
}

#[test]
fn alerts_and_dashboards_name_metrics_that_exist() {
    let names = files(&["src/telemetry", "loadtest/src/prometheus"]);
    let known: BTreeSet<_> = names.iter().flat_map(|file| metrics(&file.text)).collect();
    let mut unknown = Vec::new();
    for file in files(&["deploy/prometheus", "grafana"]) {
        for metric in metrics(&file.text) {
            let suffixes = ["_bucket", "_count", "_sum"];
            let mut of_histogram = suffixes.iter().filter_map(|end| metric.strip_suffix(end));
            if !known.contains(metric) && !of_histogram.any(|metric| known.contains(metric)) {
                unknown.push(format!("{}: {metric}", file.path));
            }
        }
    }
    assert_none(&unknown);
}

#[test]
fn documents_link_to_what_exists() {
    let mut documents = files(&["docs", "deploy", "grafana", "loadtest", "tests"]);
    documents.extend(
        files(&[""])
            .into_iter()
            .filter(|file| !file.path.contains('/')),
    );
    documents.retain(|file| file.path.ends_with(".md"));
    let mut broken = BTreeSet::new();
    for document in &documents {
        let folder = Path::new(&document.path).parent().unwrap();
        for link in links(&document.text) {
            if !root().join(folder).join(link).exists() {
                broken.insert(format!("{}: {link}", document.path));
            }
        }
        if document.path == "README.md" {
            let gone = named(&document.text, "docs/", |c| {
                c.is_alphanumeric() || "/._-".contains(c)
            })
            .map(|path| path.trim_end_matches('.'))
            .filter(|path| !root().join(path).exists());
            broken.extend(gone.map(|path| format!("README.md: {path}")));
        }
    }
    assert_none(&Vec::from_iter(broken));
}

/// They stand in `.cargo/config.toml`, which a build from another folder or of a copy does not read.
#[test]
fn the_allocator_has_its_options() {
    let program = Command::new(env!("CARGO_BIN_EXE_tidegate"))
        .arg("--version")
        .env("_RJEM_MALLOC_CONF", "stats_print:true")
        .output();
    let statistics = String::from_utf8(program.unwrap().stderr).unwrap();
    for option in [
        "background_thread: true",
        "dirty_decay_ms: 500",
        "muzzy_decay_ms: 0",
    ] {
        assert!(
            statistics.contains(option),
            "{option} is not in it:\n{statistics}"
        );
    }
}

/// The layer of a file in `src`.
fn layer(path: &str) -> Layer {
    let inside = path.strip_prefix("src/").unwrap();
    let fits = |name: &str| match inside.strip_prefix(name) {
        Some(rest) => name.ends_with(".rs") || rest.starts_with(['/', '.']),
        None => false,
    };
    let found = LAYERS.iter().find(|(name, _)| fits(name));
    found
        .unwrap_or_else(|| panic!("{path} has no layer in tests/tidy.rs"))
        .1
}

/// The layer of what `crate::{name}` stands for: that of the file which holds it.
fn target(name: &str) -> Layer {
    let segments: Vec<_> = name.split("::").collect();
    let candidates = (1..=segments.len()).rev();
    let mut files = candidates.map(|count| format!("src/{}.rs", segments[..count].join("/")));
    let file = files.find(|file| root().join(file).is_file());
    layer(&file.unwrap_or_else(|| "src/lib.rs".to_owned()))
}

/// The module at the top of the crate that a file belongs to.
fn part(path: &str) -> &str {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').next().unwrap()
}

/// Whether `path` is `name` or inside it.
fn is_within(path: &str, name: &str) -> bool {
    let rest = path.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The paths that the product's code names and `wrong` finds wrong.
fn product_paths(folder: &str, wrong: impl Fn(&File, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for file in sources(&[folder]).iter().filter(|file| !file.is_test()) {
        let paths = paths(&file.code());
        let wrong = paths.iter().filter(|path| wrong(file, path));
        found.extend(wrong.map(|path| format!("{} names {path}", file.path)));
    }
    found
}

/// Files that hold one of `texts`.
fn holding(files: &[File], texts: &[&str]) -> Vec<String> {
    let pairs = files
        .iter()
        .flat_map(|file| texts.iter().map(move |text| (file, text)));
    let found = pairs.filter(|(file, text)| file.text.contains(**text));
    found
        .map(|(file, text)| format!("{}: {text}", file.path))
        .collect()
}

#[track_caller]
fn assert_none<T: std::fmt::Debug>(found: &[T]) {
    let lines: Vec<_> = found.iter().map(|one| format!("{one:?}")).collect();
    assert!(
        found.is_empty(),
        "{} found:\n{}",
        found.len(),
        lines.join("\n")
    );
}
