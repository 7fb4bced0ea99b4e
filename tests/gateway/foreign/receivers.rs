//! The examples of `docs/BACKENDS.md` that are told what happens, run as an application would: they check
//! our signature with libraries that are not ours.

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tidegate::{
    dialect::DialectId,
    happening::{Happening, Party, What},
};
use tokio::sync::mpsc;

use super::PYTHON;
use crate::support::{
    Gateway, http,
    machine::{Folder, free_port, kill},
    soon, until,
};

const SECRET: &str = "the-secret-of-both";
/// Each example and its interpreter.
pub(super) const RECEIVERS: [(&str, &str); 2] = [("hook.php", "php"), ("hook.py", "python3")];

/// An example that runs until it is dropped.
struct Running {
    child: Option<Child>,
    port: u16,
    /// What it prints.
    lines: mpsc::UnboundedReceiver<String>,
    _seen: Folder,
}

impl Running {
    async fn start(name: &str, interpreter: &str) -> Self {
        let (port, seen) = (free_port(), Folder::new());
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
        let path = path.join(name).display().to_string();
        let program = match interpreter {
            "python3" => env::var_os(PYTHON).unwrap_or_else(|| interpreter.into()),
            other => other.into(),
        };
        let words = match interpreter {
            "php" => vec!["-S".to_owned(), format!("127.0.0.1:{port}"), path],
            _ => vec![path, port.to_string()],
        };
        let mut child = Command::new(program)
            .args(words)
            .env("HOOK_SECRET", SECRET)
            .env("HOOK_SEEN", seen.path())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{interpreter} is needed for {name}: run scripts/test ({error})")
            });
        let (print, lines) = mpsc::unbounded_channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = print.send(line);
            }
        });
        until("it listens", || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        Self {
            child: Some(child),
            port,
            lines,
            _seen: seen,
        }
    }

    /// The status of what somebody posts who may not be us.
    async fn post(&self, body: &str, signature: &str) -> u16 {
        let address = ([127, 0, 0, 1], self.port).into();
        let headers = [("x-tidegate-signature", signature)];
        http::call(address, "POST", "/", &headers, body)
            .await
            .status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(&mut self.child);
    }
}

fn signature(time: u64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signed = hmac::sign(&key, format!("{time}.{body}").as_bytes());
    let digits: String = { signed.as_ref().iter() }
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={time},v1={digits}")
}

fn opened(id: &str) -> Happening {
    Happening {
        id: id.into(),
        time_ms: 1_700_000_000_000,
        member: "gw-1.1".parse().unwrap(),
        what: What::SessionOpened {
            who: Party {
                session: "gw-1.1.7".parse().unwrap(),
                user: Some("\u{5f20} 3".parse().unwrap()),
                dialect: DialectId::Ride,
            },
            remote: [192, 0, 2, 1].into(),
        },
    }
}

#[tokio::test]
async fn every_receiver_of_the_documentation_understands_us_and_nobody_else() {
    for (name, interpreter) in RECEIVERS {
        let mut running = Running::start(name, interpreter).await;
        let gateway = Gateway::start_alone(&format!(
            "backend.hooks = [{{ url = \"http://127.0.0.1:{}/\", events = [\"session.opened\"], \
             secret = \"{SECRET}\", retry_for = \"3600d\" }}]",
            running.port
        ));
        // What comes again is taken, and printed once.
        let all = ["h1", "h1", "h2"].map(opened);
        gateway.herald().keep(all.into()).await.unwrap();
        let delivered = "outcome=\"delivered\"";
        gateway
            .until_metric("tidegate_hooks_total", delivered, 3.0)
            .await;
        for id in ["h1", "h2"] {
            let line = soon("a line", running.lines.recv()).await.unwrap();
            assert_eq!(line, format!("session.opened {id} \u{5f20} 3"), "{name}");
        }
        let body = json!({"event": "session.opened", "id": "h3", "user": null}).to_string();
        let (now, other) = (gateway.now(), body.replace("h3", "h4"));
        for (signature, expect) in [
            (signature(now, &body), 204),
            (signature(now - 3600, &body), 401),
            (signature(now + 3600, &body), 401),
            (signature(now, &other), 401),
            (format!("t={now},v1="), 401),
            ("nonsense".to_owned(), 401),
            (String::new(), 401),
        ] {
            let status = running.post(&body, &signature).await;
            assert_eq!(status, expect, "{name}: {signature}");
        }
        let line = soon("a line", running.lines.recv()).await.unwrap();
        assert!(line.starts_with("session.opened h3"), "{name}: {line}");
        let sample: Value = json!({"hook": 0});
        let tested = gateway.api("POST", "/api/hooks/test", &sample).await;
        assert!(
            tested.body.contains("\"status\":204"),
            "{name}: {}",
            tested.body
        );
    }
}
