//! The image: what is in it, and that it needs nothing else.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use serde_json::json;

use crate::{
    container::{Container, Spec, until_answers},
    dns::NameServer,
    files::{path, run, text},
    http,
    lab::Lab,
    root::image,
};

const KEY: &str = "a-key-for-the-tests-of-images";
const STATE: &str = "/var/lib/tidegate";

/// A node that listens where the name `gw1` is, whose Redis is where another name is.
fn node(lab: &Lab) -> Spec {
    let set = |name: &str, value: String| (format!("TIDEGATE_{name}"), value);
    Spec {
        name: "gw1".to_owned(),
        environment: vec![
            set("LISTEN__PUBLIC", lab.at("gw1", 8080).to_string()),
            set("LISTEN__ADMIN", lab.at("gw1", 8081).to_string()),
            set("CLUSTER__REDIS", "redis://a-name-of-redis:6379".to_owned()),
            set("DIALECT__RIDE__TOKENS", "any".to_owned()),
            set("DIALECT__RIDE__REALM", "ride".to_owned()),
            set("DIALECT__DEVICE__ENABLED", "false".to_owned()),
            set(
                "API__KEYS",
                format!(r#"[{{"key":"{KEY}","scopes":["admin"]}}]"#),
            ),
        ],
        states: vec![STATE.to_owned()],
        ..Spec::default()
    }
}

fn lab() -> Lab {
    Lab::new(&[("gw1", 11), ("a-name-of-redis", 2)])
}

#[test]
fn the_image_holds_the_program_and_four_files() {
    let expect = [
        "etc/group",
        "etc/nsswitch.conf",
        "etc/passwd",
        "etc/tidegate/tidegate.toml",
        "usr/bin/tidegate",
    ];
    assert_eq!(image().names(), expect);
    let config = &image().config;
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["WorkingDir"], STATE);
    let ports = config["ExposedPorts"].as_object().unwrap().keys();
    let ports: BTreeSet<_> = ports.map(String::as_str).collect();
    assert_eq!(ports, ["8080/tcp", "8081/tcp"].into());
    let labels = &config["Labels"];
    let version = &labels["org.opencontainers.image.version"];
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert_eq!(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    let passwd = fs::read_to_string(image().files.join("etc/passwd")).unwrap();
    assert!(passwd.contains("tidegate:x:65532:65532:"), "{passwd}");
}

#[tokio::test]
async fn it_runs_as_nobody_on_a_root_that_cannot_be_written() {
    let lab = lab();
    // Its name is in /etc/hosts of the container: names are looked up without a library of the machine.
    let _redis = lab.redis("a-name-of-redis").await;
    let mut node = Container::start(&lab, node(&lab));
    let admin = lab.at("gw1", 8081);
    node.ready(admin).await;

    let status = fs::read_to_string(format!("/proc/{}/status", node.pid)).unwrap();
    for line in [
        "Uid:\t65532\t65532\t65532\t65532",
        "Gid:\t65532\t65532\t65532\t65532",
        "CapEff:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", node.pid)).unwrap();
    let root = mounts
        .lines()
        .find(|line| line.split(' ').nth(4) == Some("/"));
    assert!(
        root.unwrap().split(' ').nth(5).unwrap().starts_with("ro"),
        "{mounts}"
    );

    let (is_healthy, text) = node.is_healthy();
    assert!(is_healthy, "{text}");
    assert!(text.contains("state      ready"), "{text}");
    // Zones are in the program: there is no file of them.
    let authorization = format!("Bearer {KEY}");
    let schedule = json!({
        "id": "morning", "cron": "0 8 * * *", "timezone": "Europe/Berlin",
        "publish": {"to": "all", "event": "e", "data": 1},
    });
    let headers = [("authorization", authorization.as_str())];
    let body = schedule.to_string();
    let made = http::call(admin, "POST", "/api/schedules", &headers, &body).await;
    assert!(made.status < 300, "{made:?}");

    node.terminate();
    let (status, _) = node.ended_within(Duration::from_secs(30)).await;
    assert!(status.success(), "{status}");
}

/// In Kubernetes names are known to a server, not to a file.
#[tokio::test]
async fn it_asks_the_name_server_for_what_no_file_names() {
    let lab = Lab::new(&[("gw1", 11), ("redis", 2), ("dns", 53)]);
    let _redis = lab.redis("redis").await;
    let _dns = NameServer::start(lab.at("dns", 53), lab.address("redis")).await;
    let resolver = lab.file("resolv.conf");
    fs::write(&resolver, format!("nameserver {}\n", lab.address("dns"))).unwrap();
    let mut spec = node(&lab);
    spec.mounts.push((resolver, "/etc/resolv.conf".to_owned()));
    Container::start(&lab, spec)
        .ready(lab.at("gw1", 8081))
        .await;
}

#[tokio::test]
async fn the_health_check_fails_while_nobody_should_come() {
    let lab = lab();
    let redis = lab.redis("a-name-of-redis").await;
    let mut node = Container::start(&lab, node(&lab));
    let admin = lab.at("gw1", 8081);
    node.ready(admin).await;
    assert!(node.is_healthy().0);
    drop(redis);
    until_answers(admin, "/readyz", 503).await;
    let (is_healthy, text) = node.is_healthy();
    assert!(!is_healthy && text.contains("Redis"), "{text}");
}

/// A file is there, empty as it is, so this is no node in development mode.
#[tokio::test]
async fn without_a_configuration_it_says_what_is_missing() {
    let lab = lab();
    let spec = Spec {
        name: "gw1".to_owned(),
        states: vec![STATE.to_owned()],
        ..Spec::default()
    };
    let (code, text) = Container::start(&lab, spec).ended().await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("dialect.ride.tokens"), "{text}");
}

/// Cargo wants every file that a manifest names, and the allocator its options.
#[test]
fn what_is_sent_to_the_builder_is_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let ignored = text(".dockerignore");
    let sent: Vec<_> = ignored
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert!(ignored.lines().any(|line| line == "*"));
    assert!(
        sent.contains(&".cargo") && sent.contains(&"deploy/image"),
        "{sent:?}"
    );
    for name in sent {
        let to = folder.path().join(name);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        run(Command::new("cp").arg("-r").arg(path(name)).arg(&to));
    }
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args([
        "metadata",
        "--locked",
        "--offline",
        "--no-deps",
        "--format-version=1",
    ]);
    run(metadata.current_dir(folder.path()));
}
