//! Which connection is in which room.

use std::ops::Range;

use crate::cli::{Common, Part, Size, Sizes};
use crate::scenario::RunError;

/// Members of a room by default.
const MEMBERS: usize = 50;

/// The rooms, one behind the other: all of them, or those of one of several processes.
#[derive(Debug)]
pub(crate) struct Layout {
    /// Numbers of the first room and of the first connection.
    first: (usize, usize),
    /// Connections of each room, from 0 on.
    rooms: Vec<Range<usize>>,
    /// Room of each connection, from 0 on.
    room_of: Vec<u32>,
}

impl Layout {
    /// The rooms of a run, or those that this process has of them.
    ///
    /// # Errors
    /// They have not as many members as there are connections.
    pub(crate) fn of(sizes: &Sizes, connections: usize) -> Result<Self, RunError> {
        match sizes.part {
            Some((part, all)) => Ok(Self::new(&sizes.rooms, all)?.share(part)),
            None => Self::new(&sizes.rooms, connections),
        }
    }

    /// What one of several processes has of the rooms of a run, with its connections, and how much of all rooms that is.
    ///
    /// # Errors
    /// One line, when it would have none.
    pub(crate) fn split(
        sizes: &Sizes,
        common: &Common,
        part: Part,
    ) -> Result<(Sizes, Common, f64), String> {
        let all = Self::new(&sizes.rooms, common.connections).map_err(|it| it.to_string())?;
        let rooms = all.count();
        let own = all.share(part);
        if own.count() == 0 {
            let count = part.count;
            return Err(format!(
                "--processes {count}: {rooms} rooms are too few for so many"
            ));
        }
        let shared = Common {
            connections: own.connections(),
            first: own.index(0),
            ..common.apart(part, common.connections)?
        };
        let sizes = Sizes {
            part: Some((part, common.connections)),
            ..sizes.clone()
        };
        Ok((sizes, shared, own.count() as f64 / rooms as f64))
    }

    /// Rooms of these sizes, or of [`MEMBERS`] each, and the last one larger.
    ///
    /// # Errors
    /// They have not as many members as there are connections.
    pub(crate) fn new(sizes: &[Size], connections: usize) -> Result<Self, RunError> {
        let sizes: Vec<usize> = match sizes {
            [] => {
                let full = (connections / MEMBERS).max(1);
                let mut sizes = vec![MEMBERS; full - 1];
                sizes.push(connections - MEMBERS * (full - 1));
                sizes
            }
            sizes => {
                let members = |size: &Size| std::iter::repeat_n(size.members, size.rooms);
                sizes.iter().flat_map(members).collect()
            }
        };
        let members: usize = sizes.iter().sum();
        if members != connections {
            return Err(RunError::Usage(format!(
                "--rooms have {members} members, and there are {connections} connections (-n)"
            )));
        }
        if sizes.iter().any(|members| *members < 2) {
            return Err(RunError::Usage(
                "a room has one connection, and nobody to publish to".to_owned(),
            ));
        }
        let mut layout = Self {
            first: (0, 0),
            rooms: Vec::with_capacity(sizes.len()),
            room_of: Vec::with_capacity(members),
        };
        for (number, members) in (0..).zip(sizes) {
            let begin = layout.room_of.len();
            layout.rooms.push(begin..begin + members);
            layout.room_of.extend(std::iter::repeat_n(number, members));
        }
        Ok(layout)
    }

    /// What one of several processes has of it: whole rooms, with about as many connections as each other has.
    fn share(self, part: Part) -> Self {
        let connections = self.room_of.len();
        // By its middle, so that two rooms can be shared by two processes also when the second one is larger.
        let part_of = |room: &Range<usize>| (room.start + room.end) * part.count / connections / 2;
        let begin = self
            .rooms
            .partition_point(|room| part_of(room) < part.number);
        let end = self
            .rooms
            .partition_point(|room| part_of(room) <= part.number);
        let first = self.rooms.get(begin).map_or(connections, |room| room.start);
        let rooms = &self.rooms[begin..end];
        let rooms: Vec<_> = rooms
            .iter()
            .map(|room| room.start - first..room.end - first)
            .collect();
        let own = (0..).zip(&rooms);
        let room_of = own.flat_map(|(number, room)| std::iter::repeat_n(number, room.len()));
        Self {
            first: (begin, first),
            room_of: room_of.collect(),
            rooms,
        }
    }

