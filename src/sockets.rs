//! Sockets that change hands: listening ones, from a process to its successor, so that connections that come
//! meanwhile wait in their queues and none is refused.
//!
//! They travel over a Unix socket in a folder of its own, which only its owner may enter.

use std::{
    fs::{self, DirBuilder},
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::TcpListener,
    os::{
        fd::{AsFd as _, BorrowedFd},
        unix::{
            fs::DirBuilderExt as _,
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Most sockets of a node.
pub const SOCKETS_MAX: usize = 64;
/// Longest wait for whoever has them or wants them.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Between two looks whether somebody has come.
const POLL: Duration = Duration::from_millis(5);
/// Descriptors need a byte to travel with.
const WORD: &[u8] = b"s";

/// Where sockets are handed over. Dropping it removes the folder.
#[derive(Debug)]
pub struct Exchange {
    folder: PathBuf,
    listener: UnixListener,
}

// === impl Exchange ===

impl Exchange {
    /// In a new folder beside this file.
    ///
    /// # Errors
    ///
    /// The folder cannot be made.
    pub fn beside(file: &Path) -> io::Result<Self> {
        let name = format!(".tidegate-{}", std::process::id());
        let folder = std::path::absolute(file)?.with_file_name(name);
        DirBuilder::new().mode(0o700).create(&folder)?;
        let listener = UnixListener::bind(folder.join("s")).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match listener {
            Ok(listener) => Ok(Self { folder, listener }),
            Err(error) => {
                let _ = fs::remove_dir_all(&folder);
                Err(error)
            }
        }
    }

    /// The Unix socket that [`give`] and [`take`] are to be called with.
    pub fn path(&self) -> PathBuf {
        self.folder.join("s")
    }

    /// Receives what whoever comes next gives. Blocks, for a few seconds at most.
    ///
    /// # Errors
    ///
    /// Nobody comes, or nothing is given.
    pub fn receive(&self) -> io::Result<Vec<TcpListener>> {
        receive(&self.next()?)
    }

    /// Gives these to whoever comes next. Blocks, for a few seconds at most.
    ///
    /// # Errors
    ///
    /// Nobody comes, or takes anything.
    pub fn hand_out(&self, sockets: &[TcpListener]) -> io::Result<()> {
        send(&self.next()?, sockets)
    }

    fn next(&self) -> io::Result<UnixStream> {
        for _ in 0..TIMEOUT.as_millis() / POLL.as_millis() {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(false)?;
                    return Ok(stream);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            std::thread::sleep(POLL);
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Gives sockets to the [`Exchange`] of this path. Blocks, for a few seconds at most.
///
/// # Errors
///
/// Nobody is there.
pub fn give(path: &Path, sockets: &[TcpListener]) -> io::Result<()> {
    send(&UnixStream::connect(path)?, sockets)
}

/// Takes sockets from the [`Exchange`] of this path. Blocks, for a few seconds at most.
///
/// # Errors
///
/// Nobody is there, or nothing is given.
pub fn take(path: &Path) -> io::Result<Vec<TcpListener>> {
    receive(&UnixStream::connect(path)?)
}

fn send(stream: &UnixStream, sockets: &[TcpListener]) -> io::Result<()> {
    stream.set_write_timeout(Some(TIMEOUT))?;
    let sockets = &sockets[..sockets.len().min(SOCKETS_MAX)];
    let borrowed: Vec<BorrowedFd<'_>> = sockets.iter().map(TcpListener::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut parcel = SendAncillaryBuffer::new(&mut space);
    if !parcel.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(
        stream,
        &[IoSlice::new(WORD)],
        &mut parcel,
        SendFlags::empty(),
    )?;
    Ok(())
}

fn receive(stream: &UnixStream) -> io::Result<Vec<TcpListener>> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    let mut word = [0; WORD.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut parcel = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut word)];
    recvmsg(stream, &mut slices, &mut parcel, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets = Vec::new();
    for message in parcel.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            sockets.extend(descriptors.map(TcpListener::from));
        }
    }
    match sockets.is_empty() {
        true => Err(io::ErrorKind::UnexpectedEof.into()),
        false => Ok(sockets),
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpStream, os::unix::fs::PermissionsExt as _, thread};

    use super::*;

    #[test]
    fn what_was_given_listens_where_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let exchange = Exchange::beside(&folder.path().join("node.pid")).unwrap();
        let mode = exchange.path().parent().unwrap().metadata().unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o700);
        let sockets: Vec<_> = (0..2)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let addresses: Vec<_> = sockets.iter().map(|it| it.local_addr().unwrap()).collect();
        let path = exchange.path();
        let giving = thread::spawn(move || give(&path, &sockets));
        let taken = exchange.receive().unwrap();
        giving.join().unwrap().unwrap();
        // The giver is gone: what comes waits.
        let _waiting = TcpStream::connect(addresses[1]).unwrap();
        let path = exchange.path();
        let taking = thread::spawn(move || take(&path));
        exchange.hand_out(&taken).unwrap();
        drop(taken);
        let taken = taking.join().unwrap().unwrap();
        let now: Vec<_> = taken.iter().map(|it| it.local_addr().unwrap()).collect();
        assert_eq!(now, addresses);
        taken[1].accept().unwrap();
        drop(exchange);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn who_gives_nothing_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let exchange = Exchange::beside(&folder.path().join("node.pid")).unwrap();
        drop(UnixStream::connect(exchange.path()).unwrap());
        assert!(exchange.receive().is_err());
        assert!(take(&folder.path().join("nowhere")).is_err());
    }
}
