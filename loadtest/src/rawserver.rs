//! The yardstick: a server that does nothing but write each message once to each subscriber.
//!
//! One thread, one epoll. A text message from any client is encoded once and written, verbatim and with one plain
//! `write(2)` each, to every client whose path contains `driver_`. A gateway that delivers one message at a time
//! cannot do with less. A client whose path contains `echo` gets back what it sends, and nobody else does; anybody
//! else's `{"flag":"ping"}` is answered with `pong`, so that `idle` and `echo` can run against it as well.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SocketFlags, accept_with, getsockname, recv, sockopt};

use crate::cli::ServerArgs;
use crate::frame::{self, opcode};
use crate::handshake;
use crate::process;
use crate::scenario::RunError;
use crate::socket;
use input::Input;

mod input;

const LISTENER: u64 = u64::MAX;
const READ_BUFFER_BYTES: usize = 64 * 1024;
const EVENTS_PER_WAKE_MAX: usize = 1_024;
/// So many bytes may wait for the rest of their message.
const PARTIAL_BYTES_MAX: usize = 1024 * 1024;
const SUBSCRIBER_MARK: &str = "driver_";
const ECHO_MARK: &str = "echo";
const PING: &[u8] = br#"{"flag":"ping"}"#;

/// Serves until it is killed.
///
/// # Errors
/// When it cannot listen.
pub fn run(arguments: &ServerArgs) -> Result<(), RunError> {
    process::pin(arguments.cpu.as_slice()).map_err(RunError::Usage)?;
    // Raises the limit as far as it goes; how many clients come is not known.
    socket::reserve_files(1).map_err(RunError::Usage)?;
    let failed = |error: Errno| RunError::Failed(format!("--listen {}: {error}", arguments.listen));
    let listener = socket::listen(arguments.listen).map_err(failed)?;
    let address = getsockname(&listener).map_err(failed)?;
    if let Ok(address) = SocketAddr::try_from(address) {
        println!("listening on {address}, process {}", std::process::id());
    }
    Server::new(listener)
        .map_err(failed)?
        .serve()
        .map_err(failed)
}

#[derive(Debug)]
struct Server {
    epoll: OwnedFd,
    listener: OwnedFd,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    subscribers: Vec<usize>,
    /// Whom the current event makes us drop; not at once, as the subscribers are being walked through.
    dropped: Vec<usize>,
}

#[derive(Debug)]
struct Peer {
    fd: OwnedFd,
    open: bool,
    /// Whether it gets back what it sends.
    is_echoed: bool,
    /// The beginning of a request or frame whose rest has not come yet.
    partial: Vec<u8>,
}

