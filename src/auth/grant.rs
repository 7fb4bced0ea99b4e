//! What a token or a hook says about its bearer, read into a grant.

use std::{fmt, str::FromStr as _};

use serde::{
    Deserialize, Deserializer,
    de::{self, Visitor},
};

use crate::{
    dialect::Grant,
    id::UserId,
    topic::{Topic, is_pattern},
};

/// A name that foreign systems write as a text or as a whole number.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Name(Box<str>);

/// A name, where other systems may have something else: that says nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(untagged)]
pub(super) enum Loose {
    Name(Name),
    Other(de::IgnoredAny),
    #[default]
    #[serde(skip)]
    Absent,
}

/// What the bearer may do, in the words of tokens and hooks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Rights {
    pub(super) devices: Vec<Name>,
    pub(super) rooms: Vec<Name>,
    pub(super) publish: Vec<Box<str>>,
    pub(super) role: Loose,
    pub(super) name: Loose,
}

// === impl Rights ===

impl Rights {
    /// The grant, unless something in it names nothing that could exist. Reserved rooms are fine:
    /// the word of a token or a hook is the very permission that they need.
    pub(super) fn grant(self, user: Option<Name>) -> Option<Grant> {
        let user = user.map(|Name(id)| UserId::from_str(&id).ok());
        let rooms = self.rooms.iter().map(|Name(room)| Topic::room(room).ok());
        let devices = self.devices.into_iter().map(|Name(device)| {
            let room = Topic::room(&format!("device/{device}"));
            (!device.is_empty() && room.is_ok()).then_some(device)
        });
        if !self.publish.iter().all(|text| is_pattern(text)) {
            return None;
        }
        Some(Grant {
            user: match user {
                Some(user) => Some(user?),
                None => None,
            },
            rooms: rooms.collect::<Option<_>>()?,
            devices: devices.collect::<Option<_>>()?,
            publish: self.publish,
            role: self.role.text(),
            name: self.name.text(),
        })
    }
}

impl Loose {
    fn text(self) -> Option<Box<str>> {
        match self {
            Self::Name(Name(text)) => Some(text),
            Self::Other(_) | Self::Absent => None,
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl Visitor<'_> for Words {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a whole number")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
                Ok(Name(text.into()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Name, E> {
                Ok(Name(number.to_string().into()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Name, E> {
                Ok(Name(number.to_string().into()))
            }
        }

        deserializer.deserialize_any(Words)
    }
}
