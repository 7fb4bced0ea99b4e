//! Every key that is a secret, by the list of keys: one that is new is missing in the text below, and fails here.

use super::super::{reference::Keys, *};
use crate::config::{
    diff::record,
    rsa::{BITS, PemPair, PrivateKey},
    visit::{Sections, Setting},
};

/// Each secret is written as `key<kind>`.
const TEXT: &str = r#"
[cluster]
redis<redis>
node = "gw-1"
[store]
url<mysql>
[[api.keys]]
key<word>
scopes = ["read"]
[backend.connect]
url = "http://h/"
secret<word>
[backend.subscribe]
url = "http://h/"
secret<word>
[[backend.methods]]
prefix = "shop."
url = "http://h/"
secret<word>
[[backend.hooks]]
events = ["session.opened"]
url = "http://h/"
secret<word>
[[backend.jobs]]
kind = "ocr"
url = "http://h/"
secret<word>
[dialect.ride]
tokens = "any"
realm = "ride"
backends<table>
[[dialect.ride.keys]]
alg = "HS256"
secret<word>
[[dialect.ride.keys]]
alg = "RS256"
public_key<public>
[dialect.ride.hook]
url = "http://h/"
secret<word>
[dialect.device]
private_key<private>
[[dialect.device.keys]]
alg = "HS256"
secret<word>
[[dialect.device.keys]]
alg = "RS256"
public_key<public>
[dialect.device.hook]
url = "http://h/"
secret<word>
[dialect.im]
private_key<private>
[dialect.im.hook]
url = "http://h/"
secret<word>
[dialect.im.orders.hook]
url = "http://h/"
secret<word>
[[dialect.room.keys]]
alg = "HS256"
secret<word>
[[dialect.room.keys]]
alg = "RS256"
public_key<public>
[dialect.room.hook]
url = "http://h/"
secret<word>
[dialect.live]
key<word>
[[dialect.live.keys]]
alg = "HS256"
secret<word>
[[dialect.live.keys]]
alg = "RS256"
public_key<public>
"#;

