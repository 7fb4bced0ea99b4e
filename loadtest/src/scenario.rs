//! The scenarios, and what they have in common: preparing the process, opening connections, ending.

mod arrivals;
pub mod chat;
mod crowd;
mod drive;
pub mod echo;
pub mod fanout;
pub mod handshake;
pub mod idle;
pub mod live;
mod message;
pub mod mixed;
mod probe;
pub mod push;
mod ramp;
pub mod room;
mod rooms;
mod schedule;
pub mod slow;
pub mod soak;
mod spread;
pub mod storm;
mod traffic;
pub mod unicast;

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

use crate::cli::Common;
use crate::client::{Loss, Losses};
use crate::engine::{Engine, Io, Outlet};
use crate::interrupt::Interrupt;
use crate::process::{self, Watch};
use crate::report::{Table, thousands};
use crate::server::{Role, Room, Step};
use crate::socket::{self, Sources};
use crate::template::{Seat, Template};
use crate::token::{Passes, Signer};

/// Why a scenario did not end well.
#[derive(Debug, Error)]
pub enum RunError {
    /// Options that do not go together or exceed what this machine allows.
    #[error("{0}")]
    Usage(String),
    /// It ran and reported, but connections were lost.
    #[error("{0}")]
    Lost(String),
    /// It could not go on.
    #[error("{0}")]
    Failed(String),
}

impl From<std::io::Error> for RunError {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(format!("the processes of this run: {error}"))
    }
}

impl From<rustix::io::Errno> for RunError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(match error {
            // The engine says so of a signal that nobody heeds.
            rustix::io::Errno::INTR => "interrupted".to_owned(),
            error => format!("epoll: {error}"),
        })
    }
}

pub(crate) use drive::{Merge, Record, Scenario, run};
pub(crate) use room::Layout;

/// Prepares this process for so many connections at once.
fn prepare(
    common: &Common,
    connections: usize,
    watch: Watch,
    outlet: Outlet,
) -> Result<Engine, RunError> {
    socket::reserve_files(connections).map_err(RunError::Usage)?;
    process::pin(&common.cpu).map_err(RunError::Usage)?;
    process::sharpen_sleep();
    let mut engine = Engine::telling(watch, outlet)?;
    engine.io.set_ping_interval(common.ping);
    engine.hear(Interrupt::listen()?);
    Ok(engine)
}

/// Where connections go, where they come from and what they ask for.
#[derive(Debug)]
struct Plan<'a> {
    targets: &'a [SocketAddr],
    sources: Sources,
    path: Path<'a>,
    /// Further lines of the upgrade request, behind what roles ask for.
    headers: &'a [String],
    /// What the numbers of connections begin with.
    first: usize,
    /// Over how long connections are opened.
    over: Duration,
}

/// Where connections go and what they ask for.
#[derive(Clone, Copy, Debug)]
enum Path<'a> {
    /// This path, and the addresses in turn.
    Text(&'a Template),
    /// This role, and the addresses in turn.
    Role(&'a Role),
    /// The role of each in its room; the addresses in turn.
    Room(&'a Room, &'a Layout),
    /// A token for each. Connections 0 and 1 are a pair, 2 and 3, and so on: the two go to different addresses if
    /// there are several, and of the first ones of all pairs as many to each.
    Token(&'a Signer),
    /// A credential of the `live` dialect for each; the addresses in turn.
    Pass(&'a Passes),
}

impl<'a> Plan<'a> {
    fn new(common: &'a Common, path: &'a Template, connections_at_once: usize) -> Self {
        Self::of(common, Path::Text(path), connections_at_once)
    }

    fn of(common: &'a Common, path: Path<'a>, connections_at_once: usize) -> Self {
        Self {
            targets: &common.to,
            sources: Sources::new(common.source, connections_at_once),
            path,
            headers: &common.header,
            first: common.first,
            over: common.ramp,
        }
    }

    /// For connections of a role.
    fn as_role(common: &'a Common, role: &'a Role, connections_at_once: usize) -> Self {
        Self::of(common, Path::Role(role), connections_at_once)
    }

    /// The role of connection `index`, if it has one.
    fn role(&self, index: usize) -> Option<&'a Role> {
        match self.path {
            Path::Text(_) | Path::Token(_) | Path::Pass(_) => None,
            Path::Role(role) => Some(role),
            Path::Room(room, layout) => {
                let is_publisher = layout.publisher(layout.room_of(index)) == index;
                Some(if is_publisher {
                    &room.publisher
                } else {
                    &room.member
                })
            }
        }
    }

    /// What is said and heard before connection `index` is what it should be.
    fn hello(&self, index: usize) -> &'a [Step] {
        self.role(index).map_or(&[], |role| &role.hello)
    }

    /// Whether there is a connection of which [`Plan::hello`] is anything.
    fn has_hello(&self) -> bool {
        match self.path {
            Path::Text(_) | Path::Token(_) | Path::Pass(_) => false,
            Path::Role(role) => !role.hello.is_empty(),
            Path::Room(room, _) => {
                !room.member.hello.is_empty() || !room.publisher.hello.is_empty()
            }
        }
    }

    /// The number of connection `index` among those of all processes, and that of its room.
    fn seat(&self, index: usize) -> Seat {
        let room = match self.path {
            Path::Room(_, layout) => layout.number(layout.room_of(index)),
            _ => 0,
        };
        Seat {
            index: self.first + index,
            room,
        }
    }

    /// Starts the connection that is number `index` of this plan, under `id`.
    fn open(&self, io: &mut Io, id: usize, index: usize) -> Result<(), Loss> {
        let (seat, role) = (self.seat(index), self.role(index));
        let index = seat.index;
        let (turn, path) = match self.path {
            Path::Text(template) => (index, template.for_index(index)),
            Path::Role(_) | Path::Room(..) => {
                let path = role.map(|role| role.path.for_seat(seat));
                (index, path.unwrap_or_default())
            }
            Path::Pass(passes) => (index, format!("/live?auth={}", passes.pass(index))),
            Path::Token(signer) => {
                let token = signer.token(index).ok_or(Loss::Handshake)?;
                (index / 2 + index % 2, format!("/im/{token}"))
            }
        };
        let target = self.targets[turn % self.targets.len()];
        let mut request = Vec::with_capacity(256);
        let headers = role.map_or(&[][..], |role| &role.headers);
        let headers = [headers, self.headers].concat();
        crate::handshake::request(&mut request, &path, &target.to_string(), &headers);
        io.connect(id, self.sources.pick(index, target), target, &request)
    }
}

/// Adds the rows that tell of losses, if there were any.
fn loss_rows(table: &mut Table, losses: &Losses) {
    if losses.total() > 0 {
        table.row("connections lost", thousands(losses.total() as f64));
    }
    table.row_if("first loss", losses.first.clone());
}

/// Turns losses into the error that makes the exit code 1.
fn judge(losses: &Losses) -> Result<(), RunError> {
    match losses.total() {
        0 => Ok(()),
        lost => {
            let first = losses.first.as_deref().unwrap_or_default();
            Err(RunError::Lost(format!(
                "{lost} connections lost, the first one: {first}"
            )))
        }
    }
}
