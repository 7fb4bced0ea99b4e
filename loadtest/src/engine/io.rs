//! The connections: sending and closing on demand, reading when epoll says so.

mod connection;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};

use super::Handler;
use super::habits::{Ear, Habits};
use super::pulse::Pulse;
use super::visit::Visit;
use crate::client::{Client, Loss, Losses};
use crate::clock;
use crate::frame::{self, opcode};
use crate::meter::Meter;
use crate::socket;
use connection::Connection;

/// What the system may keep again of what comes on a connection that is read from again.
const RESUMED_BUFFER_BYTES: usize = 128 * 1024;

/// The connections, and what can be done with them from a callback.
#[derive(Debug)]
pub struct Io {
    epoll: OwnedFd,
    connections: Vec<Option<Connection>>,
    open: usize,
    /// For frames on their way out, so that sending needs no memory of its own.
    scratch: Vec<u8>,
    losses: Losses,
    reads: u64,
    meter: Meter,
    habits: Habits,
    pulse: Pulse,
    /// What callers' numbers of connections begin at.
    base: usize,
    /// Connections to be read from again, of which no event will tell.
    resumed: Vec<usize>,
}

impl Io {
    pub(super) fn new(meter: Meter) -> Result<Self, Errno> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            open: 0,
            scratch: Vec::new(),
            losses: Losses::default(),
            reads: 0,
            meter,
            habits: Habits::default(),
            pulse: Pulse::default(),
            base: 0,
            resumed: Vec::new(),
        })
    }

    pub(super) fn epoll(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    /// From now on callers' numbers of connections begin at `base`: each part of a scenario counts its own from 0 on.
    pub fn rebase(&mut self, base: usize) {
        self.base = base;
    }

    pub(super) fn base(&self) -> usize {
        self.base
    }

    /// Sets what is done with messages from now on.
    pub fn set_habits(&mut self, habits: Habits) {
        self.habits = habits;
    }

    /// Pings who says nothing for `interval` from now on, and nobody if it is 0.
    pub fn set_ping_interval(&mut self, interval: Duration) {
        self.pulse = Pulse::new(interval, clock::now());
    }

    /// Pings whose turn it is and who has said nothing. Who reads nothing gets no further by that.
    pub(super) fn ping_silent(&mut self, now: Instant) {
        for turn in self.pulse.begun(now) {
            for number in Pulse::looked_at(turn, self.connections.len()) {
                if let Some(Some(connection)) = self.connections.get_mut(number)
                    && self.pulse.is_silent(connection.spoke)
                    && !connection.is_stalled
                    && connection.client.is_upgraded()
                {
                    connection.spoke = self.pulse.now();
                    frame::encode_client(&mut self.scratch, opcode::PING, b"");
                    connection.send(&self.scratch);
                    self.scratch.clear();
                }
            }
        }
    }

    /// Starts a connection under number `id`, which must be free, and sends the upgrade request.
    ///
    /// # Errors
    /// A loss that is certain at once. It is not counted: the caller does, with [`Io::count_loss`].
    pub fn connect(
        &mut self,
        id: usize,
        from: Option<Ipv4Addr>,
        to: SocketAddr,
        request: &[u8],
    ) -> Result<(), Loss> {
        self.dial(self.base + id, from, to, Client::default())?;
        // On loopback the connection is established by now, which saves an event.
        self.send_encoded(id, request);
        Ok(())
    }

    /// Starts a connection under number `id`, which must be free, for requests that are posted. It counts as open
    /// at once.
    ///
    /// # Errors
    /// Those of [`Io::connect`].
    pub fn connect_for_posts(
        &mut self,
        id: usize,
        from: Option<Ipv4Addr>,
        to: SocketAddr,
    ) -> Result<(), Loss> {
        self.dial(self.base + id, from, to, Client::of_posts())?;
        self.open += 1;
        Ok(())
    }

    fn dial(
        &mut self,
        id: usize,
        from: Option<Ipv4Addr>,
        to: SocketAddr,
        client: Client,
    ) -> Result<(), Loss> {
        let began = clock::now();
        let fd = socket::dial(from, to)?;
        let flags = epoll::EventFlags::IN
            | epoll::EventFlags::OUT
            | epoll::EventFlags::RDHUP
            | epoll::EventFlags::ET;
        epoll::add(
            &self.epoll,
            &fd,
            epoll::EventData::new_u64(id as u64),
            flags,
        )?;
        if self.connections.len() <= id {
            self.connections.resize_with(id + 1, || None);
        }
        debug_assert!(
            self.connections[id].is_none(),
            "connection number {id} is taken"
        );
        self.connections[id] = Some(Connection {
            fd,
            client,
            began,
            ear: Ear::default(),
            unsent: Vec::new(),
            broken: None,
            is_stalled: false,
            spoke: self.pulse.now(),
        });
        Ok(())
    }

    /// Sends a text message.
    pub fn send_text(&mut self, id: usize, text: &[u8]) {
        self.send_frame(id, opcode::TEXT, text);
    }

    /// Sends a frame.
    pub fn send_frame(&mut self, id: usize, opcode: u8, payload: &[u8]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        frame::encode_client(&mut scratch, opcode, payload);
        self.send_encoded(id, &scratch);
        scratch.clear();
        self.scratch = scratch;
    }

    /// Sends frames that are encoded already. On a connection that is no longer there it does nothing.
    pub fn send_encoded(&mut self, id: usize, frames: &[u8]) {
        self.send_on(self.base + id, frames);
    }

    fn send_on(&mut self, number: usize, frames: &[u8]) {
        if let Some(Some(connection)) = self.connections.get_mut(number) {
            connection.spoke = self.pulse.now();
            connection.send(frames);
        }
    }

    /// Asks the kernel to delay acknowledgements on all connections, as for a conversation: every second segment is
    /// then acknowledged while it arrives. Otherwise each read of a small message sends an acknowledgement of its
    /// own, which costs more than the read. The kernel goes back to that when a segment stays alone for 40 ms.
    pub fn delay_acks(&self) {
        for connection in self.connections.iter().flatten() {
            // Only a nicety: refused, a read costs what it costs.
            let _ = sockopt::set_tcp_quickack(&connection.fd, false);
        }
    }

    /// Reads no more from a connection, until it is resumed or comes to its end. So that soon nothing more fits in, the
    /// system keeps no more than `buffer_bytes` of what comes, and what had been announced to the server before.
    pub fn stall(&mut self, id: usize, buffer_bytes: usize) {
        if let Some(Some(connection)) = self.connections.get_mut(self.base + id) {
            connection.is_stalled = true;
            // Only a nicety: refused, it takes longer until nothing fits in.
            let _ = sockopt::set_socket_recv_buffer_size(&connection.fd, buffer_bytes);
        }
    }

    /// Reads from a connection again, with what has come meanwhile at the next look at the sockets.
    pub fn resume(&mut self, id: usize) {
        let number = self.base + id;
        if let Some(Some(connection)) = self.connections.get_mut(number) {
            // Only a nicety: refused, it cannot keep up.
            let _ = sockopt::set_socket_recv_buffer_size(&connection.fd, RESUMED_BUFFER_BYTES);
        }
        self.end_stall(number);
    }

    pub(super) fn take_resumed(&mut self) -> Option<usize> {
        self.resumed.pop()
    }

    pub(super) fn end_stall(&mut self, number: usize) {
        if let Some(Some(connection)) = self.connections.get_mut(number)
            && std::mem::take(&mut connection.is_stalled)
        {
            self.resumed.push(number);
        }
    }

    /// Closes a connection with a reset.
    pub fn close(&mut self, id: usize) {
        self.drop_connection(self.base + id);
    }

    fn drop_connection(&mut self, number: usize) {
        if let Some(connection) = self.connections.get_mut(number).and_then(Option::take)
            && connection.client.is_open()
        {
            self.open -= 1;
        }
    }

    /// Whether the connection is open, that is, upgraded.
    #[must_use]
    pub fn is_open(&self, id: usize) -> bool {
        let connection = self.connections.get(self.base + id);
        matches!(connection, Some(Some(connection)) if connection.client.is_open())
    }

    /// Whether there is a connection of that number, open or still opening.
    #[must_use]
    pub fn exists(&self, id: usize) -> bool {
        matches!(self.connections.get(self.base + id), Some(Some(_)))
    }

    /// The numbers of connections are below this.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.connections.len()
    }

    /// The number of open connections.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.open
    }

    /// Where handlers count. Clones are the same meter.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// How many reads have been made.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// Counts a loss that the caller found.
    pub fn count_loss(&mut self, loss: &Loss) {
        self.losses.add(loss);
    }

    /// All losses so far.
    #[must_use]
    pub fn losses(&self) -> &Losses {
        &self.losses
    }
}

