//! What tests write to.

use std::io::{self, IoSlice};

use super::{End, Transport};

/// A socket that takes nothing.
#[derive(Debug)]
pub(crate) struct Full;

impl Transport for Full {
    fn try_write(&self, _: &[IoSlice<'_>]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn end(&self, _: End) {}
}
