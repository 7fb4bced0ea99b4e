//! What a member tells all others by the log, and its forms. That of version 1 is a list of named
//! variants; from version 2 on deltas are numbered and have lengths, so that those which are not known
//! are passed over.

#[cfg(feature = "next-wire")]
mod next;
mod two;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{DecodeError, Version};

/// One thing that a member tells all others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Delta {
    /// Sessions claim something.
    Claims(Vec<Claimed>),
    /// The member leaves for good: all its topics are gone.
    Down,
    /// Topics have got their first subscriber there, or lost their last one; by hash.
    Topics {
        /// Those that came.
        joined: Vec<u64>,
        /// Those that went.
        left: Vec<u64>,
    },
    /// A member was found dead by whoever wrote this.
    Reaped(Box<str>),
    /// A part of all topics that the member has. Parts follow one another.
    Snapshot {
        /// Grows from snapshot to snapshot of the member.
        number: u64,
        /// Which part it is, from 0.
        part: u32,
        /// Whether it is the last one.
        last: bool,
        /// Topics, by hash; a hash stands as often as there are topics that have it.
        topics: Vec<u64>,
    },
    /// The member is there, and has this to say of itself. Whoever reads it for the first time
    /// answers with a snapshot.
    Up,
    /// The writer needs a snapshot of this member, or of all.
    Want(Option<Box<str>>),
}

/// A session claims something, or did so before.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Claimed {
    /// A digest of what is claimed.
    pub key: (u64, u64),
    /// The session's number on its member.
    pub holder: u64,
    /// Where in the log it was claimed; absent: here.
    pub since: Option<(u64, u64)>,
}

/// The form of version 1: a name says which delta it is.
#[derive(Deserialize, Serialize)]
enum Wire {
    Claims(Vec<Claimed>),
    Down,
    Topics(Hashes, Hashes),
    Reaped(Box<str>),
    Snapshot(u64, u32, bool, Hashes),
    Up,
    Want(Option<Box<str>>),
}

/// Hashes as bytes: half of what numbers take in MessagePack, and read in one go.
#[derive(Deserialize, Serialize)]
struct Hashes(#[serde(with = "serde_bytes")] Vec<u8>);

// === impl Delta ===

impl Delta {
    /// The body of a log entry that says all of `deltas`, in order, in the form of a version.
    pub fn encode(deltas: &[Self], version: Version) -> Bytes {
        let mut body = BytesMut::new();
        body.put_u8(version.number());
        match version {
            Version::One => Self::encode_one(deltas, &mut body),
            Version::Two => two::encode(deltas, &mut body),
            #[cfg(feature = "next-wire")]
            Version::Three => next::encode(deltas, &mut body),
        }
        body.freeze()
    }

    /// What the body of a log entry says, and in which version.
    ///
    /// # Errors
    ///
    /// The bytes are not what [`Self::encode`] makes.
    pub fn decode(mut body: Bytes) -> Result<(Version, Vec<Self>), DecodeError> {
        if body.is_empty() {
            return Err(DecodeError::CutOff);
        }
        let number = body.get_u8();
        let version = Version::of_number(number).ok_or(DecodeError::Version(number))?;
        let deltas = match version {
            Version::One => Self::decode_one(&body),
            Version::Two => two::decode(&body),
            #[cfg(feature = "next-wire")]
            Version::Three => next::decode(&body),
        };
        Ok((version, deltas?))
    }

    fn encode_one(deltas: &[Self], body: &mut BytesMut) {
        let wires: Vec<Wire> = deltas.iter().map(Self::to_wire).collect();
        let mut writer = body.writer();
        rmp_serde::encode::write(&mut writer, &wires).expect("memory takes what is written");
    }

    fn decode_one(body: &[u8]) -> Result<Vec<Self>, DecodeError> {
        let wires: Vec<Wire> = rmp_serde::from_slice(body).map_err(DecodeError::Form)?;
        wires.into_iter().map(Self::from_wire).collect()
    }

    fn to_wire(&self) -> Wire {
        match self {
            Self::Claims(claims) => Wire::Claims(claims.clone()),
            Self::Down => Wire::Down,
            Self::Topics { joined, left } => Wire::Topics(Hashes::of(joined), Hashes::of(left)),
            Self::Reaped(member) => Wire::Reaped(member.clone()),
            Self::Snapshot {
                number,
                part,
                last,
                topics,
            } => Wire::Snapshot(*number, *part, *last, Hashes::of(topics)),
            Self::Up => Wire::Up,
            Self::Want(member) => Wire::Want(member.clone()),
        }
    }

    fn from_wire(wire: Wire) -> Result<Self, DecodeError> {
        Ok(match wire {
            Wire::Claims(claims) => Self::Claims(claims),
            Wire::Down => Self::Down,
            Wire::Topics(joined, left) => Self::Topics {
                joined: joined.read()?,
                left: left.read()?,
            },
            Wire::Reaped(member) => Self::Reaped(member),
            Wire::Snapshot(number, part, last, topics) => Self::Snapshot {
                number,
                part,
                last,
                topics: topics.read()?,
            },
            Wire::Up => Self::Up,
            Wire::Want(member) => Self::Want(member),
        })
    }
}

// === impl Hashes ===

impl Hashes {
    fn of(hashes: &[u64]) -> Self {
        Self(hashes.iter().flat_map(|hash| hash.to_le_bytes()).collect())
    }

    fn read(&self) -> Result<Vec<u64>, DecodeError> {
        let (chunks, rest) = self.0.as_chunks::<8>();
        if !rest.is_empty() {
            return Err(DecodeError::CutOff);
        }
        Ok(chunks
            .iter()
            .map(|chunk| u64::from_le_bytes(*chunk))
            .collect())
    }
}
