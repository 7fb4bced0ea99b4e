//! Answers to requests that were sent in a row on one connection: only their statuses matter.

use thiserror::Error;

/// More than any server sends; without a limit a server of another protocol would fill the memory.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Position within the stream of answers.
#[derive(Debug, Default)]
pub struct Answers {
    /// What has come of the current head.
    head: Vec<u8>,
    /// Bytes of the current body that have not come yet.
    body_left: u64,
}

/// What is no answer.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum AnswerError {
    /// Another protocol, or an endless head.
    #[error("no HTTP answer")]
    NotHttp,
    /// A body whose length is not said at its beginning.
    #[error("an HTTP answer without Content-Length")]
    NoLength,
}

impl Answers {
    /// Consumes the next bytes, and gives the status of each answer to `answered` when its head has come.
    ///
    /// # Errors
    /// See [`AnswerError`]; this is useless afterwards.
    pub fn scan(&mut self, bytes: &[u8], mut answered: impl FnMut(u16)) -> Result<(), AnswerError> {
        let mut rest = bytes;
        loop {
            let skipped = usize::try_from(self.body_left)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            self.body_left -= skipped as u64;
            rest = &rest[skipped..];
            let Some((byte, tail)) = rest.split_first() else {
                return Ok(());
            };
            rest = tail;
            self.head.push(*byte);
            if self.head.ends_with(b"\r\n\r\n") {
                let (status, length) = read_head(&self.head)?;
                self.head.clear();
                self.body_left = length;
                answered(status);
            } else if HEAD_BYTES_MAX < self.head.len() {
                return Err(AnswerError::NotHttp);
            }
        }
    }
}

/// The status and the length of the body.
fn read_head(head: &[u8]) -> Result<(u16, u64), AnswerError> {
    let head = String::from_utf8_lossy(head);
    let status = head
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse::<u16>().ok())
        .ok_or(AnswerError::NotHttp)?;
    if matches!(status, 100..=199 | 204 | 304) {
        return Ok((status, 0));
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok());
    Ok((status, length.ok_or(AnswerError::NoLength)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statuses(pieces: &[&[u8]]) -> Result<Vec<u16>, AnswerError> {
        let (mut answers, mut statuses) = (Answers::default(), Vec::new());
        for piece in pieces {
            answers.scan(piece, |status| statuses.push(status))?;
        }
        Ok(statuses)
    }

    #[test]
    fn what_is_no_answer_is_told_of() {
        assert_eq!(statuses(&[b"SSH-2.0\r\n\r\n"]), Err(AnswerError::NotHttp));
        assert_eq!(statuses(&[&[b'x'; 17_000]]), Err(AnswerError::NotHttp));
        assert_eq!(
            statuses(&[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"]),
            Err(AnswerError::NoLength)
        );
        assert_eq!(statuses(&[b"HTTP/1.1 204 No\r\n\r\n"]), Ok(vec![204]));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            sent in prop::collection::vec((200..600_u16, "[a-z\r\n]{0,20}"), 1..5), size in 1..80_usize,
        ) {
            let mut stream = String::new();
            for (status, body) in &sent {
                // 204 and 304 have no body.
                let status = if matches!(status, 204 | 304) { 200 } else { *status };
                let length = body.len();
                stream += &format!("HTTP/1.1 {status} Some\r\ncontent-length: {length}\r\n\r\n{body}");
            }
            let pieces: Vec<_> = stream.as_bytes().chunks(size).collect();
            let expected = sent.iter().map(|(status, _)| if matches!(status, 204 | 304) { 200 } else { *status });
            prop_assert_eq!(statuses(&pieces), Ok(expected.collect::<Vec<_>>()));
        }
    }
}
