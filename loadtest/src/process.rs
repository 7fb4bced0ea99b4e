//! What `/proc` and the clocks say about the server's processes and about this one.

use std::fs;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::report::Table;

/// The server's processes; their figures are added up.
#[derive(Clone, Debug)]
pub struct Servers {
    pids: Vec<u32>,
}

impl Servers {
    /// The given processes.
    ///
    /// # Errors
    /// One line, when one of them does not exist.
    pub fn new(pids: &[u32]) -> Result<Self, String> {
        let servers = Self {
            pids: pids.to_vec(),
        };
        for pid in pids {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_err(|error| format!("--server-pid {pid}: /proc/{pid}/stat: {error}"))?;
        }
        Ok(servers)
    }

    /// Resident memory in bytes; `None` without processes or when one has ended.
    #[must_use]
    pub fn resident_bytes(&self) -> Option<u64> {
        self.sum(|pid| parse_resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?))
    }

    /// User and system time in seconds, in steps of a clock tick, which is 10 ms on Linux.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        let ticks =
            self.sum(|pid| parse_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?))?;
        Some(ticks as f64 / clock_ticks_per_second() as f64)
    }

    fn sum(&self, read: impl Fn(u32) -> Option<u64>) -> Option<u64> {
        if self.pids.is_empty() {
            return None;
        }
        self.pids.iter().map(|pid| read(*pid)).sum()
    }
}

/// User and system time of this process in seconds.
#[must_use]
pub fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Binds this thread to one CPU.
///
/// # Errors
/// One line.
pub fn pin(cpu: usize) -> Result<(), String> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(format!(
            "--cpu {cpu}: the highest possible is {}",
            CpuSet::MAX_CPU - 1
        ));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| format!("--cpu {cpu}: {error}"))
}

/// Makes short sleeps short: by default the kernel adds up to 50 us to each.
pub fn sharpen_sleep() {
    // Only a nicety: refused, the sleeps are longer and the batches larger.
    let _ = set_current_timer_slack(std::num::NonZeroU64::new(1_000));
}

/// The `VmRSS` line of `/proc/PID/status`, in bytes.
fn parse_resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// utime and stime of `/proc/PID/stat`. The name before them may hold spaces and brackets, so count from its end.
fn parse_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// A stretch of time: how long it took, and the CPU time that the server and this process used in it.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Wall-clock seconds.
    pub seconds: f64,
    /// CPU seconds of the server, if known.
    pub server_cpu_seconds: Option<f64>,
    /// CPU seconds of this process.
    pub generator_cpu_seconds: f64,
}

/// What one process used of the CPU.
#[derive(Debug, Serialize)]
pub struct Share {
    /// The process.
    pub pid: u32,
    /// User and system time; null when it has ended.
    pub cpu_seconds: Option<f64>,
}

/// Processes whose CPU time is told one by one.
#[derive(Debug)]
pub struct Shares {
    processes: Vec<(u32, Servers, Option<f64>)>,
}

impl Shares {
    /// The given processes.
    ///
    /// # Errors
    /// Those of [`Servers::new`].
    pub fn new<'a>(pids: impl IntoIterator<Item = &'a u32>) -> Result<Self, String> {
        let process = |pid: &u32| Ok((*pid, Servers::new(&[*pid])?, None));
        let processes = pids.into_iter().map(process);
        Ok(Self {
            processes: processes.collect::<Result<_, String>>()?,
        })
    }

    /// Begins to count.
    pub fn start(&mut self) {
        for (_, process, before) in &mut self.processes {
            *before = process.cpu_seconds();
        }
    }

    /// What was used since the start.
    #[must_use]
    pub fn read(&self) -> Vec<Share> {
        let share = |(pid, process, before): &(u32, Servers, Option<f64>)| Share {
            pid: *pid,
            cpu_seconds: process
                .cpu_seconds()
                .zip(*before)
                .map(|(now, then)| now - then),
        };
        self.processes.iter().map(share).collect()
    }
}

/// Adds a row for each of them.
pub fn rows(shares: &[Share], table: &mut Table) {
    for Share { pid, cpu_seconds } in shares {
        let used = cpu_seconds.map(|seconds| format!("{seconds:.2} s CPU"));
        table.row_if(&format!("process {pid}"), used);
    }
}

/// Begins a [`Usage`].
#[derive(Debug)]
pub struct Stopwatch {
    began: std::time::Instant,
    server: Option<f64>,
    own: f64,
}

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start(servers: &Servers) -> Self {
        Self {
            began: crate::clock::now(),
            server: servers.cpu_seconds(),
            own: own_cpu_seconds(),
        }
    }

    /// How long it has been running.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        crate::clock::now() - self.began
    }

    /// What was used since the start.
    #[must_use]
    pub fn read(&self, servers: &Servers) -> Usage {
        Usage {
            seconds: self.elapsed().as_secs_f64(),
            server_cpu_seconds: servers
                .cpu_seconds()
                .zip(self.server)
                .map(|(now, then)| now - then),
            generator_cpu_seconds: own_cpu_seconds() - self.own,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat =
            "42 (a) b (c)) S 1 42 42 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 1 0 100 1000 10 0";
        assert_eq!(parse_ticks(stat), Some(300));
        assert_eq!(parse_ticks("nonsense"), None);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(
            parse_resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n"),
            Some(1_234 * 1_024)
        );
        assert_eq!(parse_resident("Name:\tx\n"), None);
    }

    #[test]
    fn this_process_can_be_read() {
        let servers = Servers::new(&[std::process::id()]).unwrap();
        assert!(servers.resident_bytes().unwrap() > 0);
        assert!(servers.cpu_seconds().is_some());
        assert!(Servers::new(&[u32::MAX]).is_err());
        assert_eq!(Servers::new(&[]).unwrap().cpu_seconds(), None);
    }
}
