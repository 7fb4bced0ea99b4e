//! The pid file: how other processes of this machine find a running node.
//!
//! Five lines: process id, admin address, member, control secret, start of the process. The last
//! one tells a process from a later one that got its number; in containers every first process is
//! number 1. The file is readable for its owner only, since the secret controls the node.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::process::{Pid, test_kill_process};

use crate::config::{Secret, random_hex, read_text};

/// How often the file may change hands while we want it.
const ATTEMPTS_MAX: usize = 16;

/// What a pid file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Number of the process.
    pub pid: u32,
    /// Where its admin listener is.
    pub admin: SocketAddr,
    /// Which life of which node it is.
    pub member: String,
    /// What it wants to be shown by whoever controls it.
    pub control: Secret,
    /// When it started, in the kernel's ticks since boot.
    started: u64,
}

/// A pid file that is ours; dropping it removes it, unless somebody else has it by then.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    text: String,
}

/// Why there is no pid file.
#[allow(missing_docs)] // The messages say it.
#[derive(Debug, thiserror::Error)]
pub enum PidFileError {
    #[error("pid_file: {path} says that a node runs already, as process {pid}")]
    Running { path: String, pid: u32 },
    #[error("pid_file: {path} cannot be written")]
    Write {
        path: String,
        #[source]
        source: io::Error,
    },
}

// === impl Entry ===

impl Entry {
    /// This process.
    pub fn own(admin: SocketAddr, member: String, control: Secret) -> Self {
        let pid = std::process::id();
        Self {
            pid,
            admin,
            member,
            control,
            started: started(pid).unwrap_or_default(),
        }
    }

    /// The node that `path` belongs to, if it runs.
    pub fn running(path: &Path) -> Option<Self> {
        let entry = Self::parse(&read_text(path).ok()?)?;
        entry.is_alive().then_some(entry)
    }

    /// Whether the process still runs, and is the one that wrote the file.
    pub fn is_alive(&self) -> bool {
        let alive = |pid| match test_kill_process(pid) {
            Ok(()) => true,
            // It runs as somebody else.
            Err(error) => error == rustix::io::Errno::PERM,
        };
        self.process().is_some_and(alive) && started(self.pid) == Some(self.started)
    }

    /// The process, for signals.
    pub fn process(&self) -> Option<Pid> {
        i32::try_from(self.pid).ok().and_then(Pid::from_raw)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let entry = Self {
            pid: lines.next()?.parse().ok()?,
            admin: lines.next()?.parse().ok()?,
            member: lines.next()?.to_owned(),
            control: Secret::new(lines.next()?),
            started: lines.next()?.parse().ok()?,
        };
        Some(entry)
    }

    fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\n{}\n{}\n",
            self.pid,
            self.admin,
            self.member,
            self.control.expose(),
            self.started
        )
    }
}

/// When a process started. A zombie has ended; it only waits for its parent to notice.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields behind it hold no parenthesis.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    // Field 22 of proc(5), which counts from 1 and from before the name.
    fields.get(19)?.parse().ok()
}

// === impl PidFile ===

impl PidFile {
    /// Refuses early, before anything is bound, unless it is the process that this one `replaces`. Only
    /// [`Self::create`] decides.
    ///
    /// # Errors
    ///
    /// A node that runs already.
    pub fn check(path: &Path, replaces: Option<u32>) -> Result<(), PidFileError> {
        match other(path, replaces) {
            Some(entry) => Err(running(path, &entry)),
            None => Ok(()),
        }
    }

