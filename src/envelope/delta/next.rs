//! What tests take for the next version: how many deltas there are stands before them, and the length of
//! each before what it is.

use bytes::{BufMut as _, BytesMut};

use super::{Delta, two};
use crate::envelope::DecodeError;

pub(super) fn encode(deltas: &[Delta], body: &mut BytesMut) {
    let count = u16::try_from(deltas.len()).expect("entries have a few deltas");
    body.put_u16(count);
    for delta in deltas {
        let (kind, parts) = two::parts(delta);
        let length = u32::try_from(parts.len()).expect("entries are far shorter than 4 GiB");
        body.put_u32_le(length);
        body.put_slice(&parts);
        body.put_u8(0xFF - kind);
    }
}

pub(super) fn decode(body: &[u8]) -> Result<Vec<Delta>, DecodeError> {
    let (count, mut body) = body.split_first_chunk().ok_or(DecodeError::CutOff)?;
    let mut deltas = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, rest) = body.split_first_chunk().ok_or(DecodeError::CutOff)?;
        let length = u32::from_le_bytes(*length) as usize;
        let (parts, rest) = rest.split_at_checked(length).ok_or(DecodeError::CutOff)?;
        let (kind, rest) = rest.split_first().ok_or(DecodeError::CutOff)?;
        deltas.extend(two::read(0xFF - *kind, parts)?);
        body = rest;
    }
    match body {
        [] => Ok(deltas),
        _ => Err(DecodeError::Value("the count", "is less than there is")),
    }
}
