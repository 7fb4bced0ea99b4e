//! The ways of a push into the gateway: its HTTP API, and the stream in Redis.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::cli::PushArgs;
use crate::key::{ApiKey, VARIABLE};
use crate::scenario::RunError;

/// The stream that applications push to.
const STREAM: &str = "tg:push";

/// What pushes over HTTP are called, and their users.
pub(super) const PUSH: &str = "push";
/// What pushes through Redis are called, and their users.
pub(super) const QUEUE: &str = "queue";

/// What pushes of these options are called, and their users: `push_0` or `queue_0`, and so on.
pub(super) fn kind(arguments: &PushArgs) -> &'static str {
    match arguments.redis {
        Some(_) => QUEUE,
        None => PUSH,
    }
}

/// Where a pusher pushes to.
#[derive(Clone, Debug)]
pub(super) enum Way {
    Http { admin: SocketAddr, key: ApiKey },
    Redis(SocketAddr),
}

/// A connection that pushes go through, one call at a time.
#[derive(Debug)]
pub(super) struct Pipe {
    way: Way,
    stream: BufReader<TcpStream>,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pushed {
    Accepted,
    /// By HTTP status.
    Refused(u16),
}

impl Way {
    /// That of each pusher.
    pub(super) fn of(arguments: &PushArgs) -> Result<Vec<Self>, RunError> {
        let numbers = arguments.pushers_before..arguments.pushers_before + arguments.pushers;
        let way = |pusher: usize| match arguments.redis {
            Some(redis) => Ok(Self::Redis(redis)),
            None => {
                let key = arguments.key.clone().or_else(ApiKey::from_environment);
                let missing =
                    || RunError::Usage(format!("--admin needs a key: --key, or {VARIABLE}"));
                Ok(Self::Http {
                    admin: arguments.admin[pusher % arguments.admin.len()],
                    key: key.ok_or_else(missing)?,
                })
            }
        };
        numbers.map(way).collect()
    }

    /// Connects; each step of a call may take so long.
    pub(super) fn open(&self, timeout: Duration) -> Result<Pipe, RunError> {
        let (Self::Http { admin: to, .. } | Self::Redis(to)) = self;
        let connect = || {
            let stream = TcpStream::connect_timeout(to, timeout)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(timeout))?;
            stream.set_write_timeout(Some(timeout))?;
            Ok(BufReader::new(stream))
        };
        let stream = connect().map_err(|error: io::Error| failed(*to, &error))?;
        Ok(Pipe {
            way: self.clone(),
            stream,
        })
    }
}

impl Pipe {
    /// Pushes a text of so many bytes to each of these users, in one call.
    pub(super) fn push(&mut self, users: &[usize], bytes: usize) -> Result<Pushed, RunError> {
        let call = match &self.way {
            Way::Http { admin, key } => http_call(*admin, key, users, bytes),
            Way::Redis(_) => redis_call(users, bytes),
        };
        let exchanged = match self.way {
            Way::Http { .. } => exchange_http(&mut self.stream, &call),
            Way::Redis(_) => exchange_redis(&mut self.stream, &call, users.len()),
        };
        let (Way::Http { admin: to, .. } | Way::Redis(to)) = self.way;
        exchanged.map_err(|error| failed(to, &error))
    }
}

fn message(kind: &str, user: usize, bytes: usize) -> String {
    let text = "x".repeat(bytes);
    format!(r#"{{"to":"user:{kind}_{user}","event":"m","data":{{"text":"{text}"}}}}"#)
}

fn http_call(admin: SocketAddr, key: &ApiKey, users: &[usize], bytes: usize) -> String {
    let (path, body) = match users {
        [user] => ("/api/publish", message(PUSH, *user, bytes)),
        _ => {
            let messages: Vec<String> = users
                .iter()
                .map(|user| message(PUSH, *user, bytes))
                .collect();
            let messages = messages.join(",");
            (
                "/api/publish/batch",
                format!(r#"{{"messages":[{messages}]}}"#),
            )
        }
    };
    let (key, length) = (key.text(), body.len());
    format!(
        "POST {path} HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {key}\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

fn redis_call(users: &[usize], bytes: usize) -> String {
    let mut call = String::new();
    for user in users {
        let message = message(QUEUE, *user, bytes);
        let words = ["XADD", STREAM, "*", "message", &message];
        let _ = write!(call, "*{}\r\n", words.len());
        for word in words {
            let _ = write!(call, "${}\r\n{word}\r\n", word.len());
        }
    }
    call
}

fn exchange_http(stream: &mut BufReader<TcpStream>, call: &str) -> io::Result<Pushed> {
    stream.get_mut().write_all(call.as_bytes())?;
    let status = read_line(stream)?;
    let status = status.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status: u16 = status.ok_or_else(|| invalid("no HTTP answer"))?;
    let mut length = 0;
    loop {
        let line = read_line(stream)?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().map_err(|_| invalid("no length"))?;
        }
    }
    let mut body = Vec::new();
    stream.take(length).read_to_end(&mut body)?;
    // A batch is answered with 200 whatever became of its parts.
    let is_whole = !body.windows(9).any(|text| text == b"\"problem\"");
    Ok(match status {
        200 if is_whole => Pushed::Accepted,
        200 => Pushed::Refused(207),
        status => Pushed::Refused(status),
    })
}

fn exchange_redis(
    stream: &mut BufReader<TcpStream>,
    call: &str,
    answers: usize,
) -> io::Result<Pushed> {
    stream.get_mut().write_all(call.as_bytes())?;
    for _ in 0..answers {
        let line = read_line(stream)?;
        if !line.starts_with('$') {
            return Err(invalid(&line));
        }
        read_line(stream)?;
    }
    Ok(Pushed::Accepted)
}

fn read_line(stream: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

fn failed(to: SocketAddr, error: &io::Error) -> RunError {
    RunError::Failed(format!("{to}: a push: {error}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A server that answers every request that ends with `end`, on one connection.
    fn serve(end: &'static [u8], answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for answer in answers {
                let mut request = Vec::new();
                while !request.ends_with(end) {
                    let mut bytes = [0; 1024];
                    let count = stream.read(&mut bytes).unwrap();
                    assert!(0 < count, "the request is not complete");
                    request.extend_from_slice(&bytes[..count]);
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    fn pipe(way: Way) -> Pipe {
        way.open(Duration::from_secs(10)).unwrap()
    }

    #[test]
    fn an_answer_says_whether_all_of_a_call_was_accepted() {
        let admin = serve(
            b"}",
            &[
                "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"id\":1}",
                "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{\"problem\":1",
            ],
        );
        let key = ApiKey::new("secret").unwrap();
        let mut pipe = pipe(Way::Http { admin, key });
        assert_eq!(pipe.push(&[7], 10).unwrap(), Pushed::Accepted);
        assert_eq!(pipe.push(&[7], 10).unwrap(), Pushed::Refused(429));
        assert_eq!(pipe.push(&[7, 8], 10).unwrap(), Pushed::Refused(207));
        assert!(pipe.push(&[7], 10).is_err());
    }

    #[test]
    fn redis_has_to_answer_every_entry_of_a_pipeline() {
        let redis = serve(b"\"}}\r\n", &["$3\r\n1-1\r\n$3\r\n1-2\r\n", "-ERR no\r\n"]);
        let mut pipe = pipe(Way::Redis(redis));
        assert_eq!(pipe.push(&[1, 2], 5).unwrap(), Pushed::Accepted);
        let error = pipe.push(&[1], 5).unwrap_err().to_string();
        assert!(error.contains("ERR no"), "{error}");
    }
}