impl Io {
    /// Handles one event. Which kind it is does not matter: whatever happened, a read tells.
    #[inline]
    pub(super) fn dispatch<H: Handler>(&mut self, id: usize, buffer: &mut [u8], handler: &mut H) {
        // Gone when a callback of this batch closed it.
        let Some(Some(connection)) = self.connections.get_mut(id) else {
            return;
        };
        if !connection.unsent.is_empty() {
            connection.flush();
        }
        if connection.is_stalled {
            return;
        }
        loop {
            let Some(Some(connection)) = self.connections.get_mut(id) else {
                return;
            };
            self.reads += 1;
            let length = match recv(&connection.fd, &mut *buffer, RecvFlags::empty()) {
                Ok((0, _)) => {
                    let loss = connection.broken.map_or(Loss::Closed(None), Loss::from);
                    return self.lose(id, &loss, handler);
                }
                Ok((length, _)) => length,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(error) => {
                    let loss = connection.broken.unwrap_or(error).into();
                    return self.lose(id, &loss, handler);
                }
            };
            if let Err(loss) = self.receive(id, &buffer[..length], handler) {
                return self.lose(id, &loss, handler);
            }
            // A short read emptied the socket, so the next byte makes a new edge.
            if length < buffer.len() {
                return;
            }
        }
    }

