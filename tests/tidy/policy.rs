//! What the project may depend on: the lists of `deny.toml`, held to without `cargo deny`, which `scripts/policy`
//! runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use serde_json::Value;

use crate::{assert_none, source::root};

/// Where crates come from. Ours come from nowhere.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_licence_is_allowed_and_every_allowed_one_is_needed() {
    let policy = policy();
    let allowed = texts(&policy["licenses"]["allow"], None);
    let refused: Vec<String> = packages()
        .into_iter()
        .filter(|package| !allows(&package.licence, &|one| allowed.contains(one)))
        .map(|package| format!("{}: {}", package.name, package.licence))
        .collect();
    assert_none(&refused);
    let unused = allowed.iter().filter(|licence| {
        let mut packages = packages().into_iter();
        let is_other = |one: &str| one != licence.as_str() && allowed.contains(one);
        packages.all(|package| allows(&package.licence, &is_other))
    });
    assert_none(&unused.collect::<Vec<_>>());
}

#[test]
fn crates_come_from_one_registry() {
    let found = packages().into_iter().filter(|package| {
        let is_ours = ["tidegate", "loadtest"].contains(&package.name.as_str());
        package.source.as_deref() != (!is_ours).then_some(REGISTRY)
    });
    let found = found.map(|package| format!("{}: {:?}", package.name, package.source));
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn no_crate_is_banned() {
    let policy = policy();
    let banned = texts(&policy["bans"]["deny"], Some("crate"));
    assert!(banned.contains("ring"), "{banned:?}");
    let found = packages()
        .into_iter()
        .filter(|package| banned.contains(&package.name));
    assert_none(&found.map(|package| package.name).collect::<Vec<_>>());
}

#[test]
fn no_crate_is_there_twice_but_those_that_are_listed() {
    let policy = policy();
    let listed = texts(&policy["bans"]["skip"], Some("crate"));
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages() {
        let id = format!("{}@{}", package.name, package.version);
        versions.entry(package.name).or_default().push(id);
    }
    let several: BTreeMap<_, _> = versions
        .into_iter()
        .filter(|(_, ids)| 1 < ids.len())
        .collect();
    let in_doubt = several.values().filter(|ids| {
        let open = ids.iter().filter(|id| !listed.contains(*id)).count();
        1 < open
    });
    assert_none(&in_doubt.collect::<Vec<_>>());
    let known: BTreeSet<_> = several.values().flatten().collect();
    let needless = listed.iter().filter(|id| !known.contains(id));
    assert_none(&needless.collect::<Vec<_>>());
}

#[test]
fn an_expression_of_licences_is_read_as_it_is_meant() {
    let is_mine = |one: &str| ["A", "B"].contains(&one);
    for (expression, expect) in [
        ("A", true),
        ("C", false),
        ("A OR C", true),
        ("C/A", true),
        ("A AND C", false),
        ("A AND C OR B", true),
        ("(A OR C) AND (C OR B)", true),
        ("A AND (C OR D)", false),
        ("A WITH exception", false),
        ("A WITH exception OR B", true),
        ("", false),
    ] {
        assert_eq!(allows(expression, &is_mine), expect, "{expression}");
    }
}

struct Package {
    name: String,
    version: String,
    licence: String,
    source: Option<String>,
}

/// Everything that the workspace is built of on this platform, its tests included.
fn packages() -> Vec<Package> {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let about = String::from_utf8(rustc.stdout).unwrap();
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.unwrap();
    // The metadata have crates too that no feature calls for; the tree has no licences.
    let form = [
        "--workspace",
        "--prefix=none",
        "--format={p}",
        "--target",
        host,
    ];
    let tree = cargo("tree", &form);
    let is_built: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.trim_start_matches('v')))
        })
        .collect();
    let metadata = cargo(
        "metadata",
        &["--format-version=1", "--filter-platform", host],
    );
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let package = |package: &Value| Package {
        name: text(&package["name"]).unwrap(),
        version: text(&package["version"]).unwrap(),
        licence: text(&package["license"]).unwrap_or_default(),
        source: text(&package["source"]),
    };
    let mut packages: Vec<Package> = packages.iter().map(package).collect();
    packages.retain(|package| is_built.contains(&(&package.name, &package.version)));
    assert_eq!(packages.len(), is_built.len());
    packages
}

/// What a command of cargo says, which changes nothing and fetches nothing.
fn cargo(command: &str, arguments: &[&str]) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([command, "--locked", "--offline"]);
    let output = cargo.args(arguments).current_dir(root()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn policy() -> toml::Table {
    let text = fs::read_to_string(root().join("deny.toml")).unwrap();
    text.parse().unwrap()
}

/// The texts of a list, or those under `key` of its tables.
fn texts(list: &toml::Value, key: Option<&str>) -> BTreeSet<String> {
    let list = list.as_array().unwrap().iter();
    let list = list.map(|one| key.map_or(one, |key| &one[key]));
    list.map(|one| one.as_str().unwrap().to_owned()).collect()
}

/// Whether a licence expression (SPDX) can be met with licences that `is_allowed`.
fn allows(expression: &str, is_allowed: &impl Fn(&str) -> bool) -> bool {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    any(&mut words.as_slice(), is_allowed)
}

/// Alternatives, up to the end or a closing parenthesis.
fn any(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> bool {
    let mut is_met = all(words, is_allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        is_met |= all(words, is_allowed);
    }
    is_met
}

/// What has to be met together.
fn all(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> bool {
    let mut is_met = one(words, is_allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        is_met &= one(words, is_allowed);
    }
    is_met
}

/// One licence, with an exception that nobody has allowed or without, or what stands in parentheses.
fn one(words: &mut &[&str], is_allowed: &impl Fn(&str) -> bool) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let is_met = any(words, is_allowed);
            *words = words.get(1..).unwrap_or_default();
            is_met
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            is_allowed(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *words = rest;
            is_allowed(licence)
        }
        [] => false,
    }
}
