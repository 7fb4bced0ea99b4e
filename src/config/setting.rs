//! How the value of a key is understood, by the type that it has in the code.

use std::{
    collections::BTreeMap, fmt::Debug, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration,
};

use super::{
    value::{Cidr, HttpUrl, Ping, Secret, parse_duration},
    visit::{Raw, Refused, Setting},
};
use crate::id::NodeId;

/// A value that is written as one word, number or text.
pub(crate) trait Scalar: Sized + Debug {
    /// What is allowed, to follow "expected".
    const EXPECTED: &'static str;

    /// Reads a text, wherever it comes from.
    fn parse(text: &str) -> Option<Self>;

    /// Reads a value of the file. Numbers and truth values have types of their own there.
    fn from_typed(value: &toml::Value) -> Option<Self> {
        value.as_str().and_then(Self::parse)
    }
}

/// Implements [`Scalar`] for an enum that is written as one of a few words.
macro_rules! words {
    ($type:ty, $($word:literal => $value:path),+ $(,)?) => {
        impl $crate::config::setting::Scalar for $type {
            const EXPECTED: &'static str = $crate::config::setting::one_of!($($word),+);

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some($value),)+
                    _ => None,
                }
            }
        }
    };
}

/// `"a" or "b"`, `"a", "b" or "c"` as a constant.
macro_rules! one_of {
    ($only:literal) => { concat!('"', $only, '"') };
    ($first:literal, $last:literal) => { concat!('"', $first, "\" or \"", $last, '"') };
    ($first:literal, $($rest:literal),+) => {
        concat!('"', $first, "\", ", $crate::config::setting::one_of!($($rest),+))
    };
}

pub(crate) use {one_of, words};

words!(crate::dialect::Profile,
    "documented" => crate::dialect::Profile::Documented,
    "observed" => crate::dialect::Profile::Observed,
);

words!(crate::dialect::DialectId,
    "ride" => crate::dialect::DialectId::Ride,
    "im" => crate::dialect::DialectId::Im,
    "room" => crate::dialect::DialectId::Room,
    "live" => crate::dialect::DialectId::Live,
    "device" => crate::dialect::DialectId::Device,
);

macro_rules! whole_numbers {
    ($($type:ty: $max:literal),+ $(,)?) => { $(
        impl Scalar for $type {
            const EXPECTED: &'static str = concat!("a whole number from 0 to ", $max);

            fn parse(text: &str) -> Option<Self> {
                text.parse::<i64>().ok()?.try_into().ok()
            }

            fn from_typed(value: &toml::Value) -> Option<Self> {
                value.as_integer().and_then(|number| number.try_into().ok())
            }
        }
    )+ };
}

// The numbers of TOML have 63 bits and a sign.
whole_numbers! {
    u16: "65535",
    u32: "4294967295",
    u64: "9223372036854775807",
    usize: "9223372036854775807",
}

macro_rules! from_str {
    ($($type:ty => $expected:literal),+ $(,)?) => { $(
        impl Scalar for $type {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                <$type as FromStr>::from_str(text).ok()
            }
        }
    )+ };
}

from_str! {
    String => "a text",
    PathBuf => "the path of a file",
    SocketAddr => "an address and a port such as \"127.0.0.1:8080\"",
    Cidr => "a range of addresses such as \"10.0.0.0/8\"",
    HttpUrl => "an address such as \"http://10.0.0.5/path\", without a password",
    NodeId => "a name of at most 64 letters, digits, \"-\" and \"_\"",
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn from_typed(value: &toml::Value) -> Option<Self> {
        value.as_bool()
    }
}

impl Scalar for Duration {
    const EXPECTED: &'static str = "a duration such as \"60s\"";

    fn parse(text: &str) -> Option<Self> {
        parse_duration(text)
    }

    fn from_typed(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::Integer(0) => Some(Self::ZERO),
            value => value.as_str().and_then(Self::parse),
        }
    }
}

impl Scalar for Ping {
    const EXPECTED: &'static str = "a duration such as \"25s\", or \"off\"";

    fn parse(text: &str) -> Option<Self> {
        if text == "off" {
            return Some(Self::Off);
        }
        let interval = parse_duration(text).filter(|interval| !interval.is_zero())?;
        Some(Self::Every(interval))
    }
}

impl<T: Scalar> Setting for T {
    fn set(&mut self, raw: &Raw) -> Result<(), Refused> {
        *self = scalar(raw)?;
        Ok(())
    }

    fn expected(&self) -> String {
        T::EXPECTED.to_owned()
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }
}

