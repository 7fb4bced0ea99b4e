//! Which versions of TLS a node speaks.

use std::{
    fs::{self, File},
    process::Command,
};

use tokio::{io::AsyncReadExt as _, task};

use super::tls::certified;
use crate::support::{Gateway, Raw, soon};

/// What a record begins with.
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
/// `protocol_version`, of RFC 8446, section 6.
const PROTOCOL_VERSION: u8 = 70;
const PROXY: &[u8] = b"PROXY TCP4 203.0.113.1 127.0.0.1 12345 443\r\n";

fn start(toml_too: &str) -> Gateway {
    let (folder, toml) = certified();
    Gateway::start_in(folder, &(toml + toml_too))
}

/// What OpenSSL says of a connection of this version, over which it asks for a path that nobody has.
async fn openssl(gateway: &Gateway, version: &'static str) -> String {
    let request = gateway.folder().join("request");
    fs::write(&request, "GET /nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let address = gateway.public().to_string();
    let running = task::spawn_blocking(move || {
        let mut command = Command::new("openssl");
        command.args(["s_client", "-connect", &address, "-servername", "localhost"]);
        // Without the lowest level it would not even offer the old versions.
        command.args(["-cipher", "ALL:@SECLEVEL=0", "-brief", "-ign_eof", version]);
        command.stdin(File::open(request).unwrap()).output()
    });
    let output = soon("the end of openssl", running).await.unwrap().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A hello of a client that speaks 3.`minor` at most: SSL 3.0 is 3.0, TLS 1.2 is 3.3. Ciphers, groups
/// and signatures are such that a server of that version could take it.
fn hello(minor: u8) -> Vec<u8> {
    let extensions: &[u8] = &[
        0, 10, 0, 4, 0, 2, 0, 23, // supported_groups: secp256r1
        0, 11, 0, 2, 1, 0, // ec_point_formats: uncompressed
        0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1, // signature_algorithms
    ];
    let ciphers: &[u8] = &[0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x09, 0xc0, 0x13, 0, 0x2f];
    let mut body = vec![3, minor];
    body.extend([7; 32]);
    body.extend([0, 0, ciphers.len() as u8]);
    body.extend(ciphers);
    body.extend([1, 0, 0, extensions.len() as u8]);
    body.extend(extensions);
    let length = body.len() as u8;
    let mut record = vec![HANDSHAKE, 3, minor, 0, length + 4, 1, 0, 0, length];
    record.extend(body);
    record
}

/// The first record that answers a hello.
async fn answer(gateway: &Gateway, before: &[u8], minor: u8) -> Vec<u8> {
    let mut raw = Raw::open(gateway.public()).await;
    raw.write(&[before, &hello(minor)].concat()).await;
    let mut record = vec![0; 5];
    let reading = async {
        raw.stream.read_exact(&mut record).await.unwrap();
        let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
        record.resize(5 + length, 0);
        raw.stream.read_exact(&mut record[5..]).await.unwrap();
    };
    soon("an answer to a hello", reading).await;
    record
}

#[tokio::test]
async fn openssl_is_served_by_tls_1_2_and_1_3_and_by_nothing_older() {
    let gateway = start("");
    for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let said = openssl(&gateway, version).await;
        assert!(said.contains("HTTP/1.1 404"), "{version}: {said}");
        let protocol = format!("Protocol version: {name}");
        assert!(said.contains(&protocol), "{version}: {said}");
    }
    for version in ["-tls1", "-tls1_1"] {
        let said = openssl(&gateway, version).await;
        assert!(!said.contains("HTTP/1.1"), "{version}: {said}");
        // One of TLS 1.1 lacks what 1.2 needs, which is noticed first.
        assert!(said.contains("SSL alert number"), "{version}: {said}");
    }
    let rejected = "tidegate_rejections_total";
    gateway.until_metric(rejected, "\"tls\"", 2.0).await;
}

#[tokio::test]
async fn old_versions_are_refused_by_their_hello_behind_a_proxy_too() {
    for (toml, before) in [("", &b""[..]), ("listen.proxy_protocol = true", PROXY)] {
        let gateway = start(toml);
        for minor in 0..3 {
            let record = answer(&gateway, before, minor).await;
            assert_eq!(record[0], ALERT, "3.{minor}: {record:?}");
            assert_eq!(record[6], PROTOCOL_VERSION, "3.{minor}: {record:?}");
        }
        gateway
            .until_metric("tidegate_rejections_total", "\"tls\"", 3.0)
            .await;
        // The same words by a client of TLS 1.2 are good.
        let record = answer(&gateway, before, 3).await;
        assert_eq!(record[..3], [HANDSHAKE, 3, 3], "{record:?}");
    }
}
