//! A process that is a node and keeps happenings, until it dies.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use rustix::process::Signal;
use tidegate::{
    app::App,
    config::ReloadSource,
    dialect::DialectId,
    happening::{Happening, Herald, Party, What},
    id::Member,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    PATIENCE,
    machine::{self, Folder},
    within,
};

/// Says to a process of this program that it is a teller, and where its files are.
const FOLDER: &str = "TG_TEST_TELLER";
/// Sessions that something happens to.
const SESSIONS: u64 = 7;

/// A process that tells.
pub(crate) struct Teller {
    folder: Folder,
    child: Option<Child>,
}

impl Teller {
    /// Starts one as a node with this name.
    pub(crate) fn start(name: &str, settings: &str) -> Self {
        let folder = Folder::new();
        let mut text = format!(
            "development = true\nlisten.public = \"127.0.0.1:0\"\nlisten.admin = \"127.0.0.1:0\"\n\
             cluster.node = \"{name}\"\ndrain.delay = \"0s\"\ndrain.grace = \"5s\"\n{settings}"
        );
        if !text.contains("store.url") {
            let store = folder.path().join("store.db");
            text += &format!("store.url = \"sqlite://{}\"\n", store.display());
        }
        fs::write(folder.path().join("tidegate.toml"), text).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "hooks::teller::the_process_of_a_teller",
                "--nocapture",
            ])
            .env(FOLDER, folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            folder,
            child: Some(child),
        }
    }

    /// The ids of what it was answered for.
    pub(crate) fn kept(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file("kept")).unwrap_or_default();
        // It may have died while it wrote the last one.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(str::to_owned).collect()
    }

    /// Waits until it has kept so many.
    pub(crate) async fn until_kept(&mut self, count: usize) {
        within(PATIENCE, "it keeps happenings", async || {
            let child = self.child.as_mut().unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                let log = fs::read_to_string(self.file("log")).unwrap_or_default();
                panic!("{status}: {log}");
            }
            count <= self.kept().len()
        })
        .await;
    }

    pub(crate) fn signal(&self, what: Signal) {
        machine::signal(self.child.as_ref().unwrap().id(), what);
    }

    pub(crate) fn kill(&mut self) {
        machine::kill(&mut self.child);
    }

    /// Waits for its end, and says whether that is a good one.
    pub(crate) async fn ended(&mut self) -> bool {
        let mut status = None;
        let child = self.child.as_mut().unwrap();
        within(PATIENCE, "it has ended", async || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        self.child = None;
        status.unwrap().success()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.kill();
    }
}

/// No test: what a process of this program does that was started to tell.
#[tokio::test]
async fn the_process_of_a_teller() {
    let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) else {
        return;
    };
    let source = ReloadSource::new(Some(folder.join("tidegate.toml")), BTreeMap::new());
    let config = source.load().unwrap();
    let app = App::build(config, source).unwrap();
    let (herald, member) = (app.herald(), app.member());
    let stop = CancellationToken::new();
    let running = app.run(stop.clone(), CancellationToken::new());
    let mut terminated = signal(SignalKind::terminate()).unwrap();
    let telling = TaskTracker::new().spawn(tell(herald, member, folder, stop.clone()));
    let stopping = async {
        terminated.recv().await;
        stop.cancel();
        std::future::pending().await
    };
    tokio::select! {
        _ = running => {}
        () = stopping => {}
    }
    telling.await.unwrap();
}

/// Keeps happenings, and writes down which were answered for.
async fn tell(herald: Arc<dyn Herald>, member: Member, folder: PathBuf, stop: CancellationToken) {
    let mut options = OpenOptions::new();
    let mut kept = options
        .create(true)
        .append(true)
        .open(folder.join("kept"))
        .unwrap();
    let mut number = 0;
    while !stop.is_cancelled() {
        number += 1;
        let all: Vec<_> = (0..SESSIONS)
            .map(|session| happening(&member, session, number))
            .collect();
        let ids: String = all
            .iter()
            .map(|happening| format!("{}\n", happening.id))
            .collect();
        // Until it is known that they are kept.
        while herald.keep(all.clone()).await.is_err() {
            if stop.is_cancelled() {
                return;
            }
            time::sleep(Duration::from_millis(20)).await;
        }
        kept.write_all(ids.as_bytes()).unwrap();
        time::sleep(Duration::from_millis(5)).await;
    }
}

fn happening(member: &Member, session: u64, number: u64) -> Happening {
    let id = format!("{member}.{session:x}");
    Happening {
        id: format!("{id}/{number}")
            .replace('-', "_")
            .replace('/', "-")
            .into(),
        time_ms: std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_millis() as u64,
        member: member.clone(),
        what: What::MessageReceived {
            who: Party {
                session: id.parse().unwrap(),
                user: None,
                dialect: DialectId::Ride,
            },
            kind: "k".into(),
            data: number.to_string().into(),
        },
    }
}
