//! The files of the repository, and Rust sources as the rules see them: without comments, texts and
//! inline tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that nobody has written: what was built, found or checked out.
const NOT_OURS: [&str; 5] = [".git", "target", "corpus", "artifacts", "__pycache__"];

/// A file of the repository.
pub(crate) struct File {
    /// Its path from the top, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// Every text file below one of `folders`, which are paths from the top; `""` is the top.
pub(crate) fn files(folders: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut found);
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

/// Every Rust source below one of `folders`.
pub(crate) fn sources(folders: &[&str]) -> Vec<File> {
    let mut sources = files(folders);
    sources.retain(|file| file.path.ends_with(".rs"));
    sources
}

fn collect(folder: &Path, found: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !NOT_OURS.contains(&name.as_str()) {
                collect(&path, found);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root()).unwrap().to_string_lossy();
            found.push(File {
                path: path.into_owned(),
                text,
            });
        }
    }
}

// === impl File ===

impl File {
    /// Whether it has tests only.
    pub(crate) fn is_test(&self) -> bool {
        let name = self.path.trim_end_matches(".rs");
        name.ends_with("/tests") || name.ends_with("/testing") || self.path.contains("/tests/")
    }

    /// The text up to the inline tests.
    pub(crate) fn product(&self) -> &str {
        let end = self.text.find("#[cfg(test)]\nmod tests {");
        &self.text[..end.unwrap_or(self.text.len())]
    }

    /// The code up to the inline tests, with blanks for comments and for what stands in quotes.
    pub(crate) fn code(&self) -> String {
        let mut code = Vec::new();
        let mut rest = self.product().as_bytes();
        while let Some(&first) = rest.first() {
            let opaque = opaque(rest, code.last().copied());
            if opaque == 0 {
                code.push(first);
            } else {
                let lines = rest[..opaque].iter().filter(|byte| **byte == b'\n');
                code.push(b' ');
                code.extend(lines);
            }
            rest = &rest[opaque.max(1)..];
        }
        String::from_utf8(code).unwrap()
    }
}

/// Length of the comment or literal at the beginning of `text`, if there is one.
fn opaque(text: &[u8], before: Option<u8>) -> usize {
    let in_word = before.is_some_and(is_word);
    let until = |from: usize, end: &[u8]| {
        let found = text[from..]
            .windows(end.len())
            .position(|window| window == end);
        found.map_or(text.len(), |at| from + at + end.len())
    };
    match text {
        [b'/', b'/', ..] => until(2, b"\n") - 1,
        [b'/', b'*', ..] => until(2, b"*/"),
        [b'r', b'"' | b'#', ..] if !in_word => {
            let hashes = text[1..].iter().take_while(|byte| **byte == b'#').count();
            match text.get(1 + hashes) {
                Some(b'"') => {
                    let end = [b"\"".as_slice(), &text[1..=hashes]].concat();
                    until(2 + hashes, &end)
                }
                _ => 0,
            }
        }
        [b'"', ..] => quoted(text, b'"'),
        [b'\'', b'\\', ..] => quoted(text, b'\''),
        // A lifetime has no quote behind its first character.
        [b'\'', next, ..] => {
            let width = if *next < 0x80 {
                1
            } else {
                next.leading_ones() as usize
            };
            match text.get(1 + width) {
                Some(b'\'') => 2 + width,
                _ => 0,
            }
        }
        _ => 0,
    }
}

/// Length of what begins and ends with `quote`, in which a backslash hides the next byte.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != quote {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(text.len())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Every path with `::` in `code`, one for each leaf where braces gather several:
/// `a::{b, c::d}` is `a::b` and `a::c::d`.
pub(crate) fn paths(code: &str) -> Vec<String> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let begins = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]));
        let continues = code[..at].trim_end().ends_with("::");
        if begins && !continues {
            at += tree(&code[at..], "", &mut found).max(1);
        } else {
            at += 1;
        }
    }
    found.retain(|path| path.contains("::"));
    found
}

/// Reads one path at the beginning of `text`; gives its length.
fn tree(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
    let word = text.bytes().take_while(|byte| is_word(*byte)).count();
    let path = format!("{prefix}{}", &text[..word]);
    let Some(after) = text[word..].strip_prefix("::") else {
        found.push(path);
        return word;
    };
    let prefix = format!("{path}::");
    let mut at = word + 2;
    if !after.starts_with('{') {
        return match after.bytes().next() {
            Some(byte) if is_word(byte) => at + tree(after, &prefix, found),
            // `<T>`, `*` or the like.
            _ => {
                found.push(prefix);
                at
            }
        };
    }
    at += 1;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'}' => return at + 1,
            byte if is_word(*byte) => {
                at += tree(&text[at..], &prefix, found);
                // `as name` is no leaf of its own.
                if let Some(renamed) = text[at..].strip_prefix(" as ") {
                    at += 4 + renamed.bytes().take_while(|byte| is_word(*byte)).count();
                }
            }
            _ => at += 1,
        }
    }
    at
}
