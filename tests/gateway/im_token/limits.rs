//! What a request for a token may take: bytes, time, and how often it may come.

use tidegate::config::parse_duration;
use tokio::time::Instant;

use super::{
    BODY, PATH, check_header, check_problem, pair, post, signs, start, start_alone, token,
};
use crate::support::{Raw, http, raw::Response};

/// The answer to these bytes.
async fn answer(raw: &mut Raw, bytes: &str) -> Response {
    raw.offer(bytes.as_bytes()).await;
    raw.response().await
}

#[tokio::test]
async fn a_body_is_short() {
    let gateway = start(&signs(&pair()));
    let padded = |length: usize| format!("{BODY}{}", " ".repeat(length - BODY.len()));
    token(&post(&gateway, "asks", &padded(4096)).await);
    check_problem(&post(&gateway, "asks", &padded(4097)).await, 413);
    // However it is announced, and whoever sends it.
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\n");
    let announced = format!("{head}content-length: 1000000000\r\n\r\n");
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{chunk}{chunk}");
    for request in [announced, chunked] {
        let mut raw = Raw::open(gateway.public()).await;
        assert_eq!(answer(&mut raw, &request).await.status, 413);
    }
}

#[tokio::test]
async fn a_body_may_come_in_pieces_and_be_asked_for() {
    let gateway = start(&signs(&pair()));
    let head = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer asks\r\n");
    let mut raw = Raw::open(gateway.public()).await;
    let request = format!(
        "{head}expect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        BODY.len()
    );
    assert_eq!(answer(&mut raw, &request).await.status, 100);
    raw.write(&BODY.as_bytes()[..3]).await;
    assert_eq!(answer(&mut raw, &BODY[3..]).await.status, 200);
    let mut raw = Raw::open(gateway.public()).await;
    let request = format!("{head}transfer-encoding: chunked\r\n\r\n9\r\n{BODY}\r\n0\r\n\r\n");
    assert_eq!(answer(&mut raw, &request).await.status, 200);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    const TIMEOUT: &str = "1s";
    let gateway = start(&format!("limits.handshake_timeout = \"{TIMEOUT}\"\n"));
    let begin = Instant::now();
    let mut raw = Raw::open(gateway.public()).await;
    let request = format!("POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{{");
    let response = answer(&mut raw, &request).await;
    assert_eq!(response.status, 408, "{response:?}");
    assert!(begin.elapsed() <= parse_duration(TIMEOUT).unwrap());
    let counted = gateway.metric("tidegate_im_tokens_total", "invalid").await;
    assert_eq!(counted, 1.0);
    assert_eq!(gateway.metric("tidegate_rejections_total", "").await, 0.0);
}

#[tokio::test]
async fn a_connection_has_one_request() {
    let gateway = start(&signs(&pair()));
    let mut raw = Raw::open(gateway.public()).await;
    let request = format!("OPTIONS {PATH} HTTP/1.1\r\nhost: x\r\n\r\n");
    let response = answer(&mut raw, &format!("{request}{request}")).await;
    assert_eq!(response.header("connection"), Some("close"));
    assert!(raw.try_response().await.is_none());
    for hosts in ["", "host: a\r\nhost: b\r\n"] {
        let mut raw = Raw::open(gateway.public()).await;
        let request = format!("POST {PATH} HTTP/1.1\r\n{hosts}\r\n");
        assert_eq!(answer(&mut raw, &request).await.status, 400);
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let toml = "dialect.im.tokens_per_second = 1\nlisten.trusted_proxies = [\"127.0.0.0/8\"]\n";
    let gateway = start_alone(&format!("{}{toml}", signs(&pair())));
    let ask = async |client: &str| {
        let headers = [
            ("x-forwarded-for", client),
            ("authorization", "Bearer asks"),
        ];
        http::call(gateway.public(), "POST", PATH, &headers, BODY).await
    };
    for _ in 0..2 {
        token(&ask("203.0.113.1").await);
    }
    let limited = ask("203.0.113.1").await;
    check_problem(&limited, 429);
    check_header(&limited, "retry-after", "1");
    // Somebody else behind the same proxy.
    token(&ask("203.0.113.2").await);
    let counted = gateway.metric("tidegate_im_tokens_total", "limited").await;
    assert_eq!(counted, 1.0);
    let free = "dialect.im.tokens_per_second = 0\n";
    gateway.reload(&format!("{}{}{free}", super::KEYS, signs(&pair())));
    for _ in 0..30 {
        token(&post(&gateway, "asks", BODY).await);
    }
}
