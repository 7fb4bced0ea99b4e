//! The form of version 2: each delta is a number that says what it is, the length of its parts, and
//! these.

use bytes::{BufMut as _, BytesMut};
use serde::{Deserialize, Serialize};

use super::{Claimed, Delta, Hashes};
use crate::envelope::DecodeError;

// Numbers are never given anew.
const CLAIMS: u8 = 1;
const DOWN: u8 = 2;
const TOPICS: u8 = 3;
const REAPED: u8 = 4;
const SNAPSHOT: u8 = 5;
const UP: u8 = 6;
const WANT: u8 = 7;

pub(super) fn encode(deltas: &[Delta], body: &mut BytesMut) {
    for delta in deltas {
        let (kind, parts) = parts(delta);
        body.put_u8(kind);
        let length = u32::try_from(parts.len()).expect("entries are far shorter than 4 GiB");
        body.put_u32(length);
        body.put_slice(&parts);
    }
}

/// Deltas of kinds that are not known are passed over.
pub(super) fn decode(mut body: &[u8]) -> Result<Vec<Delta>, DecodeError> {
    let mut deltas = Vec::new();
    while let Some((kind, rest)) = body.split_first() {
        let (length, rest) = rest.split_first_chunk().ok_or(DecodeError::CutOff)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (parts, rest) = rest.split_at_checked(length).ok_or(DecodeError::CutOff)?;
        deltas.extend(read(*kind, parts)?);
        body = rest;
    }
    Ok(deltas)
}

/// Which delta it is, and its parts.
pub(super) fn parts(delta: &Delta) -> (u8, Vec<u8>) {
    match delta {
        Delta::Claims(claims) => (CLAIMS, write(claims)),
        Delta::Down => (DOWN, Vec::new()),
        Delta::Topics { joined, left } => (TOPICS, write(&(Hashes::of(joined), Hashes::of(left)))),
        Delta::Reaped(member) => (REAPED, write(member)),
        Delta::Snapshot {
            number,
            part,
            last,
            topics,
        } => (SNAPSHOT, write(&(number, part, last, Hashes::of(topics)))),
        Delta::Up => (UP, Vec::new()),
        Delta::Want(member) => (WANT, write(member)),
    }
}

/// The delta of these parts, if it is one that is known.
pub(super) fn read(kind: u8, parts: &[u8]) -> Result<Option<Delta>, DecodeError> {
    Ok(Some(match kind {
        CLAIMS => Delta::Claims(parse::<Vec<Claimed>>(parts)?),
        DOWN => Delta::Down,
        TOPICS => {
            let (joined, left): (Hashes, Hashes) = parse(parts)?;
            Delta::Topics {
                joined: joined.read()?,
                left: left.read()?,
            }
        }
        REAPED => Delta::Reaped(parse(parts)?),
        SNAPSHOT => {
            let (number, part, last, topics): (u64, u32, bool, Hashes) = parse(parts)?;
            Delta::Snapshot {
                number,
                part,
                last,
                topics: topics.read()?,
            }
        }
        UP => Delta::Up,
        WANT => Delta::Want(parse(parts)?),
        _ => return Ok(None),
    }))
}

fn write(parts: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(parts).expect("memory takes what is written")
}

fn parse<'a, T: Deserialize<'a>>(parts: &'a [u8]) -> Result<T, DecodeError> {
    rmp_serde::from_slice(parts).map_err(DecodeError::Form)
}
