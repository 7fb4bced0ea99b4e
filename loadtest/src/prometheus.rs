//! An endpoint that Prometheus can scrape while a run goes on, so that the load stands beside the server.

pub mod names;
mod text;

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::meter::Sample;

/// Of each step of a scrape; who is slower makes no other one wait for longer.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A request is a few lines.
const HEAD_BYTES_MAX: usize = 8 * 1024;

/// Answers scrapes as long as the process lives, on a thread of its own.
#[derive(Debug)]
pub struct Exporter {
    sum: Arc<Mutex<Sample>>,
    address: SocketAddr,
}

impl Exporter {
    /// Listens at an address. The run is of this scenario.
    ///
    /// # Errors
    /// The address cannot be listened at.
    pub fn start(address: SocketAddr, scenario: &'static str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let sum = Arc::new(Mutex::new(Sample::default()));
        let scraped = Arc::clone(&sum);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // Who does not listen to the end is none of ours.
                let _ = answer(&stream, scenario, &scraped);
            }
        });
        Ok(Self { sum, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes the next sample.
    pub fn take(&self, sample: &Sample) {
        let mut sum = self.sum.lock().unwrap_or_else(PoisonError::into_inner);
        sum.append(sample);
    }
}

fn answer(mut stream: &TcpStream, scenario: &str, sum: &Mutex<Sample>) -> io::Result<()> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut head = Vec::new();
    let mut bytes = [0; 1_024];
    while crate::handshake::head_len(&head).is_none() {
        let length = stream.read(&mut bytes)?;
        head.extend_from_slice(&bytes[..length]);
        if length == 0 || HEAD_BYTES_MAX < head.len() {
            return Ok(());
        }
    }
    let (status, body) = match head.starts_with(b"GET /metrics ") {
        true => {
            let sum = sum.lock().unwrap_or_else(PoisonError::into_inner).clone();
            ("200 OK", text::render(scenario, &sum))
        }
        false => ("404 Not Found", "there is /metrics\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http;

    #[test]
    fn scrapes_find_what_was_counted_and_other_paths_nothing() {
        let exporter = Exporter::start("127.0.0.1:0".parse().unwrap(), "idle").unwrap();
        let sample = Sample {
            open: 7,
            ..Sample::default()
        };
        exporter.take(&sample);
        exporter.take(&sample);
        let ask = |path: &str| http::get(exporter.address(), path, TIMEOUT).unwrap();
        let answer = ask("/metrics");
        assert_eq!(answer.status, 200);
        let is_there = |line: &str| answer.body.lines().any(|it| it == line);
        assert!(is_there("loadtest_connections 7"), "{}", answer.body);
        assert!(is_there(r#"loadtest_run{scenario="idle"} 1"#));
        assert_eq!(ask("/").status, 404);
        // Somebody who says nothing is in nobody's way for long.
        let _mute = TcpStream::connect(exporter.address()).unwrap();
        let patient = Duration::from_secs(10);
        let answer = http::get(exporter.address(), "/metrics", patient).unwrap();
        assert_eq!(answer.status, 200);
    }
}
