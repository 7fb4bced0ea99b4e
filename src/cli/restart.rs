//! `restart`: another process in the place of the one that runs here, on the same sockets, so that no
//! connection that comes meanwhile is refused.
//!
//! Where the nodes of a cluster share what is kept, the new process takes clients before the old one drains.
//! One that keeps everything in a file of its own waits for the old one to end; who connects meanwhile waits
//! in the queues of the sockets.

use std::{
    collections::BTreeMap, ffi::OsString, fs, net::TcpListener, os::unix::ffi::OsStringExt,
    path::PathBuf,
};

use rustix::process::Signal;
use serde_json::json;

use super::{
    Command, Done, Failure,
    args::parse,
    chain, control,
    daemon::{self, Predecessor},
    manage::{ask_to_stop, readable, signal, wait_for_end},
    pid::Entry,
};
use crate::{
    app,
    config::{Config, ReloadSource, is_ours},
    sockets::Exchange,
};

/// In the environment of the processes that systemd starts, before their own number.
const SYSTEMD_PID: &str = "SYSTEMD_EXEC_PID=";

/// Puts another process in the place of the node, unless its configuration is such that it would not start.
pub(super) fn restart(source: ReloadSource) -> Done {
    let config = readable(&source)?.config;
    let Some(entry) = Entry::running(&config.pid_file) else {
        return daemon::start(&source, None);
    };
    let origin = Origin::of(entry.pid);
    if let Some(keeper) = origin.keeper(entry.pid) {
        return Err(Failure::failed(keeper));
    }
    let path = source.path().map(Into::into).or(origin.config);
    // What was the node's own environment still is, where ours says nothing else.
    let mut environment = origin.environment;
    environment.extend(source.environment().clone());
    let source = ReloadSource::new(path, environment);
    let runs_on = |mistakes: &dyn std::fmt::Display| {
        let pid = entry.pid;
        Failure::wrong(format!("{mistakes}\nprocess {pid} runs on, as it was"))
    };
    let next = source.load().map_err(|mistakes| runs_on(&mistakes))?;
    app::check_addresses(&next).map_err(|error| runs_on(&chain(&error)))?;
    let mut text = replace(&entry, &source, &config, &next)?;
    if !origin.daemon {
        text.push_str("\nit had a terminal before, and is a daemon now");
    }
    Ok(text)
}

fn replace(entry: &Entry, source: &ReloadSource, config: &Config, next: &Config) -> Done {
    let Some((exchange, sockets)) = take_over(entry, config) else {
        // A version that does not know how, or a folder that cannot be written.
        ask_to_stop(entry)?;
        wait_for_end(entry, &config.drain)?;
        return daemon::start(source, None);
    };
    let is_shared = next.cluster.redis.is_some();
    let before = Predecessor {
        exchange,
        sockets,
        replaced: is_shared.then_some(entry.pid),
    };
    let end = || {
        signal(entry, Signal::USR2)?;
        wait_for_end(entry, &config.drain)
    };
    if !is_shared {
        end()?;
        return daemon::start(source, Some(&before));
    }
    let text = daemon::start(source, Some(&before)).map_err(|failure| {
        let pid = entry.pid;
        failure.and(format!("process {pid} runs on, as it was"))
    })?;
    end()?;
    Ok(text)
}

/// The sockets on which a node listens.
fn take_over(entry: &Entry, config: &Config) -> Option<(Exchange, Vec<TcpListener>)> {
    let exchange = Exchange::beside(&config.pid_file).ok()?;
    let path = exchange.path();
    let body = json!({ "path": path.to_str()? });
    // The node gives them before it answers, and they wait.
    let answer = control::request(entry, "POST", "/api/process/sockets", Some(&body)).ok()?;
    answer.is_success().then_some(())?;
    let sockets = exchange.receive().ok()?;
    Some((exchange, sockets))
}

/// How a process was started, as the kernel remembers it.
struct Origin {
    config: Option<PathBuf>,
    daemon: bool,
    environment: BTreeMap<String, String>,
    /// The main process of the service of systemd that it was started as.
    service: Option<u32>,
}

impl Origin {
    fn of(pid: u32) -> Self {
        let words = |name| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        Self::parse(&words("cmdline"), &words("environ"))
    }

    fn parse(command_line: &[u8], environment: &[u8]) -> Self {
        let words = |bytes: &[u8]| -> Vec<OsString> {
            let words = bytes.split(|byte| *byte == 0);
            let words = words.filter(|word| !word.is_empty());
            words
                .map(|word| OsString::from_vec(word.to_vec()))
                .collect()
        };
        let pair = |word: OsString| {
            let word = word.into_string().ok()?;
            let (name, value) = word.split_once('=')?;
            is_ours(name).then(|| (name.to_owned(), value.to_owned()))
        };
        let service = words(environment).into_iter().find_map(|word| {
            let word = word.into_string().ok()?;
            word.strip_prefix(SYSTEMD_PID)?.parse().ok()
        });
        let environment = words(environment).into_iter().filter_map(pair).collect();
        let invocation = parse(words(command_line)).ok();
        let daemon = invocation.as_ref().is_some_and(
            |invocation| matches!(&invocation.command, Command::Start(start) if start.daemon_child),
        );
        Self {
            config: invocation.and_then(|invocation| invocation.config),
            daemon,
            environment,
            service,
        }
    }

    /// Why nothing can take the place of this process: with it, whoever has started it ends all others.
    fn keeper(&self, pid: u32) -> Option<String> {
        if pid == 1 {
            return Some("it is the first process of its container, which ends with it: replace the container".into());
        }
        let is_service = self.service == Some(pid);
        is_service.then(|| {
            "systemd has started it, and ends what comes after it: use systemctl restart, where the sockets are not \
             handed over"
                .into()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_of_a_process_is_its_file_and_its_environment() {
        let origin = Origin::parse(
            b"/usr/bin/tidegate\0start\0--daemon-child\0--config\0a b.toml\0",
            b"PATH=/bin\0TIDEGATE_LIMITS__IDLE=5s\0TIDEGATE_STORE__URL=sqlite://a?b=c\0",
        );
        assert_eq!(origin.config, Some("a b.toml".into()));
        assert!(origin.daemon);
        assert_eq!(origin.environment["TIDEGATE_LIMITS__IDLE"], "5s");
        assert_eq!(origin.environment["TIDEGATE_STORE__URL"], "sqlite://a?b=c");
        assert_eq!(origin.environment.len(), 2);

        let origin = Origin::parse(b"tidegate\0", b"SYSTEMD_EXEC_PID=17\0");
        assert!(
            origin
                .keeper(17)
                .is_some_and(|why| why.contains("systemctl"))
        );
        // A shell that a service has begun hands it on.
        assert_eq!(origin.keeper(18), None);

        let origin = Origin::parse(b"tidegate\0", b"");
        assert_eq!(origin.keeper(17), None);
        assert!(
            origin
                .keeper(1)
                .is_some_and(|why| why.contains("container"))
        );
        assert_eq!(origin.config, None);
        assert!(!origin.daemon);
    }
}
