//! What a server refuses, and whom: said with its address, and without any secret.

use tidegate::cluster::streams::StreamsError;

use crate::{
    old_redis,
    redis::{documented_rules, wait_until},
    rigs::{Alone, Cluster, PASSWORD, Sentinels, redis},
};

const PREFIX: &str = "tg:";
const WRONG: &str = "battery-staple";

/// What the check of a server at this address says that refuses.
async fn refusal(url: &str) -> String {
    let redis = redis(url, PREFIX);
    let said = match redis.check().await {
        Err(StreamsError::Refused(text)) => text.to_string(),
        other => panic!("{other:?} is no refusal"),
    };
    for secret in [PASSWORD, WRONG] {
        assert!(!said.contains(secret), "{said}");
        assert!(!format!("{redis:?}").contains(secret), "{redis:?}");
    }
    said
}

#[tokio::test]
async fn a_wrong_user_or_password_is_refused_and_not_told() {
    let rig = Alone::start();
    let host = rig.0.host();
    rig.0.allow_documented(PASSWORD, "");
    rig.0.tell(&["CONFIG", "SET", "requirepass", PASSWORD]);
    for credentials in [
        format!("tidegate:{WRONG}@"),
        format!("nobody:{PASSWORD}@"),
        format!(":{WRONG}@"),
        String::new(),
    ] {
        let said = refusal(&format!("redis://{credentials}{host}")).await;
        assert_eq!(said, format!("{host}: it refuses the user or the password"));
    }
    let right = redis(&format!("redis://tidegate:{PASSWORD}@{host}"), PREFIX);
    assert_eq!(right.check().await, Ok(()));
}

#[tokio::test]
async fn a_wrong_password_is_refused_behind_sentinels_and_by_a_cluster() {
    let sentinels = Sentinels::start();
    let said = refusal(&sentinels.url(WRONG)).await;
    let host = sentinels.primary.host();
    assert_eq!(said, format!("{host}: it refuses the user or the password"));
    sentinels
        .primary
        .tell(&["ACL", "SETUSER", "tidegate", "-role"]);
    let said = refusal(&sentinels.url(PASSWORD)).await;
    assert!(said.contains("'role'"), "{said}");

    let cluster = Cluster::start();
    let url = cluster.url().replace(PASSWORD, WRONG);
    let said = refusal(&url).await;
    assert!(
        said.ends_with(": it refuses the user or the password"),
        "{said}"
    );
}

#[tokio::test]
async fn every_permission_that_the_user_lacks_is_named() {
    let rig = Alone::start();
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    let rules = documented_rules();
    let allowed = rules.split(' ').filter_map(|rule| rule.strip_prefix('+'));
    let allowed: Vec<&str> = allowed.collect();
    assert!(allowed.contains(&"xadd"), "{rules}");
    for command in &allowed {
        rig.0.allow_documented(PASSWORD, &format!("-{command}"));
        let said = refusal(&url).await;
        assert!(said.contains("its user may not do everything"), "{said}");
        assert!(said.contains(&format!("'{command}'")), "{command}: {said}");
        wait_until("nothing is left", || rig.0.keys("") == 0);
    }
    rig.0.allow_documented(PASSWORD, "-xadd -xack");
    let said = refusal(&url).await;
    assert!(said.contains("'xadd'") && said.contains("'xack'"), "{said}");
    rig.0.allow_documented(PASSWORD, "resetkeys ~other:*");
    let said = refusal(&url).await;
    assert!(said.contains("keys"), "{said}");
    rig.0.allow_documented(PASSWORD, "");
    assert_eq!(redis(&url, PREFIX).check().await, Ok(()));
    assert_eq!(rig.0.keys(""), 0, "something was left");
}

#[tokio::test]
async fn an_application_may_do_what_its_rules_are_for_and_nothing_else() {
    let push = ["XADD", "tg:push", "*", "message", "x"];
    let add = ["XADD", "tg:jobs", "*", "job", "x"];
    let say = ["PUBLISH", "websocket_messages", "x"];
    let others = [&["XRANGE", "tg:push", "-", "+"][..], &["PUBLISH", "x", "x"]];
    let security = include_str!("../../docs/SECURITY.md");
    let rig = Alone::start();
    for (rules, may) in [
        ("~tg:push -@all +xadd", &push[..]),
        ("~tg:jobs -@all +xadd", &add),
        ("-@all +publish &websocket_messages", &say),
    ] {
        assert!(security.contains(&format!("`{rules}`")), "{rules}");
        let password = format!(">{PASSWORD}");
        let mut command = vec!["ACL", "SETUSER", "app", "reset", "on", &password];
        command.extend(rules.split(' '));
        rig.0.tell(&command);
        for command in [&push[..], &add, &say].into_iter().chain(others) {
            let said = rig.0.ask_as("app", PASSWORD, command);
            let is_refused = said.contains("NOPERM");
            assert_eq!(is_refused, command != may, "{rules}: {command:?}: {said}");
        }
    }
}

#[tokio::test]
async fn a_version_that_is_too_old_is_refused_by_name() {
    let (address, _serving) = old_redis::serve().await;
    let said = refusal(&format!("redis://{address}")).await;
    let expected = format!("{address}: its version is 6.2.14, expected 7.0 or newer");
    assert_eq!(said, expected);
}