impl<T: Scalar> Setting for Option<T> {
    fn set(&mut self, raw: &Raw) -> Result<(), Refused> {
        *self = Some(scalar(raw)?);
        Ok(())
    }

    fn expected(&self) -> String {
        T::EXPECTED.to_owned()
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }
}

fn scalar<T: Scalar>(raw: &Raw) -> Result<T, Refused> {
    let value = match raw {
        Raw::Typed(value) => T::from_typed(value),
        Raw::Text(text) => T::parse(text),
    };
    value.ok_or_else(|| Refused::Value(T::EXPECTED.to_owned()))
}

/// A list; a single value stands for a list of one.
impl<T: Scalar> Setting for Vec<T> {
    fn set(&mut self, raw: &Raw) -> Result<(), Refused> {
        let value = match inline(raw) {
            Raw::Typed(toml::Value::Array(values)) => {
                *self = elements(values)?;
                return Ok(());
            }
            Raw::Typed(value) => T::from_typed(&value),
            Raw::Text(text) => T::parse(&text),
        };
        *self = vec![value.ok_or_else(|| Refused::Value(self.expected()))?];
        Ok(())
    }

    fn expected(&self) -> String {
        format!("{}, or a list of them", T::EXPECTED)
    }

    fn fingerprint(&self) -> String {
        format!("{self:?}")
    }
}

fn elements<T: Scalar>(values: Vec<toml::Value>) -> Result<Vec<T>, Refused> {
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (index, value) in values.into_iter().enumerate() {
        match T::from_typed(&value) {
            Some(value) => taken.push(value),
            None => refused.push((index, value)),
        }
    }
    if refused.is_empty() {
        Ok(taken)
    } else {
        Err(Refused::Elements(refused, T::EXPECTED))
    }
}

impl Setting for Secret {
    fn set(&mut self, raw: &Raw) -> Result<(), Refused> {
        match raw {
            Raw::Typed(toml::Value::String(text)) | Raw::Text(text) if !text.is_empty() => {
                *self = Self::new(text.as_str());
                Ok(())
            }
            _ => Err(Refused::Value(self.expected())),
        }
    }

    fn expected(&self) -> String {
        "a text that is not empty".to_owned()
    }

    fn fingerprint(&self) -> String {
        let digest =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.expose().as_bytes());
        format!("{digest:?}")
    }
}

impl Setting for Option<Secret> {
    fn set(&mut self, raw: &Raw) -> Result<(), Refused> {
        self.get_or_insert_default().set(raw)
    }

    fn expected(&self) -> String {
        Secret::default().expected()
    }

    fn fingerprint(&self) -> String {
        self.as_ref().map(Setting::fingerprint).unwrap_or_default()
    }
}

/// Secrets by name. One of them can be given as `{ file = "..." }`.
impl Setting for BTreeMap<String, Secret> {
    fn set(&mut self, raw: &Raw) -> Result<(), Refused> {
        let expected = || Refused::Value(Self::new().expected());
        let Raw::Typed(toml::Value::Table(table)) = inline(raw) else {
            return Err(expected());
        };
        self.clear();
        for (name, value) in table {
            let text = match &value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Table(table) if table.len() == 1 => {
                    let path = table.get("file").and_then(toml::Value::as_str);
                    let text = super::read::secret_file(path.ok_or_else(expected)?);
                    text.map_err(|expected| Refused::Value(format!("for {name:?} {expected}")))?
                }
                _ => return Err(expected()),
            };
            if text.is_empty() {
                let expected = format!("a secret for {name:?} that is not empty");
                return Err(Refused::Value(expected));
            }
            self.insert(name, Secret::new(text));
        }
        Ok(())
    }

    fn expected(&self) -> String {
        "a table of names and secrets, or of names and { file = \"...\" }".to_owned()
    }

    fn fingerprint(&self) -> String {
        let item = |(name, secret): (&String, &Secret)| format!("{name}={}", secret.fingerprint());
        self.iter().map(item).collect::<Vec<_>>().join(",")
    }
}

/// Lists and tables stand in an environment variable as TOML or JSON.
pub(crate) fn inline(raw: &Raw) -> Raw {
    let Raw::Text(text) = raw else {
        return raw.clone();
    };
    if !text.trim_start().starts_with(['[', '{']) {
        return raw.clone();
    }
    if let Ok(value) = serde_json::from_str::<toml::Value>(text) {
        return Raw::Typed(value);
    }
    match toml::from_str::<toml::Table>(&format!("value = {text}")) {
        Ok(mut table) if table.len() == 1 => {
            Raw::Typed(table.remove("value").expect("it is the only key"))
        }
        _ => raw.clone(),
    }
}
