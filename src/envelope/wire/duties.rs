//! The form of what members tell one another of duties.

use serde::{Deserialize, Serialize};

use crate::{
    duty::{Change, Changed, Duty},
    envelope::DecodeError,
};

/// A duty, as JSON.
#[derive(Deserialize, Serialize)]
pub(super) struct WireDuty(String);

#[derive(Deserialize, Serialize)]
pub(super) enum WireDuties {
    Add(WireDuty),
    Remove(Option<Box<str>>),
}

#[derive(Deserialize, Serialize)]
pub(super) enum WireOwed {
    Gone,
    Kept(Vec<WireDuty>),
    Missing,
    Taken,
    TooMany,
    Unknown,
}

// === impl WireDuty ===

impl WireDuty {
    fn of(duty: &Duty) -> Self {
        Self(String::from_utf8_lossy(&duty.encode()).into_owned())
    }

    fn read(self) -> Result<Duty, DecodeError> {
        let duty = Duty::decode(self.0.as_bytes());
        duty.map_err(|_| DecodeError::Value("the duty", "is none"))
    }
}

// === impl WireDuties ===

impl WireDuties {
    pub(super) fn of(change: &Change) -> Self {
        match change {
            Change::Add(duty) => Self::Add(WireDuty::of(duty)),
            Change::Remove(id) => Self::Remove(id.clone()),
        }
    }

    pub(super) fn read(self) -> Result<Change, DecodeError> {
        Ok(match self {
            Self::Add(duty) => Change::Add(duty.read()?),
            Self::Remove(id) => Change::Remove(id),
        })
    }
}

// === impl WireOwed ===

impl WireOwed {
    pub(super) fn of(changed: &Changed) -> Self {
        match changed {
            Changed::Gone => Self::Gone,
            Changed::Kept(duties) => Self::Kept(duties.iter().map(WireDuty::of).collect()),
            Changed::Missing => Self::Missing,
            Changed::Taken => Self::Taken,
            Changed::TooMany => Self::TooMany,
            Changed::Unknown => Self::Unknown,
        }
    }

    pub(super) fn read(self) -> Result<Changed, DecodeError> {
        Ok(match self {
            Self::Gone => Changed::Gone,
            Self::Kept(duties) => {
                let duties = duties.into_iter().map(WireDuty::read);
                Changed::Kept(duties.collect::<Result<_, _>>()?)
            }
            Self::Missing => Changed::Missing,
            Self::Taken => Changed::Taken,
            Self::TooMany => Changed::TooMany,
            Self::Unknown => Changed::Unknown,
        })
    }
}
