//! Tokens of a gateway whose keys nobody configured: made in development mode, by one node for all.

use super::{BODY, Gateway, claims, post, start, token};
use crate::support::http;

/// A token of the node whose turn it is.
async fn one(gateway: &Gateway) -> String {
    token(&post(gateway, "asks", BODY).await)
}

#[tokio::test]
async fn all_nodes_sign_with_the_same_key() {
    let gateway = start("dialect.im.tokens_per_second = 0");
    let mut tokens = Vec::new();
    for _ in 0..4 {
        tokens.push(one(&gateway).await);
    }
    // The signature of the same second is the same, whichever node makes it.
    let signed = |token: &String| token.rsplit_once('.').unwrap().0.to_owned();
    for pair in tokens.windows(2) {
        let same_claims = signed(&pair[0]) == signed(&pair[1]);
        assert_eq!(same_claims, pair[0] == pair[1]);
    }
    let issued = gateway.metric("tidegate_im_tokens_total", "issued").await;
    assert_eq!(issued, 4.0);
}

#[tokio::test]
async fn the_key_of_development_mode_may_ask() {
    let gateway = Gateway::start("");
    let key = gateway.config().throw_away.api_key.as_ref().unwrap();
    let token = token(&post(&gateway, key.expose(), BODY).await);
    // Somebody else's key did not sign it.
    assert!(claims(&token, &super::pair().public).is_none());
}

#[tokio::test]
async fn no_token_and_no_key_is_in_the_metrics() {
    let gateway = start("");
    let token = one(&gateway).await;
    let metrics = http::call(gateway.admin(), "GET", "/metrics", &[], "").await;
    assert!(!metrics.body.contains(&token[..20]));
    assert!(!metrics.body.contains("asks"));
}
