//! Which connection is in which room.

use std::ops::Range;

use crate::cli::{Part, Size};
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
    pub(crate) fn share(self, part: Part) -> Self {
        let connections = self.room_of.len();
        let part_of = |room: &Range<usize>| room.start * part.count / connections;
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
        members.start + room % members.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!((rooms, connections), ([4, 2, 1], [8, 7, 5]));
        let second = &shares[1];
        assert_eq!((second.number(1), second.index(2)), (5, 10));
        assert_eq!((second.members(1), second.room_of(6)), (2..7, 1));
        let few = Layout::new(&sizes[1..], 10).unwrap();
        assert_eq!(
            few.share(Part {
                number: 2,
                count: 3
            })
            .count(),
            0
        );
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
