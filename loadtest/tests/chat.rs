//! The scenario `chat` against a real node, small.

#![allow(clippy::unwrap_used)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadtest::http;
use serde_json::Value;
use support::{LOADTEST, gateway};

const KEY: &str = "chat-smoke-key-of-32-characters-x";
const READY_TIMEOUT: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: usize = 600;

/// A node in a folder of its own, which goes with it.
struct Node {
    folder: PathBuf,
    child: Child,
    public: String,
    admin: String,
}

impl Node {
    fn start(name: &str) -> Self {
        let folder = format!("tidegate-chat-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        let write = |name: &str, kind: &str, der: &[u8]| {
            let body = STANDARD.encode(der);
            let pem = format!("-----BEGIN {kind} KEY-----\n{body}\n-----END {kind} KEY-----\n");
            fs::write(folder.join(name), pem).unwrap();
        };
        write("private.pem", "PRIVATE", private.as_ref());
        write("public.pem", "PUBLIC", public.as_ref());
        let [public, admin] = [free_address(), free_address()];
        let settings = format!(
            "development = true\n[listen]\npublic = \"{public}\"\nadmin = \"{admin}\"\n\
             [dialect.im]\npublic_key_files = [\"public.pem\"]\n\
             [[api.keys]]\nkey = \"{KEY}\"\nscopes = [\"admin\"]\n"
        );
        fs::write(folder.join("node.toml"), settings).unwrap();
        let child = Command::new(gateway())
            .args(["start", "--config", "node.toml"])
            .current_dir(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self {
            folder,
            child,
            public,
            admin,
        };
        let is_ready = || {
            let answer = http::get(node.admin.parse().unwrap(), "/readyz", READY_TIMEOUT);
            answer.is_ok_and(|answer| answer.status == 200)
        };
        let mut looks = 0;
        while !is_ready() {
            looks += 1;
            assert!(looks < LOOKS, "the node is not ready");
            std::thread::sleep(LOOK);
        }
        node
    }

    fn chat(&self, options: &[&str]) -> (Output, Option<Value>) {
        let json = self.folder.join("figures.json");
        let pid = self.child.id().to_string();
        let output = Command::new(LOADTEST)
            .args(["chat", "--to", &self.public, "-n", "6", "--secs", "0.5"])
            .args(["--warmup", "0.1", "--server-pid", &pid])
            .arg("--im-key")
            .arg(self.folder.join("private.pem"))
            .arg("--json")
            .arg(&json)
            .args(options)
            .env("LOADTEST_API_KEY", KEY)
            .output()
            .unwrap();
        let figures = fs::read(json).ok();
        let figures = figures.map(|figures| serde_json::from_slice(&figures).unwrap());
        (output, figures)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn messages_are_acknowledged_and_delivered_once() {
    let node = Node::start("friends");
    let (output, figures) = node.chat(&["--outstanding", "3", "--admin", &node.admin]);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(output.status.success(), "{output:?}");
    assert!(0 < figures["acknowledged"].as_u64().unwrap(), "{figures}");
    assert_eq!(figures["errors"], serde_json::json!({}));
    assert_eq!(
        (&figures["unanswered"], &figures["undelivered"]),
        (&0.into(), &0.into())
    );
    assert_eq!(figures["processes"][0]["pid"], node.child.id());
    let (output, figures) = node.chat(&["--rate", "50"]);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(10 < figures["acknowledged"].as_u64().unwrap(), "{figures}");
}

#[test]
fn refusals_are_counted_by_their_texts() {
    let node = Node::start("strangers");
    let (output, figures) = node.chat(&["--outstanding", "1"]);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert_eq!(figures["acknowledged"], 0);
    let refused = figures["errors"]["You are not friends"].as_u64();
    assert!(refused.is_some_and(|count| 0 < count), "{figures}");
}
