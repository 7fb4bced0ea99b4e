//! From a connection to an upgrade, or to an answer that says why not.

mod limits;
mod proxy;
pub(crate) mod tls;
mod versions;

use std::time::Duration;

use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

use crate::support::{
    Client, Gateway, Raw, Received,
    client::{request, status},
    http,
    raw::{self, Response, TEXT, frame},
};

const RIDE: &str = "/ws/?client_id=c&token=me";

/// The answer to what is written to a fresh connection, as far as it takes it.
async fn answer(gateway: &Gateway, bytes: &[u8]) -> Response {
    let mut raw = Raw::open(gateway.public()).await;
    raw.offer(bytes).await;
    raw.response().await
}

/// The status of a request to upgrade with these changes to its text.
async fn changed(gateway: &Gateway, from: &str, to: &str) -> Response {
    let request = raw::request(RIDE, &[]);
    assert!(request.contains(from));
    answer(gateway, request.replace(from, to).as_bytes()).await
}

async fn refused(gateway: &Gateway, path: &str, headers: &[(&'static str, &str)]) -> u16 {
    status(Client::try_connect(gateway, path, headers).await)
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let gateway = Gateway::start("");
    for path in ["/nowhere", "/ws/x", "/WS/", "//", "/ws%2f", "/?token=me"] {
        assert_eq!(refused(&gateway, path, &[]).await, 404, "{path}");
    }
    let answer = http::call(gateway.public(), "GET", "/nowhere", &[], "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        gateway
            .metric("tidegate_rejections_total", "unknown_path")
            .await,
        7.0
    );
}

#[tokio::test]
async fn without_an_upgrade_or_in_another_version_one_is_required() {
    let gateway = Gateway::start("");
    for (from, to) in [
        ("upgrade: websocket\r\n", ""),
        ("connection: upgrade\r\n", ""),
        ("upgrade: websocket", "upgrade: h2c"),
        ("version: 13", "version: 8"),
        ("sec-websocket-version: 13\r\n", ""),
        ("GET ", "POST "),
        ("HTTP/1.1", "HTTP/1.0"),
    ] {
        let response = changed(&gateway, from, to).await;
        assert_eq!(response.status, 426, "{from}");
        assert_eq!(response.header("upgrade"), Some("websocket"));
        assert_eq!(response.header("sec-websocket-version"), Some("13"));
        assert_eq!(response.header("connection"), Some("close"));
    }
}

#[tokio::test]
async fn header_names_and_values_are_read_as_browsers_write_them() {
    let gateway = Gateway::start("");
    for (from, to) in [
        ("connection: upgrade", "Connection: keep-alive, Upgrade"),
        ("upgrade: websocket", "Upgrade: WebSocket"),
        ("sec-websocket-key", "Sec-WebSocket-Key"),
    ] {
        assert_eq!(changed(&gateway, from, to).await.status, 101, "{to}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_sixteen_bytes_in_base64_is_a_bad_request() {
    let gateway = Gateway::start("");
    for key in [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j*Q==",
    ] {
        let response = changed(&gateway, "dGhlIHNhbXBsZSBub25jZQ==", key).await;
        assert_eq!(response.status, 400, "{key}");
    }
    let twice = format!("\r\nsec-websocket-key: {}\r\n\r\n", generate_key());
    let response = changed(&gateway, "\r\n\r\n", &twice).await;
    assert_eq!(response.status, 400);
}

#[tokio::test]
async fn what_is_no_http_is_a_bad_request() {
    let gateway = Gateway::start("");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"hello\r\n\r\n",
    ] {
        assert_eq!(answer(&gateway, bytes).await.status, 400);
    }
}

#[tokio::test]
async fn a_header_that_is_too_large_is_refused_as_such() {
    let gateway = Gateway::start("");
    let long = "x".repeat(9000);
    let many: String = (0..400)
        .map(|number| format!("x-{number}: x\r\n"))
        .collect();
    for (from, to) in [
        (
            "host: localhost",
            format!("host: localhost\r\nx-long: {long}"),
        ),
        ("host: localhost", format!("{many}host: localhost")),
        ("token=me", format!("token={long}")),
    ] {
        let response = changed(&gateway, from, &to).await;
        assert_eq!(response.status, 431, "{}", &to[..20]);
    }
    // Also to those who have not yet sent all of it.
    for size in [100_000, 1_000_000] {
        let long = format!("host: localhost\r\nx-long: {}", "x".repeat(size));
        let response = changed(&gateway, "host: localhost", &long).await;
        assert_eq!(response.status, 431, "{size}");
    }
    // Below the bound, headers may be many and tokens long.
    let many: String = (0..240)
        .map(|number| format!("x-{number}: x\r\n"))
        .collect();
    let response = changed(&gateway, "host:", &format!("{many}host:")).await;
    assert_eq!(response.status, 101);
    let token = "x".repeat(1000);
    let cookie = "c".repeat(6000);
    let headers = [("cookie", cookie.as_str())];
    let path = format!("/ws/?client_id=c&token={token}");
    Client::with_headers(&gateway, &path, &headers)
        .await
        .ping()
        .await;
}

#[tokio::test]
async fn the_bound_of_headers_can_be_raised() {
    let gateway = Gateway::start("limits.header_bytes_max = 32768");
    let cookie = "c".repeat(20_000);
    let headers = [("cookie", cookie.as_str())];
    Client::with_headers(&gateway, RIDE, &headers)
        .await
        .ping()
        .await;
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_forbidden() {
    let toml = "listen.origins = [\"https://app.example\"]";
    let gateway = Gateway::start(toml);
    for origin in ["https://app.example.evil", "http://app.example", "null", ""] {
        let headers = [("origin", origin)];
        assert_eq!(refused(&gateway, RIDE, &headers).await, 403, "{origin}");
    }
    // Who is no browser says nothing.
    for headers in [&[("origin", "https://App.Example")][..], &[]] {
        Client::with_headers(&gateway, RIDE, headers)
            .await
            .ping()
            .await;
    }
}

#[tokio::test]
async fn of_several_origins_each_must_be_listed() {
    let gateway = Gateway::start("listen.origins = [\"https://app.example\"]");
    let headers = [
        ("origin", "https://app.example"),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(refused(&gateway, RIDE, &headers).await, 403);
}

#[tokio::test]
async fn an_upgrade_has_no_body() {
    let gateway = Gateway::start("");
    for header in [("content-length", "5"), ("transfer-encoding", "chunked")] {
        assert_eq!(refused(&gateway, RIDE, &[header]).await, 400, "{header:?}");
    }
}

#[tokio::test]
async fn without_a_list_any_origin_may_come() {
    let gateway = Gateway::start("");
    let headers = [("origin", "https://anything.example")];
    Client::with_headers(&gateway, RIDE, &headers)
        .await
        .ping()
        .await;
}

#[tokio::test]
async fn the_first_sub_protocol_offered_is_chosen() {
    let gateway = Gateway::start("");
    let address = gateway.public();
    let request = request(
        address,
        "ws",
        RIDE,
        &[("sec-websocket-protocol", "soap, chat")],
    );
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let (_, response) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "soap");
    // And none where none was.
    let response = answer(&gateway, raw::request(RIDE, &[]).as_bytes()).await;
    assert_eq!(response.header("sec-websocket-protocol"), None);
}

#[tokio::test]
async fn only_a_token_is_a_sub_protocol() {
    let gateway = Gateway::start("");
    for (offers, chosen) in [
        (&[","][..], None),
        (&["a;b c"], None),
        (&["", "\"x\""], None),
        (&["a b, ,chat\t, soap"], Some("chat")),
        (&["é", "v1.tidegate"], Some("v1.tidegate")),
    ] {
        let headers: Vec<_> = offers
            .iter()
            .map(|offer| ("sec-websocket-protocol", *offer))
            .collect();
        let response = answer(&gateway, raw::request(RIDE, &headers).as_bytes()).await;
        assert_eq!(response.status, 101, "{offers:?}");
        assert_eq!(
            response.header("sec-websocket-protocol"),
            chosen,
            "{offers:?}"
        );
    }
}

#[tokio::test]
async fn an_upgrade_says_for_whom_it_is_exactly_once() {
    let gateway = Gateway::start("");
    let twice = "host: localhost\r\nhost: localhost\r\n";
    for hosts in ["", twice] {
        let response = changed(&gateway, "host: localhost\r\n", hosts).await;
        assert_eq!(response.status, 400, "{hosts}");
    }
    assert_eq!(
        changed(&gateway, "host: localhost", "host:").await.status,
        101
    );
}

#[tokio::test]
async fn extensions_are_not_taken_up() {
    let gateway = Gateway::start("");
    let headers = [("sec-websocket-extensions", "permessage-deflate")];
    let request = raw::request(RIDE, &headers);
    let response = answer(&gateway, request.as_bytes()).await;
    assert_eq!(response.status, 101);
    assert_eq!(response.header("sec-websocket-extensions"), None);
}

#[tokio::test]
async fn frames_right_behind_the_request_are_not_lost() {
    let gateway = Gateway::start("");
    let to_me = r#"{"flag":"x","token":"me","target_token":"me"}"#;
    let frames = frame(true, TEXT, to_me.as_bytes()).repeat(20);
    let request = raw::request(RIDE, &[]).into_bytes();
    let all = [request, frames].concat();
    // In one piece, and cut at the border and within a frame.
    for cut in [all.len(), all.len() / 2, all.len() - 5] {
        let mut raw = Raw::open(gateway.public()).await;
        let (first, second) = all.split_at(cut);
        raw.write(first).await;
        raw.write(second).await;
        assert_eq!(raw.response().await.status, 101);
        for _ in 0..20 {
            assert_eq!(raw.receive().await, raw::text(to_me));
        }
    }
}

#[tokio::test]
async fn a_request_behind_a_refused_one_is_not_served() {
    let gateway = Gateway::start("");
    let refused = "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n".to_owned();
    let mut raw = Raw::open(gateway.public()).await;
    raw.write((refused + &raw::request(RIDE, &[])).as_bytes())
        .await;
    assert_eq!(raw.response().await.status, 404);
    assert!(matches!(
        raw.receive().await,
        Received::End | Received::Reset
    ));
}

#[tokio::test]
async fn a_client_that_dawdles_is_cut_after_its_time() {
    let gateway = Gateway::start("limits.handshake_timeout = \"400ms\"");
    let started = Instant::now();
    let mut silent = Raw::open(gateway.public()).await;
    let mut dawdling = Raw::open(gateway.public()).await;
    let trickling = async {
        for byte in raw::request(RIDE, &[("x", &"y".repeat(500))]).bytes() {
            if dawdling.stream.try_write(&[byte]).is_err() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::join!(trickling, async {
        assert!(matches!(
            silent.receive().await,
            Received::End | Received::Reset
        ));
        assert!(Duration::from_millis(400) <= started.elapsed());
    });
    assert!(matches!(
        dawdling.receive().await,
        Received::End | Received::Reset
    ));
    let rejected = "tidegate_rejections_total";
    gateway.until_metric(rejected, "timeout", 2.0).await;
}

#[tokio::test]
async fn at_the_root_development_mode_shows_a_page_and_others_nothing() {
    let gateway = Gateway::start("");
    let page = http::call(gateway.public(), "GET", "/", &[], "").await;
    assert_eq!(page.status, 200);
    assert!(page.head.contains("no-store") && page.body.contains("<title>Tidegate"));
    let strict = "development = false\ndialect.ride.tokens = \"any\"\n\
                  dialect.ride.realm = \"ride\"\ndialect.device.enabled = false";
    let gateway = Gateway::start(strict);
    let page = http::call(gateway.public(), "GET", "/", &[], "").await;
    assert_eq!((page.status, page.body.as_str()), (404, ""));
}
