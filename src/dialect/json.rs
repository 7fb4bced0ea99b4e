//! JSON as the dialects need it: objects whose keys are looked up and whose values are passed on as
//! they came.
//!
//! Keys and values stay slices of the client's text: checked, but not built. A relayed object costs
//! one pass over its bytes and no tree, and nesting, however deep, costs no stack.
//!
//! **Invariant:** [`Object::find`] never answers for a key that stands twice, since the next reader
//! of the same text may believe the other one.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON text, as far as a dialect wants to know.
#[derive(Clone, Debug)]
pub enum Json<'a> {
    /// An object.
    Object(Object<'a>),
    /// The value `null`.
    Null,
    /// An array, a string, a number, `true` or `false`.
    Other,
}

/// The fields of an object in their order, as slices of its text.
#[derive(Clone, Debug)]
pub struct Object<'a>(Vec<(&'a RawValue, &'a RawValue)>);

/// A key stands twice, so that its value is in doubt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key stands twice")]
pub struct Twice;

/// Writes one object, in the order of the calls, without blank space and with non-ASCII raw.
#[derive(Debug)]
pub struct ObjectWriter(Vec<u8>);

/// Reads a whole text as one JSON value. `None`: it is not JSON.
pub fn parse(text: &str) -> Option<Json<'_>> {
    let value = text.trim_ascii_start();
    if value.starts_with('{') {
        return serde_json::from_str(text).ok().map(Json::Object);
    }
    serde_json::from_str::<&RawValue>(text).ok()?;
    if value.starts_with('n') {
        return Some(Json::Null);
    }
    Some(Json::Other)
}

/// The text of a JSON string, decoded. `None`: it is no string, or one with half a surrogate pair.
pub fn string<'a>(value: &'a RawValue) -> Option<Cow<'a, str>> {
    let quoted = value.get();
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str::<String>(quoted).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// The text under a key of an object, unless it is empty or in doubt.
pub fn text_at<'a>(text: &'a str, key: &str) -> Option<Cow<'a, str>> {
    let Json::Object(object) = parse(text)? else {
        return None;
    };
    let value = object.find(key).ok()??;
    string(value).filter(|text| !text.is_empty())
}

/// The text of an id, which some clients write as a string and others as a number.
pub fn id<'a>(value: &'a RawValue) -> Option<Cow<'a, str>> {
    match value.get().as_bytes()[0] {
        b'"' => string(value),
        b'-' | b'0'..=b'9' => Some(Cow::Borrowed(value.get())),
        _ => None,
    }
}

// === impl Object ===

impl<'a> Object<'a> {
    /// The value of `key`, if it stands there.
    ///
    /// # Errors
    ///
    /// The key stands more than once.
    pub fn find(&self, key: &str) -> Result<Option<&'a RawValue>, Twice> {
        let mut values = self.values(key);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Twice),
        }
    }

    /// The last value of `key`: what most parsers take when it stands more than once.
    pub fn last(&self, key: &str) -> Option<&'a RawValue> {
        self.values(key).last()
    }

    /// Every field, with its key as it stands in the text, quoted.
    pub fn fields(&self) -> impl Iterator<Item = (&'a RawValue, &'a RawValue)> + '_ {
        self.0.iter().copied()
    }

    /// Whether it is `{}`.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn values(&self, key: &str) -> impl Iterator<Item = &'a RawValue> {
        self.0
            .iter()
            .filter(move |(name, _)| is_key(name, key))
            .map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;

        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }

        deserializer.deserialize_map(Fields).map(Self)
    }
}

/// Whether the quoted `name` spells `key`, with or without escapes.
pub fn is_key(name: &RawValue, key: &str) -> bool {
    string(name).is_some_and(|name| name == key)
}

// === impl ObjectWriter ===

impl Default for ObjectWriter {
    fn default() -> Self {
        Self::new()
    }
}

impl ObjectWriter {
    /// An object without fields.
    pub fn new() -> Self {
        let mut text = Vec::with_capacity(128);
        text.push(b'{');
        Self(text)
    }

    /// Adds a string.
    pub fn text(mut self, key: &str, value: &str) -> Self {
        self.key(key);
        self.quoted(value);
        self
    }

    /// Adds a number.
    pub fn number(self, key: &str, value: u64) -> Self {
        self.raw(key, value.to_string().as_bytes())
    }

    /// Adds a value that is JSON already; one without any bytes becomes `null`.
    pub fn raw(mut self, key: &str, json: &[u8]) -> Self {
        self.key(key);
        self.0
            .extend_from_slice(if json.is_empty() { b"null" } else { json });
        self
    }

    /// Adds a field of another object as it came.
    pub fn field(mut self, name: &RawValue, value: &RawValue) -> Self {
        self.separator();
        self.0.extend_from_slice(name.get().as_bytes());
        self.0.push(b':');
        self.0.extend_from_slice(value.get().as_bytes());
        self
    }