    /// Takes `path` for this process. The file of a process that is gone is replaced, and that of the one
    /// that this one `replaces`.
    ///
    /// # Errors
    ///
    /// A node that runs already, or a file that cannot be written.
    pub fn create(path: &Path, entry: &Entry, replaces: Option<u32>) -> Result<Self, PidFileError> {
        let text = entry.text();
        let error = |source| PidFileError::Write {
            path: path.display().to_string(),
            source,
        };
        let draft = Draft::write(path, &text).map_err(error)?;
        for _ in 0..ATTEMPTS_MAX {
            // A link fails where a file is, and brings the whole text where none is.
            match fs::hard_link(&draft.0, path) {
                Ok(()) => {
                    let path = path.to_owned();
                    return Ok(Self { path, text });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(error(source)),
            }
            remove_stale(path, replaces)?;
        }
        Err(error(io::ErrorKind::AlreadyExists.into()))
    }
}

/// Another process that runs and has this file for its own.
fn other(path: &Path, replaces: Option<u32>) -> Option<Entry> {
    let entry = Entry::running(path)?;
    let is_other = entry.pid != std::process::id() && Some(entry.pid) != replaces;
    is_other.then_some(entry)
}

/// Removes the file of a process that is gone. Two nodes may try at once, so it is done under the
/// file's lock, and only if it still is the file that was looked at.
fn remove_stale(path: &Path, replaces: Option<u32>) -> Result<(), PidFileError> {
    let remove = || -> io::Result<Option<Entry>> {
        let file = File::open(path)?;
        file.lock()?;
        if let Some(entry) = other(path, replaces) {
            return Ok(Some(entry));
        }
        if file.metadata()?.ino() == fs::metadata(path)?.ino() {
            fs::remove_file(path)?;
        }
        Ok(None)
    };
    match remove() {
        Ok(None) => Ok(()),
        Ok(Some(entry)) => Err(running(path, &entry)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(PidFileError::Write {
            path: path.display().to_string(),
            source,
        }),
    }
}

fn running(path: &Path, entry: &Entry) -> PidFileError {
    PidFileError::Running {
        path: path.display().to_string(),
        pid: entry.pid,
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if fs::read_to_string(&self.path).is_ok_and(|text| text == self.text) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file under another name, so that nobody reads half of it.
struct Draft(PathBuf);

impl Draft {
    fn write(path: &Path, text: &str) -> io::Result<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}", random_hex::<4>()));
        let draft = path.with_file_name(name);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)?;
        let draft = Self(draft);
        file.write_all(text.as_bytes())?;
        Ok(draft)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, process::Command, thread};

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("tidegate-{name}-{}.pid", random_hex::<4>()))
    }

    fn own() -> Entry {
        let admin = "127.0.0.1:8081".parse().unwrap();
        Entry::own(admin, "gw-1.5".to_owned(), Secret::new("secret"))
    }

    #[test]
    fn it_says_who_runs_to_its_owner_only_and_goes_away() {
        let path = path("own");
        let file = PidFile::create(&path, &own(), None).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        let first: Vec<&str> = text.lines().take(4).collect();
        let pid = std::process::id().to_string();
        assert_eq!(first, [pid.as_str(), "127.0.0.1:8081", "gw-1.5", "secret"]);
        assert_eq!(Entry::running(&path), Some(own()));
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn the_file_of_a_living_node_is_respected() {
        let path = path("living");
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut entry = own();
        entry.pid = child.id();
        entry.started = started(child.id()).unwrap();
        fs::write(&path, entry.text()).unwrap();

        let pid = child.id();
        let refused =
            |result| matches!(result, Err(PidFileError::Running { pid: p, .. }) if p == pid);
        assert!(refused(PidFile::check(&path, None)));
        assert!(refused(PidFile::create(&path, &own(), None).map(drop)));

        child.kill().unwrap();
        // Nobody has waited for it yet, so it still has its number.
        while started(child.id()).is_some() {
            thread::yield_now();
        }
        drop(PidFile::create(&path, &own(), None).unwrap());
        child.wait().unwrap();
    }

    #[test]
    fn a_stale_file_is_replaced() {
        let path = path("stale");
        let mut reused = own();
        reused.started += 1;
        let mut gone = own();
        gone.pid = u32::MAX;
        for text in [
            &reused.text(),
            &gone.text(),
            "",
            "1\n",
            "nonsense",
            "0\n127.0.0.1:1\na\nb\n0\n",
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(Entry::running(&path), None, "{text}");
            drop(PidFile::create(&path, &own(), None).unwrap());
        }
    }

    #[test]
    fn it_is_left_alone_when_somebody_else_has_it() {
        let path = path("other");
        let file = PidFile::create(&path, &own(), None).unwrap();
        let mut other = own();
        other.member = "gw-2.9".to_owned();
        fs::write(&path, other.text()).unwrap();
        drop(file);
        assert_eq!(fs::read_to_string(&path).unwrap(), other.text());
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn one_of_many_gets_a_stale_file() {
        let path = path("race");
        // The entries have to be those of a process that lives and is not this one.
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let mut entry = own();
        entry.pid = child.id();
        entry.started = started(child.id()).unwrap();
        let attempt = || {
            let mut entry = entry.clone();
            entry.member = random_hex::<4>();
            let mut file = PidFile::create(&path, &entry, None).ok()?;
            // It stays, as the file of a living node does.
            file.text.clear();
            Some(entry.member)
        };
        for _ in 0..50 {
            fs::write(&path, "1\n").unwrap();
            let winners: Vec<String> = thread::scope(|scope| {
                let threads: Vec<_> = (0..4).map(|_| scope.spawn(attempt)).collect();
                let results = threads.into_iter().map(|thread| thread.join().unwrap());
                results.flatten().collect()
            });
            assert_eq!(winners, [Entry::running(&path).unwrap().member]);
        }
        fs::remove_file(&path).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let error = PidFile::create(Path::new("/nowhere/tidegate.pid"), &own(), None).unwrap_err();
        assert!(matches!(error, PidFileError::Write { .. }), "{error}");
    }
}
