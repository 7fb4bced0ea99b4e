//! The JavaScript of the device document, in Chromium.

use std::{
    fmt::Display,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::json;
use tokio::{sync::mpsc, time};

use crate::support::{Gateway, node::Folder};

const PAGE: &str = include_str!("device.html");
/// A browser takes its time to start, more so beside other tests.
const BROWSER_TIMEOUT: Duration = Duration::from_secs(90);

/// Serves a page, and hears what it tells.
struct Site {
    address: SocketAddr,
    told: mpsc::UnboundedReceiver<String>,
}

/// A browser that shows a page; dropping it ends it.
struct Browser {
    child: Child,
    _folder: Folder,
}

impl Site {
    /// Binds; the page may name the site's own address.
    fn bind() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// The thread ends with the first answer that nobody waits for, or with the process.
    fn serve(listener: TcpListener, address: SocketAddr, page: String) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Some(body) = answer(stream.unwrap(), &page) else {
                    continue;
                };
                if tell.send(body).is_err() {
                    return;
                }
            }
        });
        Self { address, told }
    }

    /// The next thing the page tells has to be this.
    async fn expect(&mut self, what: impl Display) {
        let told = time::timeout(BROWSER_TIMEOUT, self.told.recv()).await;
        let told = told.unwrap_or_else(|_| panic!("the page has not told {what}"));
        assert_eq!(told.unwrap(), what.to_string());
    }
}

/// Answers one request. Gives its body, if it has one.
fn answer(mut stream: TcpStream, page: &str) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let is_page = line.starts_with("GET / ");
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let content = if is_page { page } else { "" };
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close";
    let size = content.len();
    write!(stream, "{head}\r\ncontent-length: {size}\r\n\r\n{content}").ok()?;
    (0 < length).then(|| String::from_utf8(body).unwrap())
}

impl Browser {
    fn open(address: SocketAddr) -> Self {
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_page_of_the_device_document_works_unchanged() {
    let (listener, address) = Site::bind();
    let toml = format!(
        "listen.origins = [\"http://{address}\"]\nlimits.idle = \"2s\"\n\
         dialect.device.ping = \"500ms\"\ndialect.device.heartbeat = \"500ms\""
    );
    let mut gateway = Gateway::start(&toml);
    let token = gateway.device_token("42", &["d1"], &[]);
    let page = PAGE
        .replace("{host}", &gateway.public().to_string())
        .replace("YOUR_AUTH_TOKEN", &token);
    let mut site = Site::serve(listener, address, page);
    let _browser = Browser::open(site.address);
    site.expect("auth ok").await;
    for (to, event, data, told) in [
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
        if told.is_empty() {
            let other = site.told.recv().await.unwrap();
            assert!(other.starts_with(r#"other {"type":"announcement","data":[1],"time":"#));
        } else {
            site.expect(told).await;
        }
    }
    // It never answers the dialect's pings; the browser answers those of WebSocket, which is what
    // keeps it here for longer than a silent client may stay.
    site.expect("pinged").await;
    gateway.stop();
    site.expect("closed 1012 draining").await;
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}
