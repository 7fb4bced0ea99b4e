//! Reading the nodes' metrics all the time, so that a node that is killed takes as little as possible with it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::verdict::Event;
use crate::{clock, http};

/// Between two looks at a node.
const INTERVAL: Duration = Duration::from_millis(200);
/// A node that does not answer in that time may be frozen, and the next look finds out.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What the metrics of a node say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When the process began, which tells it from its predecessor.
    pub started: f64,
    /// Messages that it has lost since then, for any reason.
    pub lost: u64,
    /// Sessions that it has.
    pub sessions: u64,
}

impl Sample {
    /// Reads the metrics of a node; `None` if something is missing.
    #[must_use]
    pub fn parse(metrics: &str) -> Option<Self> {
        Some(Self {
            started: sum(metrics, "tidegate_process_start_time_seconds")?,
            lost: whole(sum(metrics, "tidegate_bus_lost_total")?),
            sessions: whole(sum(metrics, "tidegate_sessions")?),
        })
    }

    /// Messages lost since `before`, of which a new process knows nothing.
    fn lost_since(&self, before: &Self) -> u64 {
        let is_same = self.started.total_cmp(&before.started).is_eq();
        match self.lost.checked_sub(before.lost) {
            Some(growth) if is_same => growth,
            _ => self.lost,
        }
    }
}

/// The sum of a metric over its labels; `None` if it is not there.
fn sum(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with([' ', '{']) {
            return None;
        }
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.reduce(|total, value| total + value)
}

fn whole(value: f64) -> u64 {
    value.max(0.0).round() as u64
}

/// Looks at all nodes until it is stopped.
#[derive(Debug)]
pub struct Scraper {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    began: Instant,
    stop: AtomicBool,
    events: Mutex<Vec<Event>>,
}

impl Shared {
    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scraper {
    /// Starts; times are those since `began`. What nodes that run already have lost before their first answer does
    /// not count. One that did not answer then begins at 0.
    #[must_use]
    pub fn start(admins: &[SocketAddr], began: Instant) -> Self {
        let shared = Arc::new(Shared {
            began,
            stop: AtomicBool::new(false),
            events: Mutex::default(),
        });
        let threads = admins.iter().map(|admin| {
            let (shared, admin) = (Arc::clone(&shared), *admin);
            let before = look(admin).unwrap_or_default();
            std::thread::spawn(move || watch(&shared, admin, before))
        });
        Self {
            threads: threads.collect(),
            shared,
        }
    }

    /// Looks once more and stops; gives the announcements.
    #[must_use]
    pub fn finish(mut self) -> Vec<Event> {
        self.stop();
        std::mem::take(&mut *self.shared.events())
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a node says now.
#[must_use]
pub fn look(admin: SocketAddr) -> Option<Sample> {
    let answer = http::get(admin, "/metrics", TIMEOUT).ok()?;
    Sample::parse(&answer.body)
}

fn watch(shared: &Shared, admin: SocketAddr, mut before: Sample) {
    loop {
        // Read before looking, so that the last look comes after the stop.
        let is_last = shared.stop.load(Ordering::Relaxed);
        if let Some(sample) = look(admin) {
            let count = sample.lost_since(&before);
            if 0 < count {
                let at = clock::now() - shared.began;
                shared.events().push(Event::Announced { count, at });
            }
            before = sample;
        }
        if is_last {
            return;
        }
        std::thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &str = "# HELP tidegate_sessions Sessions that messages can reach\n\
        tidegate_sessions 12\n\
        tidegate_sessions_closed_total{dialect=\"ride\"} 99\n\
        tidegate_bus_lost_total{reason=\"gap\"} 3\n\
        tidegate_bus_lost_total{reason=\"gone\"} 4\n\
        tidegate_process_start_time_seconds 1700000000.25\n";

    #[test]
    fn labels_are_added_up_and_longer_names_are_others() {
        let expected = Sample {
            started: 1_700_000_000.25,
            lost: 7,
            sessions: 12,
        };
        assert_eq!(Sample::parse(METRICS), Some(expected));
        assert_eq!(Sample::parse("tidegate_sessions 12\n"), None);
    }

    #[test]
    fn a_new_process_counts_from_zero() {
        let sample = |started, lost| Sample {
            started,
            lost,
            sessions: 0,
        };
        assert_eq!(sample(1.0, 7).lost_since(&sample(1.0, 5)), 2);
        assert_eq!(sample(2.0, 7).lost_since(&sample(1.0, 5)), 7);
        assert_eq!(sample(1.0, 2).lost_since(&sample(1.0, 5)), 2);
        assert_eq!(sample(1.0, 5).lost_since(&sample(1.0, 5)), 0);
    }
}
