//! What `/proc` and the clocks say about the server's processes and about this one.

use std::fs;

use rustix::param::clock_ticks_per_second;
use rustix::thread::{CpuSet, sched_setaffinity, set_current_timer_slack};
use rustix::time::{ClockId, clock_gettime};

mod watch;

pub use watch::{Reading, Role, Watch};

/// Resident memory of a process in bytes; `None` when it has ended.
#[must_use]
pub fn resident_bytes(pid: u32) -> Option<u64> {
    parse_resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

/// User and system time of a process in seconds, in steps of a clock tick, which is 10 ms on Linux; `None` when it
/// has ended.
#[must_use]
pub fn cpu_seconds(pid: u32) -> Option<f64> {
    let ticks = parse_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(ticks as f64 / clock_ticks_per_second() as f64)
}

/// User and system time of this process in seconds.
#[must_use]
pub fn own_cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Binds this thread to these CPUs; to none in particular if there are none.
///
/// # Errors
/// One line.
pub fn pin(cpus: &[usize]) -> Result<(), String> {
    if cpus.is_empty() {
        return Ok(());
    }
    let mut set = CpuSet::new();
    for cpu in cpus {
        if CpuSet::MAX_CPU <= *cpu {
            return Err(format!(
                "--cpu {cpu}: the highest possible is {}",
                CpuSet::MAX_CPU - 1
            ));
        }
        set.set(*cpu);
    }
    sched_setaffinity(None, &set).map_err(|error| format!("--cpu {cpus:?}: {error}"))
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
        let own = std::process::id();
        assert!(0 < resident_bytes(own).unwrap());
        assert!(cpu_seconds(own).is_some());
        assert_eq!(
            (resident_bytes(u32::MAX), cpu_seconds(u32::MAX)),
            (None, None)
        );
    }
}
