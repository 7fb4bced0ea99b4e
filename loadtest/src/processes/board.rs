//! What the processes of a run write down for each other.
//!
//! Invariant: a record is written before anything comes of it that another process could notice. So whoever has noticed
//! that record `n` was made finds it there, and all before it.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{MemfdFlags, memfd_create};

const NUMBER_BYTES: usize = 8;

/// Where it is written down, in memory. It goes with the process that has made it.
#[derive(Debug)]
pub struct Sheet(File);

/// Records of `N` numbers each, as one process writes and the others read them.
#[derive(Debug)]
pub struct Board<const N: usize>(File);

impl Sheet {
    /// An empty one.
    ///
    /// # Errors
    /// What the system reports.
    pub fn new() -> io::Result<Self> {
        let sheet = memfd_create("loadtest-board", MemfdFlags::CLOEXEC)?;
        Ok(Self(sheet.into()))
    }

    /// Where other processes of this user find it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.0.as_raw_fd());
        format!("/proc/{process}/fd/{file}").into()
    }
}

impl<const N: usize> Board<N> {
    /// The board of the process that has started this one.
    ///
    /// # Errors
    /// It is gone.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).append(true).open(path);
        file.map(Self)
    }

    /// Writes a record behind the others.
    ///
    /// # Errors
    /// What the system reports.
    pub fn append(&mut self, record: [u64; N]) -> io::Result<()> {
        self.0.write_all(&record.map(u64::to_le_bytes).concat())
    }

    /// The record of this number, from 0 on, if it has been written.
    ///
    /// # Errors
    /// What the system reports.
    pub fn read(&self, number: usize) -> io::Result<Option<[u64; N]>> {
        let mut record = [0; N];
        let mut at = (number * N * NUMBER_BYTES) as u64;
        for place in &mut record {
            let mut bytes = [0; NUMBER_BYTES];
            match self.0.read_exact_at(&mut bytes, at) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                read => read?,
            }
            *place = u64::from_le_bytes(bytes);
            at += NUMBER_BYTES as u64;
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_writes_others_read_and_nothing_more() {
        let sheet = Sheet::new().unwrap();
        let open = || Board::<2>::open(&sheet.path()).unwrap();
        let (mut writer, reader) = (open(), open());
        assert_eq!(reader.read(0).unwrap(), None);
        writer.append([1, 2]).unwrap();
        writer.append([3, u64::MAX]).unwrap();
        assert_eq!(reader.read(1).unwrap(), Some([3, u64::MAX]));
        assert_eq!(reader.read(0).unwrap(), Some([1, 2]));
        assert_eq!(reader.read(2).unwrap(), None);
    }
}
