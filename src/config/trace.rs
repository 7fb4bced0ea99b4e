//! What is remembered of messages and sessions, and how much.

use super::{
    setting::Scalar,
    visit::{Section, Visitor},
};
use crate::trace::MILLION;

/// `[trace]`. All of it can change while the node runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trace {
    /// The share of the messages and sessions of clients whose steps are remembered and stand in the log at
    /// the level debug. One in a hundred: enough to see a pattern, too little to cost anything.
    pub sample: Share,
    /// Most bytes of steps of messages. 16 MiB: some 40,000 pushes to one user each.
    pub memory_bytes_max: usize,
}

/// A part of a whole, to a millionth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Share {
    millionths: u32,
}

impl Share {
    /// Of a million.
    pub const fn millionths(self) -> u32 {
        self.millionths
    }
}

impl Scalar for Share {
    const EXPECTED: &'static str = "a number from 0 to 1, such as 0.01";

    fn parse(text: &str) -> Option<Self> {
        let share: f64 = text.parse().ok()?;
        let is_share = (0.0..=1.0).contains(&share);
        is_share.then(|| Self {
            millionths: (share * f64::from(MILLION)).round() as u32,
        })
    }

    fn from_typed(value: &toml::Value) -> Option<Self> {
        match value {
            toml::Value::Float(_) | toml::Value::Integer(_) => Self::parse(&value.to_string()),
            _ => None,
        }
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            sample: Share {
                millionths: MILLION / 100,
            },
            memory_bytes_max: 16 * 1024 * 1024,
        }
    }
}

impl Section for Trace {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("sample", &mut self.sample);
        visitor.setting("memory_bytes_max", &mut self.memory_bytes_max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_the_whole() {
        let millionths = |text| Share::parse(text).map(Share::millionths);
        for (text, expect) in [
            ("0", Some(0)),
            ("1", Some(MILLION)),
            ("0.01", Some(10_000)),
            ("0.000001", Some(1)),
            ("1.1", None),
            ("-0.1", None),
            ("nan", None),
            ("all", None),
        ] {
            assert_eq!(millionths(text), expect, "{text}");
        }
        let typed = |value: f64| Share::from_typed(&toml::Value::Float(value));
        assert_eq!(typed(0.5), Share::parse("0.5"));
        assert_eq!(
            Share::from_typed(&toml::Value::Integer(1)),
            Share::parse("1")
        );
        assert_eq!(Share::from_typed(&toml::Value::String("1".into())), None);
    }
}
