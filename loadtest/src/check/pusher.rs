//! Pushing durable messages to the users of the clients, over the HTTP API of the nodes.
//!
//! Each node has a thread of its own, so that one that does not answer delays nobody. A thread pushes one message at a
//! time, to each client in turn. What is not answered with 200 in time is not promised, and not tried again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::message::{Kind, Message, Names};
use super::verdict::{Client, Event, Letter};
use crate::key::ApiKey;
use crate::{clock, http};

/// A node that does not answer in that time may be frozen, and the next push finds out.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longest sleep, so that the end comes soon.
const SLEEP_MAX: Duration = Duration::from_millis(100);

/// What is pushed.
#[derive(Clone, Debug)]
pub struct Pushes {
    /// The admin listeners of the nodes.
    pub admins: Vec<SocketAddr>,
    /// A key that allows publishing.
    pub key: ApiKey,
    /// Messages per second, at all nodes together; with 0 there are none.
    pub rate: f64,
    /// Clients to push to.
    pub clients: usize,
    /// Names of the clients.
    pub names: Names,
}

/// Pushes until it is stopped.
#[derive(Debug)]
pub struct Pusher {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    pushes: Pushes,
    stop: AtomicBool,
    events: Mutex<Vec<Event>>,
}

impl Pusher {
    /// Starts; times are those since `began`.
    #[must_use]
    pub fn start(pushes: Pushes, began: Instant) -> Self {
        let nodes = if 0.0 < pushes.rate {
            Client::try_from(pushes.admins.len()).unwrap_or(Client::MAX)
        } else {
            0
        };
        let shared = Arc::new(Shared {
            began,
            pushes,
            stop: AtomicBool::new(false),
            events: Mutex::default(),
        });
        let threads = (0..nodes).map(|node| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.push_all(node))
        });
        Self {
            threads: threads.collect(),
            shared,
        }
    }

    /// Has it end, soon.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }

    /// Ends, and gives all that happened.
    #[must_use]
    pub fn finish(mut self) -> Vec<Event> {
        self.join();
        std::mem::take(&mut *self.shared.events())
    }

    fn join(&mut self) {
        self.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Drop for Pusher {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    /// Pushes at one node, to each client in turn.
    fn push_all(&self, node: Client) {
        let Pushes {
            admins,
            rate,
            clients,
            ..
        } = &self.pushes;
        let interval = Duration::from_secs_f64(admins.len() as f64 / rate);
        let clients = Client::try_from(*clients).unwrap_or(Client::MAX);
        // At a given time, each node is at another client.
        let letters = (0..).flat_map(|number| {
            (0..clients).map(move |step| Letter {
                pusher: node,
                receiver: (step + node) % clients,
                number,
            })
        });
        let mut due = clock::now() + interval.mul_f64(f64::from(node) / admins.len() as f64);
        for letter in letters {
            while let Some(wait) = due.checked_duration_since(clock::now()) {
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(wait.min(SLEEP_MAX));
            }
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            self.push(letter, admins[node as usize]);
            // What could not leave is not made up for.
            due = (due + interval).max(clock::now());
        }
    }

    fn push(&self, letter: Letter, admin: SocketAddr) {
        let Pushes { key, names, .. } = &self.pushes;
        let body = names.push(Message {
            kind: Kind::Kept,
            sender: letter.pusher,
            receiver: letter.receiver,
            n: letter.number,
        });
        let at = clock::now() - self.began;
        self.events().push(Event::Pushed { letter, at });
        let answer = http::post(admin, "/api/publish", key.text(), &body, TIMEOUT);
        if answer.is_ok_and(|answer| answer.status == 200) {
            let at = clock::now() - self.began;
            self.events().push(Event::Promised { letter, at });
        }
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    /// A node that answers with this status.
    fn node(status: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                // What the body ends with.
                while !request.ends_with(b"\"durable\":true}") {
                    let mut bytes = [0; 1024];
                    let count = stream.read(&mut bytes).unwrap();
                    assert!(0 < count, "the request is not complete");
                    request.extend_from_slice(&bytes[..count]);
                }
                let text = String::from_utf8(request).unwrap();
                assert!(text.contains("Bearer secret"), "{text}");
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        address
    }

    #[test]
    fn what_is_answered_with_200_is_promised_and_a_mute_node_delays_nobody() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let pushes = Pushes {
            admins: vec![
                node("200 OK"),
                silent.local_addr().unwrap(),
                node("503 Service Unavailable"),
            ],
            key: ApiKey::new("secret").unwrap(),
            rate: 3000.0,
            clients: 2,
            names: Names::new("run"),
        };
        let pusher = Pusher::start(pushes, clock::now());
        let count = |events: &[Event], node: Client| {
            let is_pushed = |event: &&Event| matches!(event, Event::Pushed { letter, .. } if letter.pusher == node);
            events.iter().filter(is_pushed).count()
        };
        let end = clock::now() + Duration::from_secs(30);
        while count(&pusher.shared.events(), 0) < 10 || count(&pusher.shared.events(), 2) < 10 {
            assert!(clock::now() < end, "nothing is pushed");
            std::thread::yield_now();
        }
        let mute = count(&pusher.shared.events(), 1) as u32;
        assert!(mute.saturating_sub(1) * TIMEOUT <= clock::now() - pusher.shared.began);
        pusher.stop();
        let events = pusher.finish();
        let letters: Vec<Letter> = events
            .iter()
            .filter_map(|event| match event {
                Event::Promised { letter, .. } => Some(*letter),
                _ => None,
            })
            .collect();
        assert!(9 <= letters.len(), "{letters:?}");
        let expected = (0..letters.len()).map(|place| Letter {
            pusher: 0,
            receiver: Client::from(place % 2 == 1),
            number: place / 2,
        });
        assert_eq!(letters, expected.collect::<Vec<_>>());
    }

    #[test]
    fn with_a_rate_of_0_nothing_is_pushed() {
        let pushes = Pushes {
            admins: vec!["127.0.0.1:9".parse().unwrap()],
            key: ApiKey::new("secret").unwrap(),
            rate: 0.0,
            clients: 2,
            names: Names::new("run"),
        };
        let pusher = Pusher::start(pushes, clock::now());
        assert!(pusher.has_ended());
        assert!(pusher.finish().is_empty());
    }
}
