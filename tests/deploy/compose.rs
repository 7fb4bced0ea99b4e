//! The stack of `deploy/compose.yaml`: whether everything is there, and its nodes behind its nginx.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::{
    container::{Container, Spec},
    files::{path, run, text, yaml},
    http,
    lab::Lab,
    mariadb::Mariadb,
    process::Process,
    soon, until,
};

const NODES: [&str; 3] = ["gw1", "gw2", "gw3"];

fn stack() -> Value {
    yaml(&text("deploy/compose.yaml")).remove(0)
}

fn make_secrets(folder: &Path) {
    run(Command::new(path("deploy/compose/make-secrets")).arg(folder));
}

fn words(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// What a service mounts of our files: where it is from `deploy` on, and where in the container.
fn mounted(service: &Value) -> Vec<(&str, &str)> {
    let volumes = words(&service["volumes"]).filter(|volume| volume.starts_with('.'));
    volumes
        .map(|volume| {
            let (from, to) = volume.split_once(':').unwrap();
            (
                from,
                to.strip_suffix(":ro").expect("nothing writes to our files"),
            )
        })
        .collect()
}

#[test]
fn everything_that_the_stack_names_is_there() {
    let stack = stack();
    let services = stack["services"].as_object().unwrap();
    for (name, service) in services {
        for (from, _) in mounted(service) {
            assert!(path("deploy").join(from).exists(), "{name}: {from}");
        }
        let image = service["image"].as_str().unwrap();
        let tag = image
            .rsplit_once(':')
            .unwrap_or_else(|| panic!("{image} has no tag"))
            .1;
        assert!(tag.contains('.'), "{image}: another one tomorrow");
        for secret in words(&service["secrets"]) {
            assert!(!stack["secrets"][secret].is_null(), "{name}: {secret}");
        }
        let networks = &service["networks"];
        let by_name = networks.as_object().into_iter().flat_map(|map| map.keys());
        for network in words(networks).chain(by_name.map(String::as_str)) {
            let all = stack["networks"].as_object().unwrap();
            assert!(all.contains_key(network), "{name}: {network}");
        }
        let waits = service["depends_on"].as_object().into_iter().flatten();
        for (other, how) in waits {
            assert_eq!(how["condition"], "service_healthy");
            let has_check =
                !services[other]["healthcheck"].is_null() || NODES.contains(&other.as_str());
            assert!(has_check, "{other} is never healthy");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    make_secrets(folder.path());
    for (name, secret) in stack["secrets"].as_object().unwrap() {
        assert_eq!(secret["file"], format!("./compose/secrets/{name}"));
        assert!(folder.path().join(name).is_file(), "{name} is not made");
    }
    assert!(text(".gitignore").contains("/deploy/compose/secrets/\n"));
}

#[test]
fn what_stands_twice_says_the_same() {
    let stack = stack();
    let folder = tempfile::tempdir().unwrap();
    make_secrets(folder.path());
    let secret = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let url = secret("store-url");
    let database = &stack["services"]["mariadb"]["environment"];
    let (user, name) = (&database["MARIADB_USER"], &database["MARIADB_DATABASE"]);
    let (user, name) = (user.as_str().unwrap(), name.as_str().unwrap());
    let password = secret("mariadb-password");
    assert_eq!(
        url.trim(),
        format!("mysql://{user}:{}@mariadb:3306/{name}", password.trim())
    );
    // A second time it leaves them alone.
    make_secrets(folder.path());
    assert_eq!(secret("store-url"), url);

    let toml: toml::Table = text("deploy/compose/tidegate.toml").parse().unwrap();
    let subnet = stack
        .pointer("/networks/front/ipam/config/0/subnet")
        .unwrap();
    assert_eq!(
        toml["listen"]["trusted_proxies"][0].as_str(),
        subnet.as_str()
    );
    let connections = toml["limits"]["connections_max"].as_integer().unwrap();
    for name in NODES {
        let node = &stack["services"][name];
        assert_eq!(node["environment"]["TIDEGATE_CLUSTER__NODE"], name);
        assert_eq!(node["ulimits"]["nofile"], connections + 256);
        assert_eq!(node["read_only"], true);
        // drain.grace and 5 s.
        assert_eq!(node["stop_grace_period"], "35s");
    }

    let targets = yaml(&text("deploy/compose/targets.yml")).remove(0);
    let targets: Vec<_> = targets
        .as_array()
        .unwrap()
        .iter()
        .map(|target| &target["targets"][0])
        .collect();
    assert_eq!(targets, ["gw1:8081", "gw2:8081", "gw3:8081"]);
}

/// What a service of the stack is in the lab.
fn node(lab: &Lab, stack: &Value, name: &str, secrets: &Path) -> Container {
    let service = &stack["services"][name];
    let variables = service["environment"].as_object().unwrap().iter();
    let mut environment: Vec<_> = variables
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    // All of them have one loopback here; nginx comes from there.
    for (key, value) in [
        ("LISTEN__PUBLIC", lab.at(name, 8080).to_string()),
        ("LISTEN__ADMIN", lab.at(name, 8081).to_string()),
        ("LISTEN__TRUSTED_PROXIES", "127.0.0.0/8".to_owned()),
    ] {
        environment.push((format!("TIDEGATE_{key}"), value));
    }
    let files = mounted(service).into_iter();
    let mut mounts: Vec<(PathBuf, String)> = files
        .map(|(from, to)| (path("deploy").join(from), to.to_owned()))
        .collect();
    for secret in words(&service["secrets"]) {
        mounts.push((secrets.join(secret), format!("/run/secrets/{secret}")));
    }
    let states = words(&service["tmpfs"]).map(|state| {
        let (at, options) = state.split_once(':').unwrap();
        assert_eq!(options, "uid=65532,gid=65532,mode=0700");
        at.to_owned()
    });
    let spec = Spec {
        name: name.to_owned(),
        environment,
        mounts,
        states: states.collect(),
        ..Spec::default()
    };
    Container::start(lab, spec)
}

/// nginx with the file of the stack, and with the names of the stack.
fn nginx(lab: &Lab) -> Process {
    let file = lab.file("nginx.conf");
    let listen = format!("listen {} ", lab.at("nginx", 8080));
    let conf = text("deploy/compose/nginx.conf").replace("listen 8080 ", &listen);
    assert!(conf.contains(&listen));
    fs::write(&file, conf).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec"]);
    command.arg("mount --bind \"$1\" /etc/hosts; exec nginx -c \"$2\" -g \"daemon off; pid $3;\"");
    command
        .arg("sh")
        .arg(lab.hosts())
        .arg(file)
        .arg(lab.file("nginx.pid"));
    Process::start_master(command, &lab.file("nginx.log"))
}

async fn connect(lab: &Lab, node: &Container, user: &str) -> WebSocketStream<TcpStream> {
    let config = "/etc/tidegate/tidegate.toml";
    let words = [
        "token",
        "ride",
        "--client-id",
        user,
        "--token",
        user,
        "--config",
        config,
    ];
    let line: Vec<_> = ["/usr/bin/tidegate"]
        .iter()
        .chain(&words)
        .copied()
        .collect();
    let (succeeded, token) = node.exec(&line);
    assert!(succeeded, "{token}");
    let at = lab.at("nginx", 8080);
    let url = format!("ws://{at}/ws/?client_id={user}&token={}", token.trim());
    let stream = TcpStream::connect(at).await.unwrap();
    soon("a session", client_async(url, stream))
        .await
        .unwrap()
        .0
}

/// Waits until a node knows of so many sessions, and gives the nodes that they are on.
async fn nodes_of(admin: SocketAddr, key: &str, count: usize) -> BTreeSet<String> {
    let headers = [("authorization", key)];
    soon("all are known", async {
        loop {
            let answer = http::call(admin, "GET", "/api/sessions", &headers, "").await;
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            let sessions = body["sessions"].as_array().unwrap();
            let nodes = sessions
                .iter()
                .map(|session| session["node"].as_str().unwrap());
            if sessions.len() == count {
                return nodes.map(str::to_owned).collect();
            }
        }
    })
    .await
}

async fn hears(client: &mut WebSocketStream<TcpStream>, words: &str) {
    soon("the message", async {
        while !client
            .next()
            .await
            .unwrap()
            .unwrap()
            .to_string()
            .contains(words)
        {}
    })
    .await;
}

#[tokio::test]
async fn its_nodes_are_one_gateway_behind_its_nginx() {
    let names = [
        ("nginx", 1),
        ("redis", 2),
        ("gw1", 11),
        ("gw2", 12),
        ("gw3", 13),
    ];
    let (lab, stack) = (Lab::new(&names), stack());
    let secrets = lab.file("secrets");
    make_secrets(&secrets);
    let mariadb = Mariadb::start();
    fs::write(secrets.join("store-url"), mariadb.database("tidegate")).unwrap();
    let _redis = lab.redis("redis").await;
    let nodes = NODES.iter().map(|name| node(&lab, &stack, name, &secrets));
    let mut nodes: Vec<_> = nodes.collect();
    for (node, name) in nodes.iter_mut().zip(NODES) {
        node.ready(lab.at(name, 8081)).await;
        assert!(node.is_healthy().0);
    }
    let _nginx = nginx(&lab);
    let front = lab.at("nginx", 8080);
    until("nginx serves", || async {
        TcpStream::connect(front).await.is_ok()
    })
    .await;

    let mut clients = Vec::new();
    for number in 0..6 {
        clients.push(connect(&lab, &nodes[0], &format!("p_{number}")).await);
    }
    let key = fs::read_to_string(secrets.join("api-key")).unwrap();
    let key = format!("Bearer {}", key.trim());
    let admin = lab.at("gw1", 8081);
    let used = nodes_of(admin, &key, clients.len()).await;
    assert!(used.iter().eq(NODES), "{used:?}");

    let message = json!({"to": "all", "event": "e", "data": {"text": "to everybody"}});
    let headers = [("authorization", key.as_str())];
    let body = message.to_string();
    let answer = http::call(admin, "POST", "/api/publish", &headers, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for client in &mut clients {
        hears(client, "to everybody").await;
    }
}