/// A good value of each kind, with a mark in it where it can have one.
struct Values(Vec<(&'static str, String)>);

impl Values {
    fn new(mark: &str, pair: &PemPair) -> Self {
        let table = format!("{{ backend = \"{mark}-0123456789abcdef\" }}");
        Self(vec![
            ("word", format!("{mark}-0123456789abcdef")),
            ("redis", format!("redis://:{mark}@h/0")),
            ("mysql", format!("mysql://u:{mark}@h/d")),
            ("table", table),
            ("public", pair.public.trim_end().to_owned()),
            ("private", pair.private.expose().trim_end().to_owned()),
        ])
    }

    /// The text with each secret written as `form` of its key and its kind says.
    fn fill(&self, form: impl Fn(&str, &'static str, &str) -> String) -> String {
        let line = |line: &str| {
            let Some((key, kind)) = line.split_once('<') else {
                return line.to_owned();
            };
            let known = |(name, _): &&(&str, String)| Some(*name) == kind.strip_suffix('>');
            let (kind, value) = self.0.iter().find(known).unwrap();
            form(key, kind, value)
        };
        let lines: Vec<String> = TEXT.lines().map(line).collect();
        lines.join("\n")
    }

    /// The secrets themselves.
    fn inline(&self) -> String {
        self.fill(|key, kind, value| match kind {
            "table" => format!("{key} = {value}"),
            _ => format!("{key} = '''{value}'''"),
        })
    }

    fn files(&self) -> Vec<(&'static str, TestFile)> {
        let file = |(kind, value): &(&'static str, String)| (*kind, TestFile::new(value));
        self.0.iter().map(file).collect()
    }
}

/// The visitor that tells which secrets are given, and what they are.
#[derive(Default)]
struct Given {
    path: String,
    found: BTreeMap<String, String>,
}

impl Given {
    fn go_below(&mut self, key: &str, section: &mut dyn Section) {
        let length = self.path.len();
        self.path.push_str(key);
        section.visit(self);
        self.path.truncate(length);
    }
}

impl Visitor for Given {
    fn setting(&mut self, _: &'static str, _: &mut dyn Setting) {}

    fn required(&mut self, _: &'static str, _: &mut dyn Setting) {}

    fn secret(&mut self, key: &'static str, setting: &mut dyn Setting) {
        let fingerprint = setting.fingerprint();
        if !fingerprint.is_empty() {
            self.found
                .insert(format!("{}{key}", self.path), fingerprint);
        }
    }

    fn required_secret(&mut self, key: &'static str, setting: &mut dyn Setting) {
        self.secret(key, setting);
    }

    fn section(&mut self, key: &'static str, section: &mut dyn Section) {
        self.go_below(&format!("{key}."), section);
    }

    fn sections(&mut self, key: &'static str, sections: &mut dyn Sections) {
        let is_list = 1 < sections.count_max();
        let mark = if is_list { "[]." } else { "." };
        for index in 0..sections.count() {
            self.go_below(&format!("{key}{mark}"), sections.at(index));
        }
    }
}

fn read(text: &str, environment: &[(&str, &str)]) -> Config {
    Config::from_source(&source(text, environment), &GENERATED).unwrap()
}

fn given(config: &Config) -> BTreeMap<String, String> {
    let mut given = Given::default();
    config.clone().visit(&mut given);
    given.found
}

fn pair() -> PemPair {
    PrivateKey::make(BITS).unwrap().to_pem().unwrap()
}

#[test]
fn every_secret_can_be_a_file() {
    let values = Values::new("hunter2", &pair());
    let inline = read(&values.inline(), &[]);
    let mut keys = Keys::default();
    Config::default().visit(&mut keys);
    let secrets = keys.secrets();
    assert_eq!(given(&inline).into_keys().collect::<Vec<_>>(), secrets);
    let files = values.files();
    let from_files = values.fill(|key, kind, _| {
        let (_, file) = files.iter().find(|(name, _)| *name == kind).unwrap();
        format!("{key}_file = {:?}", file.path())
    });
    let from_files = read(&from_files, &[]);
    assert_eq!(record(&from_files), record(&inline));
    let shown = format!("{from_files:?} {inline:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("-----"));
}

#[test]
fn every_secret_that_is_in_no_list_can_come_from_the_environment_and_be_a_file_there() {
    let base = Values::new("hunter2", &pair()).inline();
    let others = Values::new("hunter3", &pair());
    let before = read(&base, &[]);
    for key in given(&before).into_keys().filter(|key| !key.contains('[')) {
        let leaf = key.rsplit('.').next().unwrap();
        let section = &key[..key.len() - leaf.len()].trim_end_matches('.');
        let kind = kind(section, leaf);
        let (_, value) = others.0.iter().find(|(name, _)| *name == kind).unwrap();
        let name = format!("TIDEGATE_{}", key.replace('.', "__").to_uppercase());
        let changed = read(&base, &[(&name, value)]);
        let (old, new) = (given(&before), given(&changed));
        let differs = |key: &&String| old[*key] != new[*key];
        assert_eq!(old.keys().filter(differs).collect::<Vec<_>>(), [&key]);
        let file = TestFile::new(value);
        let from_file = read(&base, &[(&format!("{name}_FILE"), file.path())]);
        assert_eq!(record(&from_file), record(&changed), "{key}");
    }
}

/// The kind of a key in the text.
fn kind(section: &str, leaf: &str) -> &'static str {
    let (_, rest) = TEXT.split_once(&format!("[{section}]\n")).unwrap();
    let mut lines = rest.lines();
    let line = lines.find(|line| line.starts_with(&format!("{leaf}<")));
    let (_, kind) = line.unwrap().split_once('<').unwrap();
    kind.trim_end_matches('>')
}
