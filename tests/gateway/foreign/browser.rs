//! The JavaScript of the device document, in Chromium.

use std::{
    fmt::Display,
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::time;

use crate::support::{Gateway, machine::Folder, service::Service};

const PAGE: &str = include_str!("device.html");
/// A browser takes its time to start, more so beside other tests.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(90);

/// A browser that shows a page; dropping it ends it.
pub(super) struct Browser {
    child: Child,
    _folder: Folder,
}

/// What a page does has to happen as soon as a browser lets it.
pub(super) async fn soon(happening: impl Future<Output = ()>) {
    let happened = time::timeout(BROWSER_TIMEOUT, happening).await;
    happened.expect("the page does it");
}

/// A site of one page, which may come to be known after the address of the site is. The page tells it
/// what it does.
pub(super) fn site() -> (Service, Arc<OnceLock<String>>) {
    let page = Arc::<OnceLock<String>>::default();
    let shown = Arc::clone(&page);
    let site = Service::start(move |_| (200, shown.get().unwrap().clone()));
    (site, page)
}

/// The next thing the page tells, which others call `what`. To ask for a page tells nothing.
async fn next(site: &mut Service, what: impl Display) -> String {
    loop {
        let request = site.next_within(BROWSER_TIMEOUT).await;
        let request = request.unwrap_or_else(|| panic!("the page has not told {what}"));
        if !request.body.is_empty() {
            return request.body;
        }
    }
}

/// The next thing the page tells has to be this.
pub(super) async fn expect(site: &mut Service, what: impl Display) {
    assert_eq!(next(site, &what).await, what.to_string());
}

impl Browser {
    pub(super) fn open(address: SocketAddr) -> Self {
        let folder = Folder::new();
        let program = ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
            .into_iter()
            .find(|path| std::path::Path::new(path).exists())
            .expect("chromium is needed: apt-get install chromium");
        let child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                // It waits for nobody, and ends when it is killed.
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg(format!("http://{address}/"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        Self {
            child,
            _folder: folder,
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its helpers, which would go on writing into the folder.
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_page_of_the_device_document_works_unchanged() {
    let (mut told, shown) = site();
    let toml = format!(
        "listen.origins = [\"{}\"]\nlimits.idle = \"2s\"\n\
         dialect.device.ping = \"500ms\"\ndialect.device.heartbeat = \"500ms\"",
        told.url("")
    );
    let mut gateway = Gateway::start(&toml);
    let token = gateway.device_token("42", &["d1"], &[]);
    let page = PAGE
        .replace("{host}", &gateway.public().to_string())
        .replace("YOUR_AUTH_TOKEN", &token);
    shown.set(page).unwrap();
    let _browser = Browser::open(told.address);
    expect(&mut told, "auth ok").await;
    for (to, event, data, expected) in [
        (
            "room:device/d1",
            "device_status",
            json!({"status": "在线"}),
            "device_status 在线",
        ),
        (
            "user:42",
            "new_message",
            json!({"content": "hi"}),
            "new_message hi",
        ),
        ("all", "announcement", json!([1]), ""),
    ] {
        gateway
            .publish(&json!({"to": to, "event": event, "data": data}))
            .await;
        if expected.is_empty() {
            let other = next(&mut told, "other").await;
            assert!(other.starts_with(r#"other {"type":"announcement","data":[1],"time":"#));
        } else {
            expect(&mut told, expected).await;
        }
    }
    // It never answers the dialect's pings; the browser answers those of WebSocket, which is what
    // keeps it here for longer than a silent client may stay.
    expect(&mut told, "pinged").await;
    gateway.stop();
    expect(&mut told, "closed 1012 draining").await;
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}
