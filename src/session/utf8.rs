//! UTF-8 that arrives in pieces: a character may be split between any two of them.

/// The state of a check between two pieces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come.
    tail: [u8; 4],
    tail_len: u8,
}

/// The text is not UTF-8.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct InvalidUtf8;

impl Utf8 {
    /// Checks the next piece.
    ///
    /// # Errors
    ///
    /// As soon as no continuation could make the text valid.
    pub(super) fn feed(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while 0 < self.tail_len {
            let Some((&byte, rest)) = piece.split_first() else {
                return Ok(());
            };
            piece = rest;
            let len = usize::from(self.tail_len) + 1;
            self.tail[len - 1] = byte;
            match std::str::from_utf8(&self.tail[..len]) {
                Ok(_) => self.tail_len = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => self.tail_len += 1,
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            if error.error_len().is_some() {
                return Err(InvalidUtf8);
            }
            let tail = &piece[error.valid_up_to()..];
            self.tail[..tail.len()].copy_from_slice(tail);
            self.tail_len = tail.len() as u8;
        }
        Ok(())
    }

    /// Ends the text and makes ready for another one.
    ///
    /// # Errors
    ///
    /// When the text ends inside a character.
    pub(super) fn finish(&mut self) -> Result<(), InvalidUtf8> {
        match std::mem::take(self).tail_len {
            0 => Ok(()),
            _ => Err(InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_pieces(text: &[u8], cuts: &[usize]) -> Result<(), InvalidUtf8> {
        let mut utf8 = Utf8::default();
        let mut rest = text;
        for cut in cuts {
            let (piece, after) = rest.split_at(*cut % (rest.len() + 1));
            utf8.feed(piece)?;
            rest = after;
        }
        utf8.feed(rest)?;
        utf8.finish()
    }

    #[test]
    fn half_a_character_at_the_end_is_refused() {
        assert_eq!(
            in_pieces("é".as_bytes().split_last().unwrap().1, &[]),
            Err(InvalidUtf8)
        );
    }

    #[test]
    fn what_cannot_become_valid_is_refused_at_once() {
        let mut utf8 = Utf8::default();
        assert_eq!(utf8.feed(b"\xf4"), Ok(()));
        assert_eq!(utf8.feed(b"\x90"), Err(InvalidUtf8));
    }

    proptest! {
        #[test]
        fn pieces_are_judged_like_the_whole(
            text in prop_oneof![
                ".{0,40}".prop_map(String::into_bytes),
                prop::collection::vec(any::<u8>(), 0..12),
            ],
            cuts in prop::collection::vec(0..40usize, 0..8),
        ) {
            prop_assert_eq!(in_pieces(&text, &cuts).is_ok(), std::str::from_utf8(&text).is_ok());
        }
    }
}