    /// The number of a room among those of all processes.
    pub(crate) fn number(&self, room: usize) -> usize {
        self.first.0 + room
    }

    /// The number of a connection among those of all processes.
    pub(crate) fn index(&self, connection: usize) -> usize {
        self.first.1 + connection
    }

    pub(crate) fn connections(&self) -> usize {
        self.room_of.len()
    }

    pub(crate) fn count(&self) -> usize {
        self.rooms.len()
    }

    /// The room of a connection.
    pub(crate) fn room_of(&self, index: usize) -> usize {
        self.room_of[index] as usize
    }

    /// The rooms of all connections.
    pub(crate) fn all(&self) -> impl Iterator<Item = u32> {
        self.room_of.iter().copied()
    }

    /// The connections of a room.
    pub(crate) fn members(&self, room: usize) -> Range<usize> {
        self.rooms[room].clone()
    }

    /// Who publishes in a room: each time the next one, so that publishers are spread over the nodes as members are.
    pub(crate) fn publisher(&self, room: usize) -> usize {
        let members = self.members(room);
        members.start + self.number(room) % members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    #[test]
    fn every_connection_is_in_one_room() {
        let sizes = ["2x3", "5"].map(|size| size.parse().unwrap());
        let layout = Layout::new(&sizes, 11).unwrap();
        let rooms: Vec<_> = layout.all().collect();
        assert_eq!(rooms, [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2]);
        assert_eq!((layout.count(), layout.members(2)), (3, 6..11));
        assert_eq!((layout.publisher(1), layout.publisher(2)), (4, 8));
    }

    #[test]
    fn rooms_have_fifty_members_if_nothing_is_said() {
        let layout = Layout::new(&[], 120).unwrap();
        assert_eq!((layout.members(0), layout.members(1)), (0..50, 50..120));
        assert_eq!(Layout::new(&[], 2).unwrap().members(0), 0..2);
    }

    #[test]
    fn processes_have_whole_rooms() {
        let sizes = ["5x2", "2x5"].map(|size| size.parse().unwrap());
        let share = |number| {
            let layout = Layout::new(&sizes, 20).unwrap();
            layout.share(Part { number, count: 3 })
        };
        let shares = [0, 1, 2].map(share);
        let rooms = shares.each_ref().map(Layout::count);
        let connections = shares.each_ref().map(Layout::connections);
        assert_eq!((rooms, connections), ([3, 3, 1], [6, 9, 5]));
        let second = &shares[1];
        assert_eq!((second.number(2), second.index(2)), (5, 8));
        assert_eq!((second.members(2), second.room_of(8)), (4..9, 2));
    }

    #[test]
    fn a_process_has_its_connections_and_a_room() {
        let line = "loadtest room --to 127.0.0.1:1 -n 120 --room-rate 1 --source 127.0.1.1";
        let Ok(cli::Command::Room(arguments)) = cli::parse(line.split(' ').map(Into::into)) else {
            panic!("{line}");
        };
        let split = |number, count| {
            Layout::split(&arguments.sizes, &arguments.common, Part { number, count })
        };
        let (sizes, common, share) = split(1, 2).unwrap();
        assert_eq!((common.first, common.connections, share), (50, 70, 0.5));
        assert_eq!(common.source.octets(), [127, 0, 1, 5]);
        let own = Layout::of(&sizes, common.connections).unwrap();
        assert_eq!((own.connections(), own.number(0)), (70, 1));
        assert!(split(1, 3).unwrap_err().contains("2 rooms are too few"));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let size = Size {
            rooms: 2,
            members: 3,
        };
        let error = Layout::new(&[size], 7).unwrap_err().to_string();
        assert!(error.contains("6 members") && error.contains("7 connections"));
        assert!(Layout::new(&[], 1).is_err());
        for text in ["3x1", "x", "0x5", "a"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
