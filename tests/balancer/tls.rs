//! Where TLS ends, which versions there are, and how a node knows the client behind it without HTTP.

use std::{net::IpAddr, process::Command, process::Stdio};

use tokio::task;

use crate::{
    balancer::{
        Balancer,
        Kind::{self, Haproxy, Nginx},
    },
    client::Dialer,
    lab::Lab,
    node::Node,
    soon,
};

/// The host of clients.
const HOME: u8 = 200;

/// What the file of HAProxy says of PROXY protocol.
const SEND_PROXY: (&str, &str) = (
    "    default-server check port 8081 inter 500ms fall 1 rise 1\n",
    "    default-server check port 8081 inter 500ms fall 1 rise 1 send-proxy-v2\n",
);

/// What it says of TLS that is passed through.
const PASS_THROUGH: &[(&str, &str)] = &[
    SEND_PROXY,
    ("    mode http\n", "    mode tcp\n"),
    (
        " ssl crt /etc/haproxy/tidegate.pem ssl-min-ver TLSv1.2 alpn http/1.1",
        "",
    ),
    ("    http-request ", "    # "),
    ("    timeout http-request ", "    # "),
    ("    retry-on ", "    # "),
];

#[tokio::test]
async fn haproxy_names_clients_by_proxy_protocol() {
    check_proxy_protocol(false, &[SEND_PROXY]).await;
}

#[tokio::test]
async fn haproxy_names_clients_whose_tls_ends_at_the_node() {
    check_proxy_protocol(true, PASS_THROUGH).await;
}

#[tokio::test]
async fn nginx_speaks_tls_1_2_and_1_3_and_nothing_older() {
    check_versions(Nginx).await;
}

#[tokio::test]
async fn haproxy_speaks_tls_1_2_and_1_3_and_nothing_older() {
    check_versions(Haproxy).await;
}

async fn check_proxy_protocol(has_tls: bool, changes: &[(&str, &str)]) {
    let lab = Lab::new().await;
    let mut toml = "listen.proxy_protocol = true\n".to_owned();
    if has_tls {
        let [cert, key] = ["tidegate.crt", "tidegate.key"].map(|name| lab.file(name));
        toml += &format!("listen.tls = {{ cert = {cert:?}, key = {key:?} }}\n");
    }
    let mut nodes = Vec::new();
    for number in 1..=3 {
        nodes.push(Node::start_with(&lab, number, &toml).await);
    }
    let balancer = Balancer::start_with(&lab, Haproxy, changes).await;
    for node in &nodes {
        balancer.sees(&node.name(), true).await;
    }
    let dialer = Dialer::new(&lab, HOME);
    let mut seen = Vec::new();
    let mut crowd = Vec::new();
    for number in 0..6 {
        let name = format!("u{number}");
        crowd.push(dialer.connect(&name).await);
        let session = nodes[0].session(&name).await;
        // Headers of the client's own that say something else are not believed.
        assert_eq!(session.remote, IpAddr::from(lab.host(HOME)));
        seen.push(session.node);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["gw1", "gw2", "gw3"]);
    // A drain reaches clients as it does behind headers, and who comes back is served elsewhere.
    let leaving = nodes.remove(0);
    leaving.drain().await;
    balancer.sees("gw1", false).await;
    for number in 0..6 {
        let mut client = dialer.connect(&format!("new{number}")).await;
        assert!(client.is_served().await);
        let session = nodes[0].session(&format!("new{number}")).await;
        assert_ne!(session.node, "gw1");
    }
    assert!(leaving.ended().await.success());
}

async fn check_versions(kind: Kind) {
    let lab = Lab::new().await;
    let _node = Node::start(&lab, 1).await;
    let balancer = Balancer::start(&lab, kind).await;
    balancer.sees("gw1", true).await;
    for (version, expect) in [
        ("-tls1", false),
        ("-tls1_1", false),
        ("-tls1_2", true),
        ("-tls1_3", true),
    ] {
        let address = lab.front().to_string();
        let running = task::spawn_blocking(move || {
            let mut command = Command::new("openssl");
            command.args(["s_client", "-connect", &address, "-brief", version]);
            // Without the lowest level it would not even offer the old versions.
            command.args(["-cipher", "ALL:@SECLEVEL=0"]);
            command.stdin(Stdio::null()).output().unwrap()
        });
        let output = soon("the end of openssl", running).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let is_connected = said.contains("CONNECTION ESTABLISHED");
        assert_eq!(is_connected, expect, "{kind:?} {version}: {said}");
        assert_eq!(said.contains("alert protocol version"), !expect, "{said}");
    }
}
