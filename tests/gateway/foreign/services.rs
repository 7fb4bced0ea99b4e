//! The examples of services in `docs/BACKENDS.md`, run as an application would, and asked by clients.

use std::{
    env,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time;

use super::{PYTHON, examples::folder};
use crate::support::{Client, Gateway, client::code, soon};

/// Those that this file runs.
pub(super) const SERVICES: [&str; 4] = ["deciding.php", "deciding.py", "methods.mjs", "methods.py"];
const SECRET: &str = "0123456789abcdef";

/// A service that runs until it is dropped.
struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    async fn start(name: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let file = folder().join(name);
        let port = address.port().to_string();
        let mut command = match name.rsplit('.').next().unwrap() {
            "py" => Command::new(env::var_os(PYTHON).unwrap_or_else(|| "python3".into())),
            "mjs" => Command::new("node"),
            _ => {
                let mut command = Command::new("php");
                command.args(["-S", &address.to_string()]);
                command
            }
        };
        command
            .arg(file)
            .env("SECRET", SECRET)
            .stderr(Stdio::piped());
        if !name.ends_with("php") {
            command.arg(port);
        }
        let child = command.env("PYTHONDONTWRITEBYTECODE", "1").spawn();
        let child = child.unwrap_or_else(|error| panic!("{name}: run scripts/test ({error})"));
        let mut service = Self { child, address };
        soon(name, async {
            while TcpStream::connect(address).is_err() {
                if service.child.try_wait().unwrap().is_some() {
                    let errors = BufReader::new(service.child.stderr.take().unwrap());
                    let lines: Vec<_> = errors.lines().map_while(Result::ok).collect();
                    panic!("{name} has ended: {}", lines.join("\n"));
                }
                time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client of `device` that has sent who it is, and its next frame without the time.
async fn device(gateway: &Gateway, user: &str) -> (Client, Value) {
    let mut client = Client::connect(gateway, "/ws").await;
    let token = gateway.device_token(user, &[], &[]);
    client
        .send(json!({"type": "auth", "data": {"token": token}}).to_string())
        .await;
    let first = frame(&mut client).await;
    (client, first)
}

async fn frame(client: &mut Client) -> Value {
    serde_json::from_str(&client.text().await).unwrap()
}

async fn ask(client: &mut Client, kind: &str, data: Value) -> Value {
    client
        .send(json!({"type": kind, "data": data}).to_string())
        .await;
    frame(client).await
}

#[tokio::test]
async fn methods_are_answered_by_each_example() {
    for name in ["methods.mjs", "methods.py"] {
        let service = Service::start(name).await;
        let toml = |secret: &str| {
            format!(
                "backend.methods = [{{ prefix = \"shop.\", url = \"http://{}/\", secret = \"{secret}\" }}]",
                service.address
            )
        };
        let gateway = Gateway::start(&toml(SECRET));
        let (mut client, _) = device(&gateway, "anna").await;
        let answer = ask(&mut client, "shop.order", json!({"id": 7})).await;
        let expect = json!({"order": 7, "state": "on its way", "for": "anna"});
        assert_eq!(
            (&answer["type"], &answer["data"]),
            (&json!("shop.order"), &expect)
        );
        let answer = ask(&mut client, "shop.other", json!({})).await;
        assert_eq!(answer["data"]["code"], 404, "{name}");
        // Whoever does not know the secret is turned away.
        gateway.reload(&toml("another secret"));
        let answer = ask(&mut client, "shop.order", json!({"id": 7})).await;
        assert_eq!(answer["data"]["code"], 401, "{name}");
    }
}

#[tokio::test]
async fn each_example_decides_who_comes_in_and_who_joins_a_room() {
    for name in ["deciding.php", "deciding.py"] {
        let service = Service::start(name).await;
        let toml = |secret: &str| {
            let hook = format!(
                "{{ url = \"http://{}/\", secret = \"{secret}\" }}",
                service.address
            );
            format!("backend.connect = {hook}\nbackend.subscribe = {hook}")
        };
        let gateway = Gateway::start_alone(&toml(SECRET));
        let (mut mallory, refused) = device(&gateway, "mallory").await;
        assert_eq!(
            refused["data"]["message"], "this account is closed",
            "{name}"
        );
        assert_eq!(mallory.closed().await, code(1008, "auth_failed"));
        let (mut bert, _) = device(&gateway, "bert").await;
        let (mut anna, _) = device(&gateway, "anna").await;
        let joined = ask(&mut anna, "subscribe", json!({"room": "vip"})).await;
        assert_eq!(joined["data"]["status"], "ok", "{name}");
        let refused = ask(&mut bert, "subscribe", json!({"room": "vip"})).await;
        assert_eq!(refused["data"]["message"], "members only", "{name}");
        gateway
            .publish(&json!({"to": "room:vip", "event": "vip"}))
            .await;
        gateway
            .publish(&json!({"to": "room:lobby", "event": "lobby"}))
            .await;
        assert_eq!(frame(&mut anna).await["type"], "vip");
        assert_eq!(frame(&mut anna).await["type"], "lobby");
        assert_eq!(frame(&mut bert).await["type"], "lobby");
        gateway.reload(&toml("another secret"));
        let (_, refused) = device(&gateway, "carl").await;
        assert_eq!(refused["data"]["code"], 503, "{name}");
    }
}
