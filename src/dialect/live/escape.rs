//! Escaping of `& < > "` in the texts of a JSON value.
//!
//! **Invariant:** what was JSON is JSON afterwards, with the same keys, numbers and shape.

use std::borrow::Cow;

/// What has to be escaped, as it is in a text.
fn entity(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        _ => None,
    }
}

/// A plain text, escaped.
pub fn escaped_text(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| entity(c).is_some()) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match entity(character) {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// A JSON value with its texts escaped, the keys of objects aside. What is no JSON comes back as some
/// text or other. At most six times as long.
pub fn escaped(json: &str) -> Cow<'_, str> {
    let mut copy = Copy {
        json,
        done: 0,
        copied: String::new(),
    };
    let mut at = 0;
    while let Some(quote) = find(json, at, b'"') {
        let begin = quote + 1;
        let end = end_of_text(json.as_bytes(), begin);
        if !is_key(json.as_bytes(), end + 1) {
            copy.text(begin, end);
        }
        at = end + 1;
    }
    copy.finish()
}

/// What is copied of a JSON value, up to the first change nothing.
struct Copy<'a> {
    json: &'a str,
    /// Up to where it is copied.
    done: usize,
    copied: String,
}

impl<'a> Copy<'a> {
    /// Looks through a text that stands between two quotes.
    fn text(&mut self, begin: usize, end: usize) {
        let bytes = self.json.as_bytes();
        let mut at = begin;
        while at < end {
            let (length, character) = match bytes[at] {
                b'\\' => escape(&self.json[at..end]),
                byte => (1, char::from(byte)),
            };
            if let Some(entity) = entity(character) {
                self.copied.push_str(&self.json[self.done..at]);
                self.copied.push_str(entity);
                self.done = at + length;
            }
            at += length;
        }
    }

    fn finish(mut self) -> Cow<'a, str> {
        if self.done == 0 {
            return Cow::Borrowed(self.json);
        }
        self.copied.push_str(&self.json[self.done..]);
        Cow::Owned(self.copied)
    }
}

/// How many bytes of a text that begins with a backslash belong to it, and what they stand for as far as
/// that matters.
fn escape(text: &str) -> (usize, char) {
    match text.as_bytes().get(1) {
        Some(b'"') => (2, '"'),
        Some(b'u') => {
            let digits = text.get(2..6).unwrap_or_default();
            let code = u32::from_str_radix(digits, 16).ok();
            let character = code.and_then(char::from_u32).unwrap_or('?');
            (if digits.is_empty() { 1 } else { 6 }, character)
        }
        // What follows is a part of it, a backslash too.
        Some(byte) if byte.is_ascii() => (2, '?'),
        _ => (1, '?'),
    }
}

fn find(text: &str, from: usize, byte: u8) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    Some(from + rest.iter().position(|other| *other == byte)?)
}

/// Where the quote stands that ends a text, or the end of everything.
fn end_of_text(bytes: &[u8], begin: usize) -> usize {
    let mut at = begin;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Whether the text that ends before `after` is the key of a field: nothing else is followed by a colon.
fn is_key(bytes: &[u8], after: usize) -> bool {
    let rest = bytes.get(after..).unwrap_or_default();
    rest.trim_ascii_start().first() == Some(&b':')
}
