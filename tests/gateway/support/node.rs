//! A node in this process, on a thread of its own, and a folder for its files.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    thread,
};

use tidegate::{
    app::{Addresses, App, ExitReport, Reloader},
    config::ReloadSource,
};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::soon;

/// Development mode, so that a test says only what it is about.
const BASE: &str = r#"
development = true
listen.public = "127.0.0.1:0"
listen.admin = "127.0.0.1:0"
drain.delay = "0s"
"#;

/// A running node; dropping it ends it at once.
pub(crate) struct Gateway {
    addresses: Addresses,
    folder: Folder,
    base: &'static str,
    reloader: Reloader,
    stop: CancellationToken,
    kill: CancellationToken,
    ended: oneshot::Receiver<ExitReport>,
    thread: Option<thread::JoinHandle<()>>,
}

/// A folder that goes with its owner.
pub(crate) struct Folder(PathBuf);

impl Gateway {
    /// Starts a node in development mode. `toml` has dotted keys only, `limits.idle = "1s"`.
    pub(crate) fn start(toml: &str) -> Self {
        Self::with_base(BASE, Folder::new(), toml)
    }

    /// Starts a node whose files, for example certificates, stand in `folder`.
    pub(crate) fn start_in(folder: Folder, toml: &str) -> Self {
        Self::with_base(BASE, folder, toml)
    }

    /// Starts a node outside development mode.
    pub(crate) fn start_strict(toml: &str) -> Self {
        let base = BASE.strip_prefix("\ndevelopment = true").unwrap();
        Self::with_base(base, Folder::new(), toml)
    }

    fn with_base(base: &'static str, folder: Folder, toml: &str) -> Self {
        let path = folder.path().join("tidegate.toml");
        fs::write(&path, format!("{base}{toml}")).unwrap();
        let source = ReloadSource::new(Some(path), BTreeMap::new());
        let config = source.load().unwrap();
        let app = App::build(config, source).unwrap();
        let (addresses, reloader) = (app.addresses(), app.reloader());
        let (stop, kill) = (CancellationToken::new(), CancellationToken::new());
        let (report, ended) = oneshot::channel();
        let running = app.run(stop.clone(), kill.clone());
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().unwrap();
            let _ = report.send(runtime.block_on(running));
        });
        Self {
            addresses,
            folder,
            base,
            reloader,
            stop,
            kill,
            ended,
            thread: Some(thread),
        }
    }

    /// Where the dialects are.
    pub(crate) fn public(&self) -> SocketAddr {
        self.addresses.public[0]
    }

    /// Where its files are.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts other settings in the place of those it was started with, and has them read.
    pub(crate) fn reload(&self, toml: &str) {
        let path = self.folder().join("tidegate.toml");
        fs::write(path, format!("{}{toml}", self.base)).unwrap();
        self.reloader.reload();
    }

    /// Begins the drain, like the first signal.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Cuts the drain short, like the second signal.
    pub(crate) fn kill(&self) {
        self.kill.cancel();
    }

    /// How it has ended.
    pub(crate) async fn ended(&mut self) -> ExitReport {
        soon("the end of the node", &mut self.ended).await.unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill.cancel();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the node has panicked");
        }
    }
}

impl Folder {
    pub(crate) fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Relaxed);
        let name = format!("tidegate-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
