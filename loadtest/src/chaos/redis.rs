//! Asking Redis, one blocking command per connection: enough to count what the nodes keep there.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Reply {
    /// A text, a number as it was written, or nothing.
    Value(String),
    /// What Redis complains about.
    Error(String),
    Array(Vec<Self>),
}

/// How much of the nodes is in Redis.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Holdings {
    /// Names in the list of members.
    pub(super) members: usize,
    /// Inboxes.
    pub(super) inboxes: usize,
    /// Cursors in the presence stream.
    pub(super) groups: usize,
}

/// Counts what the nodes keep in Redis.
///
/// # Errors
/// What the system reports, or an answer that is none.
pub(super) fn holdings(to: SocketAddr, timeout: Duration) -> io::Result<Holdings> {
    let count = |words: &[&str]| match ask(to, timeout, words)? {
        Reply::Array(entries) => Ok(entries.len()),
        // The stream does not exist yet.
        Reply::Error(text) if text.contains("no such key") => Ok(0),
        other => Err(invalid(&format!("{words:?}: {other:?}"))),
    };
    Ok(Holdings {
        members: count(&["SMEMBERS", "tg:members"])?,
        inboxes: count(&["KEYS", "tg:inbox:*"])?,
        groups: count(&["XINFO", "GROUPS", "tg:presence"])?,
    })
}

/// Whether it is this process that answers, and not another Redis at the same address.
#[must_use]
pub(super) fn is_process(to: SocketAddr, pid: u32, timeout: Duration) -> bool {
    let own = format!("process_id:{pid}");
    let Ok(Reply::Value(text)) = ask(to, timeout, &["INFO", "server"]) else {
        return false;
    };
    text.lines().any(|line| line == own)
}

fn ask(to: SocketAddr, timeout: Duration, words: &[&str]) -> io::Result<Reply> {
    let mut stream = TcpStream::connect_timeout(&to, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    stream.write_all(command(words).as_bytes())?;
    read(&mut BufReader::new(stream))
}

fn command(words: &[&str]) -> String {
    let words_text = words
        .iter()
        .map(|word| format!("${}\r\n{word}\r\n", word.len()));
    format!("*{}\r\n{}", words.len(), words_text.collect::<String>())
}

fn read(from: &mut impl BufRead) -> io::Result<Reply> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let line = line.trim_end_matches(['\r', '\n']);
    let (kind, rest) = line
        .split_at_checked(1)
        .ok_or_else(|| invalid("it has no answer"))?;
    match kind {
        "+" | ":" => Ok(Reply::Value(rest.to_owned())),
        "-" => Ok(Reply::Error(rest.to_owned())),
        "$" | "*" if rest == "-1" => Ok(Reply::Value(String::new())),
        "$" => {
            let mut bytes = vec![0; number(rest)? + 2];
            from.read_exact(&mut bytes)?;
            let text = String::from_utf8_lossy(&bytes);
            Ok(Reply::Value(text.trim_end_matches("\r\n").to_owned()))
        }
        "*" => (0..number(rest)?)
            .map(|_| read(from))
            .collect::<io::Result<_>>()
            .map(Reply::Array),
        _ => Err(invalid(line)),
    }
}

fn number(text: &str) -> io::Result<usize> {
    text.parse().map_err(|_| invalid(text))
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("Redis: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(text: &str) -> Reply {
        read(&mut text.as_bytes()).unwrap()
    }

    #[test]
    fn commands_are_arrays_of_texts() {
        let text = command(&["KEYS", "a*"]);
        assert_eq!(text, "*2\r\n$4\r\nKEYS\r\n$2\r\na*\r\n");
    }

    #[test]
    fn answers_of_every_kind_are_read() {
        let value = |text: &str| Reply::Value(text.to_owned());
        assert_eq!(reply("+PONG\r\n"), value("PONG"));
        assert_eq!(reply("-ERR no\r\n"), Reply::Error("ERR no".to_owned()));
        assert_eq!(
            reply("*3\r\n$2\r\nab\r\n:7\r\n*1\r\n$-1\r\n"),
            Reply::Array(vec![value("ab"), value("7"), Reply::Array(vec![value("")])])
        );
        assert!(read(&mut "".as_bytes()).is_err());
        assert!(read(&mut "?\r\n".as_bytes()).is_err());
    }
}
