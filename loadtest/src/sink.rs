//! An application that has nothing to do: what telling it costs is what the gateway costs.
//!
//! A thread for each connection: gateways keep few of them, and this costs less than what it measures.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::cli::ServerArgs;
use crate::process;
use crate::scenario::RunError;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
/// A longer line is no header.
const LINE_BYTES_MAX: u64 = 16 * 1024;
/// A longer body is nothing that a gateway sends.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Serves until it is killed.
///
/// # Errors
/// When it cannot listen.
pub fn run(arguments: &ServerArgs) -> Result<(), RunError> {
    process::pin(arguments.cpu.as_slice()).map_err(RunError::Usage)?;
    let failed = |error| RunError::Failed(format!("--listen {}: {error}", arguments.listen));
    let listener = TcpListener::bind(arguments.listen).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    println!("listening on {address}, process {}", std::process::id());
    serve(&listener);
    Ok(())
}

fn serve(listener: &TcpListener) {
    for stream in listener.incoming().flatten() {
        // Whoever breaks off or sends nonsense loses its connection, and nobody else's.
        thread::spawn(move || answer_all(&stream));
    }
}

/// Answers until the peer has said its last word.
fn answer_all(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while take_request(&mut reader)? {
        (&*stream).write_all(ANSWER)?;
    }
    Ok(())
}

/// Reads one request; says whether there was one.
fn take_request(reader: &mut impl BufRead) -> io::Result<bool> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let mut length = 0;
    let mut line = String::new();
    for number in 0.. {
        line.clear();
        reader.by_ref().take(LINE_BYTES_MAX).read_line(&mut line)?;
        if line.is_empty() && number == 0 {
            return Ok(false);
        }
        if !line.ends_with('\n') {
            return Err(invalid());
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let header = line.split_once(':');
        if let Some((name, value)) = header
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(|_| invalid())?;
        }
    }
    if BODY_BYTES_MAX < length {
        return Err(invalid());
    }
    let read = io::copy(&mut reader.by_ref().take(length), &mut io::sink())?;
    match read == length {
        true => Ok(true),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_of_a_connection_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(&listener));
        let mut stream = TcpStream::connect(address).unwrap();
        let requests = "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n";
        stream.write_all(requests.as_bytes()).unwrap();
        let mut answers = vec![0; 2 * ANSWER.len()];
        stream.read_exact(&mut answers).unwrap();
        assert_eq!(answers, [ANSWER, ANSWER].concat());
    }

    #[test]
    fn what_is_no_request_ends_the_connection() {
        let check = |text: &str| take_request(&mut text.as_bytes()).ok();
        assert_eq!(check(""), Some(false));
        assert_eq!(check("GET / HTTP/1.1\r\n\r\n"), Some(true));
        for text in [
            "GET / HTTP/1.1",
            "GET / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab",
            "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
        ] {
            assert_eq!(check(text), None, "{text:?}");
        }
    }
}
