//! Texts with placeholders: `{i}` (connection number), `{partner}` (that of the other one of its pair), `{room}` (that of
//! its room), `{seq}` and `{pad}`; every other brace is literal.
//!
//! JSON is full of braces, so only these exact spellings are replaced and nothing needs escaping.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::str::FromStr;

use serde::Deserialize;

const PLACEHOLDERS: [(&str, Piece); 5] = [
    ("{i}", Piece::Index),
    ("{partner}", Piece::Partner),
    ("{room}", Piece::Room),
    ("{seq}", Piece::Seq),
    ("{pad}", Piece::Pad),
];

/// A parsed template.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(from = "String")]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(String),
    Index,
    Partner,
    Room,
    Seq,
    Pad,
}

/// Whose text it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seat {
    /// Number of the connection.
    pub index: usize,
    /// That of its room.
    pub room: usize,
}

impl Seat {
    /// The connection of this number, where there is one room.
    #[must_use]
    pub fn of(index: usize) -> Self {
        Self { index, room: 0 }
    }
}

/// The number of the other one of a pair: 0 and 1 are one, 2 and 3, and so on.
#[must_use]
pub fn partner(index: usize) -> usize {
    index ^ 1
}

impl Template {
    /// Parses a text; there is no wrong one.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((at, spelling, piece)) = first_placeholder(rest) {
            if at > 0 {
                pieces.push(Piece::Text(rest[..at].to_owned()));
            }
            pieces.push(piece.clone());
            rest = &rest[at + spelling.len()..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Self { pieces }
    }

    /// The same for one connection: what is left to be replaced is `{seq}` and `{pad}`.
    #[must_use]
    pub fn bind(&self, seat: Seat) -> Self {
        let bind = |piece: &Piece| match piece.number(seat) {
            Some(number) => Piece::Text(number.to_string()),
            None => piece.clone(),
        };
        Self {
            pieces: self.pieces.iter().map(bind).collect(),
        }
    }

    /// The text with every placeholder replaced; the room is the first one.
    #[must_use]
    pub fn expand(&self, index: usize, seq: &str, pad: &str) -> String {
        self.write(Seat::of(index), seq, pad)
    }

    /// The text of connection `index`, where the other placeholders have no meaning.
    #[must_use]
    pub fn for_index(&self, index: usize) -> String {
        self.for_seat(Seat::of(index))
    }

    /// The text of a connection in its room, where the other placeholders have no meaning.
    #[must_use]
    pub fn for_seat(&self, seat: Seat) -> String {
        self.write(seat, "", "")
    }

    fn write(&self, seat: Seat, seq: &str, pad: &str) -> String {
        let mut out = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Seq => out.push_str(seq),
                Piece::Pad => out.push_str(pad),
                Piece::Index | Piece::Partner | Piece::Room => {
                    let number = piece.number(seat).unwrap_or_default();
                    write!(out, "{number}").expect("a String takes any text");
                }
            }
        }
        out
    }

    /// Whether it is the empty text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether `{seq}` occurs.
    #[must_use]
    pub fn has_seq(&self) -> bool {
        self.pieces.contains(&Piece::Seq)
    }

    /// Whether `{pad}` occurs.
    #[must_use]
    pub fn has_pad(&self) -> bool {
        self.pieces.contains(&Piece::Pad)
    }
}

impl Piece {
    /// What stands for it, if that is a number.
    fn number(&self, seat: Seat) -> Option<usize> {
        match self {
            Self::Index => Some(seat.index),
            Self::Partner => Some(partner(seat.index)),
            Self::Room => Some(seat.room),
            Self::Text(_) | Self::Seq | Self::Pad => None,
        }
    }
}

impl FromStr for Template {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl From<String> for Template {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

fn first_placeholder(text: &str) -> Option<(usize, &'static str, &'static Piece)> {
    const { &PLACEHOLDERS }
        .iter()
        .filter_map(|(spelling, piece)| text.find(spelling).map(|at| (at, *spelling, piece)))
        .min_by_key(|(at, _, _)| *at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts that are made of placeholders, of what nearly is one, and of anything.
    fn texts() -> impl Strategy<Value = Vec<String>> {
        let part = prop_oneof![
            Just("{i}".to_owned()),
            Just("{partner}".to_owned()),
            Just("{room}".to_owned()),
            Just("{seq}".to_owned()),
            Just("{pad}".to_owned()),
            Just("{".to_owned()),
            Just("}".to_owned()),
            Just("{ i}".to_owned()),
            Just("{{i}}".to_owned()),
            any::<String>(),
        ];
        prop::collection::vec(part, 0..8)
    }

    proptest! {
        #[test]
        fn an_expansion_is_what_replacing_one_after_the_other_gives(
            parts in texts(), index in any::<usize>(), seq in "[a-z0-9]{0,12}", pad in "x{0,20}",
        ) {
            let text = parts.concat();
            let template = Template::new(&text);
            let replaced = text
                .replace("{i}", &index.to_string())
                .replace("{partner}", &(index ^ 1).to_string())
                .replace("{room}", "0")
                .replace("{seq}", &seq)
                .replace("{pad}", &pad);
            // Replacing one may make another: then the two differ, and ours is right.
            let names = ["{i}", "{partner}", "{room}", "{seq}", "{pad}"];
            let whole = names.iter().fold(text.clone(), |text, name| text.replace(name, ""));
            if !names.iter().any(|name| whole.contains(name)) {
                prop_assert_eq!(template.expand(index, &seq, &pad), replaced);
            }
            prop_assert_eq!(template.has_seq(), text.contains("{seq}"));
            prop_assert_eq!(template.has_pad(), text.contains("{pad}"));
        }

        #[test]
        fn a_text_that_stands_for_itself_comes_back(parts in texts()) {
            let text = parts.concat();
            let identity = |name: &str| format!("{{{name}}}");
            let template = Template::new(&text);
            if !["{i}", "{partner}", "{room}"].iter().any(|name| text.contains(name)) {
                prop_assert_eq!(template.expand(0, &identity("seq"), &identity("pad")), text);
            }
        }
    }

    #[test]
    fn every_placeholder_is_replaced_wherever_it_stands() {
        let template = Template::new("{i}/ws?client_id=c{i}&t=t{i}");
        assert_eq!(template.for_index(42), "42/ws?client_id=c42&t=t42");
    }

    #[test]
    fn a_bound_template_keeps_what_changes_with_every_message() {
        let seat = Seat { index: 42, room: 7 };
        let template = Template::new("{i}/{partner}/{room}/{seq}{pad}").bind(seat);
        assert_eq!(template.expand(1, "3", "x"), "42/43/7/3x");
        assert!(template.has_seq() && template.has_pad());
        let template = Template::new("{partner} in {room}");
        assert_eq!(template.for_seat(seat), "43 in 7");
        assert_eq!(template.for_index(5), "4 in 0");
    }

    #[test]
    fn other_braces_are_literal() {
        let template = Template::new(r#"{"a":{"seq":"{seq}"},"pad":"{pad}{}"}"#);
        assert_eq!(
            template.expand(0, "7", "xx"),
            r#"{"a":{"seq":"7"},"pad":"xx{}"}"#
        );
        assert!(template.has_seq() && template.has_pad());
    }

    #[test]
    fn an_empty_text_stays_empty() {
        let template = Template::new("");
        assert_eq!(template.for_index(1), "");
        assert!(!template.has_seq() && !template.has_pad());
    }
}
