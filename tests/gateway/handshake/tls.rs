//! Encrypted connections.

use std::{fs, path::Path, sync::Arc};

use futures_util::future::join_all;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::client_async;

use super::RIDE;
use crate::support::{
    Client, Closed, Gateway, Raw, Received,
    client::{code, request},
    machine::Folder,
    raw, soon,
};

/// Writes a new certificate and its key into `folder`, and gives the certificate.
fn renew(folder: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().to_vec()
}

fn toml(folder: &Path) -> String {
    let folder = folder.display();
    format!("listen.tls = {{ cert = \"{folder}/cert.pem\", key = \"{folder}/key.pem\" }}\n")
}

/// A folder with a certificate and its key, and the settings that name them.
pub(crate) fn certified() -> (Folder, String) {
    let folder = Folder::new();
    renew(folder.path());
    let toml = toml(folder.path());
    (folder, toml)
}

fn start(toml_too: &str) -> Gateway {
    let (folder, toml) = certified();
    Gateway::start_in(folder, &(toml + toml_too))
}

/// Connects, trusting the certificate in the node's folder and no other.
pub(crate) async fn connect(gateway: &Gateway, narrow: bool) -> TlsStream<TcpStream> {
    let stream = match narrow {
        true => Raw::open_narrow(gateway.public()).stream,
        false => TcpStream::connect(gateway.public()).await.unwrap(),
    };
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(gateway.folder().join("cert.pem"));
    roots.add(trusted.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    soon("the TLS handshake", connecting).await.unwrap()
}

/// A session of the `ride` dialect that is logged in.
async fn ride(
    gateway: &Gateway,
    client_id: &str,
    token: &str,
    narrow: bool,
) -> Client<TlsStream<TcpStream>> {
    let path = format!("/ws/?client_id={client_id}&token={token}");
    let stream = connect(gateway, narrow).await;
    let upgrading = client_async(request(gateway.public(), "wss", &path, &[]), stream);
    let (socket, _) = soon("the upgrade", upgrading).await.unwrap();
    let mut client = Client { socket };
    client.ping().await;
    client
}

fn to_you(number: usize, size: usize) -> String {
    let fill = "x".repeat(size);
    format!(r#"{{"flag":"{number}","token":"me","target_token":"you","fill":"{fill}"}}"#)
}

#[tokio::test]
async fn large_and_many_messages_go_through_in_order() {
    // The clients share a thread, so that one may not read for as long as the other writes.
    let gateway = start("runtime.shards = 2\nlimits.outbox_bytes_max = 8000000");
    let mut me = ride(&gateway, "c1", "me", false).await;
    let mut you = ride(&gateway, "c2", "you", false).await;
    let sizes = |number: usize| [0, 10, 1000, 17_000, 60_000][number % 5];
    let sending = async {
        for number in 0..300 {
            me.send(to_you(number, sizes(number))).await;
        }
        me.ping().await;
    };
    let hearing = async {
        for number in 0..300 {
            assert!(
                you.text().await == to_you(number, sizes(number)),
                "{number}"
            );
        }
    };
    tokio::join!(sending, hearing);
    assert_eq!(me.close().await, Closed::Empty);
}

#[tokio::test]
async fn everything_that_closes_a_session_is_told_through_tls_too() {
    let gateway = start("limits.idle = \"400ms\"\nlimits.message_bytes_max = 1000");
    let mut idle = ride(&gateway, "c1", "me", false).await;
    let mut greedy = ride(&gateway, "c2", "you", false).await;
    greedy.send("x".repeat(1001)).await;
    assert_eq!(greedy.closed().await, code(1009, "message_too_big"));
    assert_eq!(idle.closed().await, code(1000, "idle"));
}

#[tokio::test]
async fn a_slow_client_gets_everything_once_it_reads() {
    let gateway = start("limits.outbox_bytes_max = 2000000");
    let mut you = ride(&gateway, "c2", "you", true).await;
    let mut me = ride(&gateway, "c1", "me", false).await;
    for number in 0..1000 {
        me.send(to_you(number, 1000)).await;
    }
    me.ping().await;
    for number in 0..1000 {
        assert!(you.text().await == to_you(number, 1000), "{number}");
    }
    you.ping().await;
}

#[tokio::test]
async fn a_message_that_no_socket_takes_at_once_arrives_as_a_whole() {
    let toml = "limits.message_bytes_max = 4000000\nlimits.outbox_bytes_max = 8000000";
    let gateway = start(toml);
    let mut you = ride(&gateway, "c2", "you", true).await;
    let mut me = ride(&gateway, "c1", "me", false).await;
    let text = to_you(0, 3_000_000);
    me.send(text.clone()).await;
    me.ping().await;
    // Nothing follows that would push the rest of it on.
    assert!(you.text().await == text);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_a_slow_consumer_through_tls_too() {
    let gateway = start("limits.outbox_bytes_max = 65536");
    let stalled = ride(&gateway, "c2", "you", true).await;
    let mut neighbour = ride(&gateway, "c3", "you", false).await;
    let mut me = ride(&gateway, "c1", "me", false).await;
    let sending = async {
        for number in 0..1000 {
            me.send(to_you(number, 1000)).await;
        }
        me.ping().await;
    };
    let hearing = async {
        for number in 0..1000 {
            assert!(neighbour.text().await == to_you(number, 1000), "{number}");
        }
    };
    tokio::join!(sending, hearing);
    // At the latest when its time to take the Close is over.
    let name = "tidegate_slow_consumers_total";
    gateway.until_metric(name, "ride", 1.0).await;
    drop(stalled);
}

#[tokio::test]
async fn frames_right_behind_the_request_are_not_lost() {
    let gateway = start("");
    let mut stream = connect(&gateway, false).await;
    let to_self = br#"{"flag":"x","token":"me","target_token":"me"}"#;
    let frame = raw::frame(true, raw::TEXT, to_self);
    let bytes = [raw::request(RIDE, &[]).into_bytes(), frame.repeat(3)].concat();
    stream.write_all(&bytes).await.unwrap();
    let mut read = Vec::new();
    let expect = raw::unmasked(true, raw::TEXT, to_self).repeat(3);
    soon("the echo", async {
        while !read.ends_with(&expect) {
            stream.read_buf(&mut read).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_after_a_reload() {
    let gateway = start("");
    let mut before = ride(&gateway, "c1", "me", false).await;
    let renewed = renew(gateway.folder());
    let toml = toml(gateway.folder());
    assert_eq!(gateway.reload(&toml).errors, [""; 0]);
    let stream = connect(&gateway, false).await;
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    assert_eq!(shown[0].to_vec(), renewed);
    before.ping().await;
    // A half-written one changes nothing.
    let good = fs::read(gateway.folder().join("cert.pem")).unwrap();
    fs::write(gateway.folder().join("cert.pem"), &good[..100]).unwrap();
    assert_eq!(gateway.reload(&toml).errors.len(), 1);
    fs::write(gateway.folder().join("cert.pem"), good).unwrap();
    ride(&gateway, "c2", "me", false).await;
}

#[tokio::test]
async fn the_end_of_the_certificate_is_measured_after_a_reload_too() {
    let (folder, toml) = certified();
    let gateway = Gateway::start_in(folder, &toml);
    for year in [2030, 2031] {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let expect = params.not_after.unix_timestamp();
        let made = params.self_signed(&key).unwrap();
        fs::write(gateway.folder().join("cert.pem"), made.pem()).unwrap();
        fs::write(gateway.folder().join("key.pem"), key.serialize_pem()).unwrap();
        assert_eq!(gateway.reload(&toml).errors.len(), 0);
        let name = "tidegate_certificate_expiry_time_seconds";
        // Both nodes have it.
        let nodes = gateway.metric("tidegate_build_info", "").await;
        assert_eq!(gateway.metric(name, "").await, expect as f64 * nodes);
    }
}

#[tokio::test]
async fn who_speaks_no_tls_is_turned_away() {
    let gateway = start("limits.handshake_timeout = \"500ms\"");
    let mut plain = Raw::open(gateway.public()).await;
    plain.write(raw::request(RIDE, &[]).as_bytes()).await;
    loop {
        // An alert may come first, which is no frame.
        let mut bytes = [0; 100];
        match soon("the end", plain.stream.read(&mut bytes)).await {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let mut silent = Raw::open(gateway.public()).await;
    assert!(matches!(
        silent.receive().await,
        Received::End | Received::Reset
    ));
    let rejected = "tidegate_rejections_total";
    gateway.until_metric(rejected, "\"tls\"", 1.0).await;
    gateway.until_metric(rejected, "timeout", 1.0).await;
}

#[tokio::test]
async fn a_connection_cut_without_a_word_of_tls_ends_its_session() {
    let gateway = start("");
    let names = ["a", "b", "c", "d", "e"];
    let clients = join_all(names.map(|name| ride(&gateway, name, "me", false))).await;
    for client in clients {
        let (stream, _) = client.socket.into_inner().into_inner();
        drop(stream);
    }
    gateway.until_metric("tidegate_sessions", "", 0.0).await;
}