    #[inline]
    fn receive<H: Handler>(
        &mut self,
        id: usize,
        bytes: &[u8],
        handler: &mut H,
    ) -> Result<(), Loss> {
        let Some(Some(connection)) = self.connections.get_mut(id) else {
            return Ok(());
        };
        let mut frames = bytes;
        if !connection.client.is_open() {
            let Some(left) = connection.client.upgrade(bytes)? else {
                return Ok(());
            };
            frames = &bytes[bytes.len() - left..];
            self.open += 1;
            self.meter.handshake(clock::now() - connection.began);
            handler.opened(self, id);
        }
        // The callback may have closed it, and opened another one under the same number.
        let Some(Some(connection)) = self.connections.get_mut(id) else {
            return Ok(());
        };
        if !connection.client.is_open() {
            return Ok(());
        }
        let mut visit = Visit {
            id,
            handler,
            answers: &mut self.scratch,
            habits: &self.habits,
            ear: &mut connection.ear,
            close: None,
        };
        connection.client.receive(frames, &mut visit)?;
        let close = visit.close;
        if !self.scratch.is_empty() {
            let mut answers = std::mem::take(&mut self.scratch);
            self.send_on(id, &answers);
            answers.clear();
            self.scratch = answers;
        }
        handler.after_read(self, id);
        close.map_or(Ok(()), |code| Err(Loss::Closed(code)))
    }

    fn lose<H: Handler>(&mut self, id: usize, loss: &Loss, handler: &mut H) {
        self.drop_connection(id);
        self.losses.add(loss);
        handler.lost(self, id, loss);
    }
}
