//! What `docs/SECURITY.md` says of the source itself, and that the tests which it names exist.

use crate::{
    assert_none,
    source::{files, root, sources},
};

/// Where somebody's guess is compared with a secret, and the function that does it.
const COMPARISONS: [(&str, &str); 4] = [
    ("src/auth/api_key.rs", "fn find("),
    ("src/config/value.rs", "fn matches("),
    ("src/dialect/device/conversation.rs", "fn is_of("),
    ("src/dialect/ride/settings.rs", "fn equal("),
];

/// Types whose values are secrets, or known by one: they are not compared field by field.
const SECRET_TYPES: [(&str, &str); 4] = [
    ("src/auth/api_key.rs", "Key"),
    ("src/config/value.rs", "Secret"),
    ("src/dialect/device/conversation.rs", "TokenDigest"),
    ("src/dialect/ride/settings.rs", "Backend"),
];

#[test]
fn guesses_are_compared_in_constant_time() {
    for (path, function) in COMPARISONS {
        let code = code(path);
        let body = code.split_once(function).unwrap().1;
        let body = &body[..body.find("\n    }\n").unwrap_or(body.len())];
        assert!(body.contains(".ct_eq("), "{path}: {function}");
    }
    let mut found = Vec::new();
    for file in sources(&["src"]).iter().filter(|file| !file.is_test()) {
        let code = file.code();
        for statement in code.split([';', '{', '}']) {
            let compares = ["==", "!=", ".eq(", ".ne("];
            let is_compared = compares.iter().any(|sign| statement.contains(sign));
            if is_compared && statement.contains("expose()") {
                found.push(format!("{}: {}", file.path, statement.trim()));
            }
        }
    }
    for (path, name) in SECRET_TYPES {
        let code = code(path);
        let (before, _) = code.split_once(&format!("struct {name}")).unwrap();
        let (_, derived) = before.rsplit_once("#[derive(").unwrap();
        if derived.contains("PartialEq") {
            found.push(format!("{path}: {name} derives PartialEq"));
        }
    }
    assert_none(&found);
}

fn code(path: &str) -> String {
    let folder = path.rsplit_once('/').unwrap().0;
    let sources = sources(&[folder]);
    let file = sources.iter().find(|file| file.path == path);
    file.unwrap().code()
}

#[test]
fn nobody_is_known_by_a_cookie() {
    let mut readers = sources(&["src"]);
    readers.retain(|file| {
        let product = file.product();
        product.contains("COOKIE") || product.to_lowercase().contains("\"cookie")
    });
    assert_none(&readers.iter().map(|file| &file.path).collect::<Vec<_>>());
}

/// The rows of its last table: each names a file, and tests that are in it or below it.
#[test]
fn the_page_on_security_names_tests_that_exist() {
    let page = files(&["docs"]);
    let page = page.iter().find(|file| file.path == "docs/SECURITY.md");
    let (_, tests) = page
        .unwrap()
        .text
        .split_once("## Where it is tested")
        .unwrap();
    let mut missing = Vec::new();
    let mut count = 0;
    for row in tests.lines().filter(|line| line.starts_with("| ")).skip(2) {
        let cell = row.trim_end_matches('|').rsplit('|').next().unwrap();
        let mut names = cell.split('`').skip(1).step_by(2).peekable();
        let mut texts = String::new();
        if names.peek().is_none() {
            missing.push(format!("no test: {row}"));
        }
        for name in names {
            count += 1;
            if name.contains('/') {
                texts = text_of(name);
                if texts.is_empty() {
                    missing.push(name.to_owned());
                }
            } else if !texts.contains(&format!("fn {name}(")) {
                missing.push(format!("{name}: {row}"));
            }
        }
    }
    assert_none(&missing);
    assert!(20 < count, "the table is not where it was");
}

/// A source and what is below it.
fn text_of(path: &str) -> String {
    let below = path.trim_end_matches(".rs").to_owned() + "/";
    let folder = path.rsplit_once('/').map_or(path, |(folder, _)| folder);
    assert!(root().join(folder).is_dir(), "{folder}");
    let files = sources(&[folder]).into_iter();
    let files = files.filter(|file| file.path == path || file.path.starts_with(&below));
    files.map(|file| file.text).collect()
}