impl Server {
    fn new(listener: OwnedFd) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            epoll::EventData::new_u64(LISTENER),
            epoll::EventFlags::IN,
        )?;
        Ok(Self {
            epoll,
            listener,
            peers: Vec::new(),
            free: Vec::new(),
            subscribers: Vec::new(),
            dropped: Vec::new(),
        })
    }

    fn serve(&mut self) -> Result<(), Errno> {
        let mut events = Vec::with_capacity(EVENTS_PER_WAKE_MAX);
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
            for event in &events {
                match event.data.u64() {
                    LISTENER => self.accept(),
                    slot => self.read(
                        usize::try_from(slot).expect("slots are indexes"),
                        &mut buffer,
                    ),
                }
                self.drop_marked();
            }
        }
    }

    fn accept(&mut self) {
        loop {
            match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
                Ok(fd) => {
                    if let Err(error) = self.add(fd) {
                        eprintln!("a connection could not be taken: {error}");
                    }
                }
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR | Errno::CONNABORTED) => {}
                Err(error) => {
                    // Out of files, for one: the listener stays ready, so wait instead of spinning.
                    eprintln!("accept: {error}");
                    std::thread::sleep(Duration::from_millis(100));
                    return;
                }
            }
        }
    }

    fn add(&mut self, fd: OwnedFd) -> Result<(), Errno> {
        sockopt::set_tcp_nodelay(&fd, true)?;
        let slot = self.free.pop().unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP;
        let added = epoll::add(
            &self.epoll,
            &fd,
            epoll::EventData::new_u64(slot as u64),
            flags,
        );
        if let Err(error) = added {
            self.free.push(slot);
            return Err(error);
        }
        self.peers[slot] = Some(Peer {
            fd,
            open: false,
            is_echoed: false,
            partial: Vec::new(),
        });
        Ok(())
    }

    fn read(&mut self, slot: usize, buffer: &mut [u8]) {
        let Some(peer) = &mut self.peers[slot] else {
            return;
        };
        let length = match recv(&peer.fd, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) if length > 0 => length,
            Err(Errno::AGAIN | Errno::INTR) => return,
            _ => return self.dropped.push(slot),
        };
        let received = &mut buffer[..length];
        if peer.partial.is_empty() && peer.open {
            let used = self.take_frames(slot, received);
            self.keep(slot, &received[used..]);
            return;
        }
        let mut bytes = std::mem::take(&mut peer.partial);
        bytes.extend_from_slice(received);
        let mut used = 0;
        if !peer.open {
            let Some(length) = handshake::head_len(&bytes) else {
                return self.keep(slot, &bytes);
            };
            self.upgrade(slot, &bytes[..length]);
            used = length;
        }
        used += self.take_frames(slot, &mut bytes[used..]);
        self.keep(slot, &bytes[used..]);
    }

    fn keep(&mut self, slot: usize, bytes: &[u8]) {
        if bytes.len() > PARTIAL_BYTES_MAX {
            self.dropped.push(slot);
        } else if let Some(peer) = &mut self.peers[slot] {
            peer.partial.extend_from_slice(bytes);
        }
    }

    fn upgrade(&mut self, slot: usize, head: &[u8]) {
        let Some((path, answer)) = handshake::respond(head) else {
            return self.dropped.push(slot);
        };
        if let Some(peer) = &mut self.peers[slot] {
            peer.open = true;
            peer.is_echoed = path.contains(ECHO_MARK);
        }
        if path.contains(SUBSCRIBER_MARK) {
            self.subscribers.push(slot);
        }
        self.write(slot, answer.as_bytes());
    }

    /// Handles all whole frames and gives the number of bytes they took.
    fn take_frames(&mut self, slot: usize, bytes: &mut [u8]) -> usize {
        let is_echoed = self.peers[slot].as_ref().is_some_and(|peer| peer.is_echoed);
        let mut used = 0;
        while let Some((length, input)) = input::next(&mut bytes[used..]) {
            used += length;
            match input {
                Input::Text(text) if is_echoed => self.answer(slot, opcode::TEXT, text),
                Input::Text(text) if text == PING => self.answer(slot, opcode::TEXT, b"pong"),
                Input::Text(text) => self.fan_out(text),
                Input::Ping(payload) => self.answer(slot, opcode::PONG, payload),
                Input::Ignored => {}
                Input::End => {
                    self.dropped.push(slot);
                    break;
                }
            }
        }
        used
    }

    fn answer(&mut self, slot: usize, opcode: u8, payload: &[u8]) {
        let mut frame = Vec::new();
        frame::encode_server(&mut frame, opcode, payload);
        self.write(slot, &frame);
    }

    fn fan_out(&mut self, text: &[u8]) {
        let mut frame = Vec::with_capacity(text.len() + 10);
        frame::encode_server(&mut frame, opcode::TEXT, text);
        for index in 0..self.subscribers.len() {
            self.write(self.subscribers[index], &frame);
        }
    }

    /// One write, whatever comes of it: who does not take all of it is too slow, and dropped.
    fn write(&mut self, slot: usize, bytes: &[u8]) {
        let Some(peer) = &self.peers[slot] else {
            return;
        };
        if rustix::io::write(&peer.fd, bytes) != Ok(bytes.len()) {
            self.dropped.push(slot);
        }
    }

    fn drop_marked(&mut self) {
        while let Some(slot) = self.dropped.pop() {
            if self.peers[slot].take().is_some() {
                self.subscribers.retain(|subscriber| *subscriber != slot);
                self.free.push(slot);
            }
        }
    }
}
