//! Logins with tokens of the endpoint, on whole nodes.

use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

use super::{BODY, pair, post, signs, start, token};
use crate::support::{Client, Closed, Gateway};

/// The first packet of whoever comes with this token.
async fn first(gateway: &Gateway, token: &str) -> (Client, Value) {
    let mut client = Client::connect(gateway, &format!("/im/{token}")).await;
    loop {
        match client.message().await {
            Message::Text(text) => return (client, serde_json::from_str(&text).unwrap()),
            Message::Ping(_) => {}
            other => panic!("{other:?} is no packet"),
        }
    }
}

async fn check_in(gateway: &Gateway, token: &str) {
    let (_, packet) = first(gateway, token).await;
    assert_eq!(packet["type"], "L", "{packet}");
}

async fn check_out(gateway: &Gateway, token: &str) {
    let (mut client, packet) = first(gateway, token).await;
    assert_eq!(packet["type"], "E", "{packet}");
    assert_eq!(packet["msg"], "Invalidate token");
    assert!(!matches!(client.closed().await, Closed::Gone));
}

#[tokio::test]
async fn a_token_of_the_endpoint_is_good_for_logins() {
    let gateway = start("");
    let good = token(&post(&gateway, "asks", BODY).await);
    check_in(&gateway, &good).await;
    check_in(&gateway, &good).await;
    let (signed, _) = good.rsplit_once('.').unwrap();
    check_out(&gateway, &format!("{signed}.AAAA")).await;
    check_out(&gateway, "a.b.c").await;
}

#[tokio::test]
async fn a_token_that_is_good_once_is_not_good_on_the_next_node_either() {
    let gateway = start("dialect.im.one_time = true\ndialect.im.tokens_per_second = 0");
    let good = token(&post(&gateway, "asks", BODY).await);
    check_in(&gateway, &good).await;
    // With two nodes these are of both.
    check_out(&gateway, &good).await;
    check_out(&gateway, &good).await;
    let other = token(&post(&gateway, "asks", r#"{"id":43}"#).await);
    check_in(&gateway, &other).await;
}

#[tokio::test]
async fn a_key_that_a_reload_takes_out_lets_nobody_in() {
    let (old, new) = (pair(), pair());
    let gateway = start(&signs(&old));
    let before = token(&post(&gateway, "asks", BODY).await);
    check_in(&gateway, &before).await;
    let both = format!("dialect.im.public_keys = ['''{}''']\n", old.public);
    gateway.reload(&format!("{}{both}{}", super::KEYS, signs(&new)));
    check_in(&gateway, &before).await;
    check_in(&gateway, &token(&post(&gateway, "asks", BODY).await)).await;
    gateway.reload(&format!("{}{}", super::KEYS, signs(&new)));
    check_out(&gateway, &before).await;
}
