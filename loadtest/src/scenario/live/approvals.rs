//! What was approved, in its order: of several processes the first one approves, and the others read it.

use std::io;
use std::time::Instant;

use crate::processes::{Board, moment_of, nanoseconds_of};

/// Something that a phone has said: who it was is in its text, so that any process knows it again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Word {
    /// The process of the phone.
    pub(super) process: usize,
    /// When it was due, in nanoseconds.
    pub(super) due: u64,
}

/// A word that was approved.
#[derive(Clone, Copy, Debug)]
pub(super) struct Approval {
    pub(super) word: Word,
    /// When it was.
    pub(super) at: Instant,
    /// Phones of this process that have not heard it.
    pub(super) left: usize,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Approvals {
    known: Vec<Approval>,
    /// How many phones this process has.
    phones: usize,
    board: Option<Board<3>>,
}

impl Word {
    pub(super) fn text(self) -> String {
        format!("{} {}", self.process, self.due)
    }

    /// The word of this text, if it is one.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (process, due) = text.split_once(' ')?;
        Some(Self {
            process: process.parse().ok()?,
            due: due.parse().ok()?,
        })
    }
}

impl Approvals {
    /// None yet, in a process with so many phones; without a board it is the only one.
    pub(super) fn new(phones: usize, board: Option<Board<3>>) -> Self {
        Self {
            known: Vec::new(),
            phones,
            board,
        }
    }

    /// A word is about to be approved: nobody hears it before all processes can read of it.
    pub(super) fn add(&mut self, word: Word, at: Instant) -> io::Result<()> {
        if let Some(board) = &mut self.board {
            board.append([word.process as u64, word.due, nanoseconds_of(at)])?;
        }
        self.push(word, at);
        Ok(())
    }

    /// The approval of this number, from 0 on, if there is one.
    pub(super) fn get(&mut self, number: usize) -> io::Result<Option<&mut Approval>> {
        while self.known.len() <= number && self.read_next()? {}
        Ok(self.known.get_mut(number))
    }

    /// Reads what others have approved, and gives how many there are.
    pub(super) fn read(&mut self) -> io::Result<usize> {
        while self.read_next()? {}
        Ok(self.known.len())
    }

    /// When each word was due, and when it was approved, in nanoseconds.
    pub(super) fn times(&self) -> Vec<(u64, u64)> {
        let times = |it: &Approval| (it.word.due, nanoseconds_of(it.at));
        self.known.iter().map(times).collect()
    }

    fn read_next(&mut self) -> io::Result<bool> {
        let Some(board) = &self.board else {
            return Ok(false);
        };
        let Some([process, due, at]) = board.read(self.known.len())? else {
            return Ok(false);
        };
        let strange = || io::Error::other("an approval of no time");
        let word = Word {
            process: process as usize,
            due,
        };
        self.push(word, moment_of(at).ok_or_else(strange)?);
        Ok(true)
    }

    fn push(&mut self, word: Word, at: Instant) {
        self.known.push(Approval {
            word,
            at,
            left: self.phones,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::processes::Sheet;

    #[test]
    fn a_word_is_the_same_in_its_text() {
        let word = Word {
            process: 1,
            due: u64::MAX,
        };
        assert_eq!(Word::of(&word.text()), Some(word));
        for text in ["", "7", "1 x", "1 -1"] {
            assert_eq!(Word::of(text), None, "{text}");
        }
    }

    #[test]
    fn what_one_process_approves_another_one_knows() {
        let sheet = Sheet::new().unwrap();
        let open = |phones| Approvals::new(phones, Some(Board::open(&sheet.path()).unwrap()));
        let (mut walls, mut other) = (open(2), open(5));
        let word = |due| Word { process: 1, due };
        assert!(other.get(0).unwrap().is_none());
        for due in [7, 8] {
            walls.add(word(due), clock::now()).unwrap();
        }
        let approval = *other.get(0).unwrap().unwrap();
        assert_eq!((approval.word, approval.left), (word(7), 5));
        assert_eq!((walls.read().unwrap(), other.read().unwrap()), (2, 2));
        let (ours, theirs) = (walls.times(), other.times());
        assert_eq!((ours[1].0, theirs[1].0), (8, 8));
        let error = ours[1].1.abs_diff(theirs[1].1);
        assert!(error < 100_000_000, "{error}");
    }
}