    /// The finished text.
    pub fn finish(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    fn key(&mut self, key: &str) {
        self.separator();
        self.quoted(key);
        self.0.push(b':');
    }

    fn separator(&mut self) {
        if 1 < self.0.len() {
            self.0.push(b',');
        }
    }

    fn quoted(&mut self, text: &str) {
        serde_json::to_writer(&mut self.0, text).expect("memory takes every write");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn object(text: &str) -> Object<'_> {
        match parse(text) {
            Some(Json::Object(object)) => object,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(text: &str, expect: &str) {
        let found = match parse(text) {
            Some(Json::Object(object)) => format!("{} fields", object.0.len()),
            Some(Json::Null) => "null".to_owned(),
            Some(Json::Other) => "other".to_owned(),
            None => "no JSON".to_owned(),
        };
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn a_text_is_an_object_null_another_value_or_no_json() {
        check(r#" {"a":1,"b":[2]} "#, "2 fields");
        check("{}", "0 fields");
        check(" null\n", "null");
        check("[1]", "other");
        check(r#""x""#, "other");
        check("5", "other");
        check("true", "other");
        check("", "no JSON");
        check("nul", "no JSON");
        check("{a:1}", "no JSON");
        check(r#"{"a":1,}"#, "no JSON");
        check("{\"a\":\"\n\"}", "no JSON");
        check("\u{feff}{}", "no JSON");
    }

    #[test]
    fn what_follows_the_value_makes_it_no_json() {
        check("{} {}", "no JSON");
        check("{}x", "no JSON");
        check("null null", "no JSON");
        check("5 6", "no JSON");
    }

    #[test]
    fn deep_nesting_costs_no_stack() {
        let depth = 100_000;
        check(&"[".repeat(depth), "no JSON");
        check(&"{\"a\":".repeat(depth), "no JSON");
        check(
            &format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
            "other",
        );
        let nested = format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        check(&nested, "1 fields");
    }

    #[test]
    fn a_key_is_found_however_it_is_spelled() {
        let text = r#"{"fl\u0061g":"x","名":"张","n":7}"#;
        let object = object(text);
        assert_eq!(string(object.find("flag").unwrap().unwrap()).unwrap(), "x");
        assert_eq!(string(object.find("名").unwrap().unwrap()).unwrap(), "张");
        assert_eq!(object.find("n").unwrap().unwrap().get(), "7");
        assert!(object.find("absent").unwrap().is_none());
    }

    #[test]
    fn a_key_that_stands_twice_is_not_answered_for() {
        let text = r#"{"a":1,"\u0061":2,"b":3}"#;
        let object = object(text);
        assert_eq!(object.find("a").err(), Some(Twice));
        assert_eq!(object.last("a").unwrap().get(), "2");
        assert_eq!(object.find("b").unwrap().unwrap().get(), "3");
    }

    #[test]
    fn a_string_is_decoded_and_nothing_else_is_a_string() {
        let text = r#"{"a":"x\n\"","b":"\ud83d\ude00","c":"\ud800","d":5,"e":""}"#;
        let object = object(text);
        let text = |key| string(object.find(key).unwrap().unwrap());
        assert_eq!(text("a").as_deref(), Some("x\n\""));
        assert_eq!(text("b").as_deref(), Some("😀"));
        assert_eq!(text("c"), None);
        assert_eq!(text("d"), None);
        assert_eq!(text("e").as_deref(), Some(""));
    }

    #[test]
    fn an_id_is_a_string_or_a_number() {
        let text = r#"{"a":"9","b":9,"c":-1,"d":null,"e":[9]}"#;
        let object = object(text);
        let text = |key| id(object.find(key).unwrap().unwrap());
        assert_eq!(text("a"), text("b"));
        assert_eq!(text("c").as_deref(), Some("-1"));
        assert_eq!(text("d"), None);
        assert_eq!(text("e"), None);
    }

    #[test]
    fn an_object_is_written_in_order_without_blank_space_and_with_non_ascii_raw() {
        let text = r#"{"k\n" : [1, 2]}"#;
        let source = object(text);
        let (name, value) = source.fields().next().unwrap();
        let written = ObjectWriter::new()
            .text("a", "张\"\n")
            .number("b", 7)
            .raw("c", b"{}")
            .raw("d", b"")
            .field(name, value)
            .finish();
        assert_eq!(
            String::from_utf8(written).unwrap(),
            r#"{"a":"张\"\n","b":7,"c":{},"d":null,"k\n":[1, 2]}"#
        );
        assert_eq!(ObjectWriter::new().finish(), b"{}");
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_what_is_json(text in "[\\[\\]{}\",:a01.\\\\ntrue \u{e9}-]{0,12}") {
            let expect = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(parse(&text).is_some(), expect);
        }

        #[test]
        fn any_text_comes_back_from_a_written_object(key: String, value: String) {
            let written = ObjectWriter::new().text(&key, &value).finish();
            let written = String::from_utf8(written).unwrap();
            let object = object(&written);
            prop_assert_eq!(string(object.find(&key).unwrap().unwrap()).unwrap(), value);
        }
    }
}
