//! The process around a node: command line, logging, runtime, signals, exit code.

use std::{
    convert::Infallible,
    net::TcpListener,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tidegate::{
    app::{self, App, Extras, Reloader},
    cli::{
        self, Command, Failure, Machine, Start, chain,
        pid::{Entry, PidFile},
    },
    config::{Config, ReloadSource},
    log, sockets,
};
use tikv_jemallocator::Jemalloc;
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Threads for everything that is not a session: accepting, the admin listener, services. Sessions
/// have threads of their own.
const WORKER_THREADS: usize = 2;
/// Its name, where nobody says how it was called.
const PROGRAM: &str = "tidegate";
/// What blocking tasks, name look-ups and the store's, may still take when everything has ended.
const RUNTIME_TIMEOUT: Duration = Duration::from_secs(3);

pub(crate) fn main() -> ExitCode {
    let invocation = match cli::parse(std::env::args_os()) {
        Ok(invocation) => invocation,
        Err(instead) => {
            let _ = instead.print();
            return ExitCode::from(u8::try_from(instead.exit_code()).unwrap_or(1));
        }
    };
    match invocation.command {
        Command::Start(start) if !start.daemon => {
            let source = ReloadSource::new(invocation.config, cli::environment());
            cli::exit(serve(start, source).map(|()| String::new()))
        }
        _ => cli::run(invocation, cli::environment()),
    }
}

/// Runs a node in this process, from its configuration to its end.
fn serve(start: Start, source: ReloadSource) -> Result<(), Failure> {
    if start.daemon_child {
        cli::become_daemon();
    }
    let config = source.load().map_err(Failure::wrong)?;
    app::check_addresses(&config).map_err(|error| Failure::wrong(chain(&error)))?;
    PidFile::check(&config.pid_file, start.replaces)
        .map_err(|error| Failure::failed(chain(&error)))?;
    let sockets = start.sockets.as_deref().map(sockets::take).transpose();
    let sockets = sockets.map_err(|error| Failure::failed(format!("--sockets: {error}")))?;
    let place = Place {
        sockets: sockets.unwrap_or_default(),
        replaces: start.replaces,
    };
    log::set_up(&config.log).map_err(Failure::failed)?;
    cli::raise_open_files();
    let warnings = config.warnings().into_iter();
    for warning in warnings.chain(Machine::read().warnings(&config)) {
        tracing::warn!("{warning}");
    }

    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("tidegate")
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("the runtime cannot start: {error}")))?;
    let ended = runtime.block_on(run(config, source, place));
    runtime.shutdown_timeout(RUNTIME_TIMEOUT);
    ended
}

/// What is left of the process before, if this one takes its place.
struct Place {
    sockets: Vec<TcpListener>,
    replaces: Option<u32>,
}

async fn run(config: Config, source: ReloadSource, place: Place) -> Result<(), Failure> {
    // Before anybody can know of the process, so that no early signal ends it without a drain.
    let signals = Signals::listen().map_err(Failure::failed)?;
    let file = source.path().map(Path::to_owned);
    let extras = Extras {
        sockets: place.sockets,
        ..Extras::default()
    };
    let app = App::build_with(config.clone(), source, extras)
        .map_err(|error| Failure::failed(chain(&error)))?;
    app.check()
        .await
        .map_err(|error| Failure::failed(chain(&error)))?;
    let addresses = app.addresses();
    let member = app.member().to_string();
    let entry = Entry::own(addresses.admin, member.clone(), config.control.clone());
    let pid_file = PidFile::create(&config.pid_file, &entry, place.replaces)
        .map_err(|error| Failure::failed(chain(&error)))?;
    tracing::info!(member, public = ?addresses.public, admin = %addresses.admin, "listening");
    if config.development {
        let program = std::env::args_os().next();
        let program = program.map_or_else(|| PathBuf::from(PROGRAM), PathBuf::from);
        let text = cli::welcome(&config, &addresses, &program, file.as_deref());
        cli::say(&text);
    }

    let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
    let reloader = app.reloader();
    let report = tokio::select! {
        report = app.run(stop.clone(), kill.clone()) => report,
        never = signals.obey(&stop, &kill, &reloader) => match never {},
    };
    drop(pid_file);
    tracing::info!(?report, "ended");
    if report.has_failed {
        return Err(Failure::failed(
            "a part of the node has failed; the log says more",
        ));
    }
    if kill.is_cancelled() {
        return Err(Failure::failed("killed before the drain was through"));
    }
    Ok(())
}

/// The signals that mean something to a node.
struct Signals {
    hang_up: Signal,
    interrupt: Signal,
    terminate: Signal,
    /// Another process has the sockets.
    succeed: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            succeed: signal(SignalKind::user_defined2())?,
        })
    }

    /// The first signal to end is a drain, the second a kill. A drain that was asked for over HTTP
    /// does not count: orchestrators do that and send the signal right after.
    async fn obey(
        mut self,
        stop: &CancellationToken,
        kill: &CancellationToken,
        reloader: &Reloader,
    ) -> Infallible {
        let mut ordered = false;
        loop {
            let name = tokio::select! {
                _ = self.interrupt.recv() => "SIGINT",
                _ = self.terminate.recv() => "SIGTERM",
                _ = self.succeed.recv() => {
                    reloader.have_successor();
                    "SIGUSR2"
                }
                _ = self.hang_up.recv() => {
                    tracing::info!(signal = "SIGHUP", "reloading");
                    reloader.reload();
                    continue;
                }
            };
            if ordered {
                tracing::warn!(signal = name, "ending at once");
                kill.cancel();
            } else {
                tracing::info!(signal = name, "draining; another signal ends at once");
                stop.cancel();
            }
            ordered = true;
        }
    }
}
