//! Processes looked at again and again.

use std::fs;

use serde::{Deserialize, Serialize};

use super::{cpu_seconds, resident_bytes};

/// What a process is to a run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Of the server that is measured.
    Server,
    /// Something beside it, such as Redis.
    Other,
}

/// What one process has used between two looks.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Reading {
    /// The process.
    pub pid: u32,
    /// The name of its program.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// User and system time since the last look; null when it has ended.
    pub cpu_seconds: Option<f64>,
    /// Resident memory at this look; null when it has ended.
    pub resident_bytes: Option<u64>,
}

impl Reading {
    /// Takes in the reading that follows.
    pub fn append(&mut self, next: &Self) {
        self.cpu_seconds = self
            .cpu_seconds
            .zip(next.cpu_seconds)
            .map(|(sum, more)| sum + more);
        self.resident_bytes = next.resident_bytes;
    }
}

/// Looks at processes.
#[derive(Debug, Default)]
pub struct Watch {
    processes: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    pid: u32,
    name: String,
    role: Role,
    before: Option<f64>,
}

impl Watch {
    /// At the processes of the server and at others.
    ///
    /// # Errors
    /// One line, when one of them does not exist.
    pub fn new(servers: &[u32], others: &[u32]) -> Result<Self, String> {
        let servers = servers.iter().map(|pid| (*pid, Role::Server));
        let others = others.iter().map(|pid| (*pid, Role::Other));
        let watched = |(pid, role): (u32, Role)| {
            let option = match role {
                Role::Server => "--server-pid",
                Role::Other => "--other-pid",
            };
            let missing = || format!("{option} {pid}: there is no such process");
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            Ok(Watched {
                pid,
                name: name.trim().to_owned(),
                role,
                before: Some(cpu_seconds(pid).ok_or_else(missing)?),
            })
        };
        let processes = servers.chain(others).map(watched);
        Ok(Self {
            processes: processes.collect::<Result<_, String>>()?,
        })
    }

    /// What they have used since the last look.
    pub fn read(&mut self) -> Vec<Reading> {
        let read = |watched: &mut Watched| {
            let now = cpu_seconds(watched.pid);
            let before = std::mem::replace(&mut watched.before, now);
            Reading {
                pid: watched.pid,
                name: watched.name.clone(),
                role: watched.role,
                cpu_seconds: now.zip(before).map(|(now, before)| now - before),
                resident_bytes: resident_bytes(watched.pid),
            }
        };
        self.processes.iter_mut().map(read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_follow_one_another() {
        let mut watch = Watch::new(&[std::process::id()], &[]).unwrap();
        let mut first = watch.read().remove(0);
        let second = watch.read().remove(0);
        assert!(0 < second.resident_bytes.unwrap());
        assert!(!first.name.is_empty());
        let sum = first.cpu_seconds.unwrap() + second.cpu_seconds.unwrap();
        first.append(&second);
        assert_eq!(first.cpu_seconds, Some(sum));
        assert!(Watch::new(&[], &[u32::MAX]).is_err());
    }
}
