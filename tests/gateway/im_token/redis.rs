//! Tokens whose keys are in Redis, as those of the original system.

use std::sync::Arc;

use tidegate::{
    auth::{Authenticator, Parts},
    backend::HttpClient,
    clock::Clock,
    cluster::redis::{Redis as Client, Settings},
    config::{Dialects, Secret},
    dialect::{Answer as Login, DialectId, Question},
    services::Asked,
};

use super::{BODY, claims, pair, post, start, start_alone, token};
use crate::support::{client::code, process::Place, redis::Redis, soon};

const PASSWORD: &str = "correct-horse";

/// Who decides about logins on one more node.
fn node(redis: &Redis, one_time: bool) -> Authenticator {
    let settings = Settings {
        url: Secret::new(redis.url()),
        prefix: "tg:".to_owned(),
        ca: None,
    };
    let mut dialects = Dialects::default();
    dialects.im.one_time = one_time;
    let parts = Parts {
        client: HttpClient::new().unwrap(),
        clock: Clock::start(),
        stats: Arc::default(),
        credentials: Arc::new(Client::new(settings).unwrap().credentials()),
        makes_keys: false,
    };
    Authenticator::new(&dialects, parts)
}

async fn login(node: &Authenticator, token: &str) -> Login {
    let question = Question::Login {
        token: token.into(),
        client_id: None,
    };
    match node.ask(DialectId::Im, question) {
        Asked::Now(answer) => answer,
        Asked::Later(answer) => soon("an answer", answer).await,
    }
}

fn in_redis(redis: &Redis) -> String {
    format!(
        "cluster.redis = \"{}\"\ndialect.im.tokens_per_second = 0\n",
        redis.url()
    )
}

#[tokio::test]
async fn the_strings_of_the_original_system_are_used_and_a_change_of_them_counts() {
    let redis = Redis::start();
    let (old, new) = (pair(), pair());
    redis.tell(&["SET", "privateKey", old.private.expose()]);
    redis.tell(&["SET", "publicKey", &old.public]);
    let gateway = start(&in_redis(&redis));
    let before = token(&post(&gateway, "asks", BODY).await);
    assert!(claims(&before, &old.public).is_some());
    let other = node(&redis, false);
    assert!(matches!(login(&other, &before).await, Login::Granted(_)));

    redis.tell(&["SET", "privateKey", new.private.expose()]);
    redis.tell(&["SET", "publicKey", &new.public]);
    let after = soon("the other key", async {
        loop {
            let token = token(&post(&gateway, "asks", BODY).await);
            if claims(&token, &new.public).is_some() {
                return token;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let after = after.await;
    // Nodes notice at times of their own.
    soon("the other key", async {
        while !matches!(login(&other, &after).await, Login::Granted(_)) {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    })
    .await;
    // What was under way is good.
    assert!(matches!(login(&other, &before).await, Login::Granted(_)));
}

#[tokio::test]
async fn in_development_mode_a_pair_is_made_in_redis_once() {
    let redis = Redis::start();
    let first = start_alone(&in_redis(&redis));
    let second = start_alone(&format!("{}cluster.node = \"other\"\n", in_redis(&redis)));
    let (one, other) = tokio::join!(post(&first, "asks", BODY), post(&second, "asks", BODY));
    let public = redis.ask(&["GET", "publicKey"]);
    for answer in [one, other] {
        assert!(claims(&token(&answer), &public).is_some());
    }
    assert!(
        redis
            .ask(&["GET", "privateKey"])
            .contains("BEGIN PRIVATE KEY")
    );
    // Of the tokens there is no trace.
    assert_eq!(redis.keys("tg:im:token:"), 0);
}

#[tokio::test]
async fn a_token_is_good_for_one_login_on_all_nodes() {
    let redis = Redis::start();
    let gateway = start(&in_redis(&redis));
    let first_token = token(&post(&gateway, "asks", BODY).await);
    let second_token = token(&post(&gateway, "asks", r#"{"id":43}"#).await);
    let nodes = [node(&redis, true), node(&redis, true)];
    assert!(matches!(
        login(&nodes[0], &first_token).await,
        Login::Granted(_)
    ));
    let used = Login::denied("the token was used before");
    for node in &nodes {
        assert_eq!(login(node, &first_token).await, used);
    }
    // Of those who come at the same time one is the first.
    let all = [0, 1, 0, 1].map(|index| login(&nodes[index], &second_token));
    let all = futures_util::future::join_all(all).await;
    let granted = all
        .iter()
        .filter(|answer| matches!(answer, Login::Granted(_)));
    assert_eq!(granted.count(), 1, "{all:?}");
    let keys = redis.ask(&["KEYS", "tg:im:token:*"]);
    assert_eq!(keys.lines().count(), 2);
    for key in keys.lines() {
        let left: i64 = redis.ask(&["TTL", key]).parse().unwrap();
        assert!((125..=131).contains(&left), "{left}");
        assert!(!key.contains("eyJ"), "{key}");
    }
}

#[tokio::test]
async fn nobody_comes_in_while_redis_is_away_and_everybody_afterwards() {
    let mut redis = Redis::start();
    let gateway = start(&in_redis(&redis));
    let token = token(&post(&gateway, "asks", BODY).await);
    let node = node(&redis, true);
    // It knows the keys before Redis goes.
    assert_eq!(
        login(&node, &format!("{token}x")).await,
        Login::denied("the token is not valid")
    );
    let pair = ["privateKey", "publicKey"].map(|name| (name, redis.ask(&["GET", name])));
    redis.kill();
    assert_eq!(login(&node, &token).await, Login::Unavailable);
    redis.run();
    for (name, pem) in &pair {
        redis.tell(&["SET", name, pem]);
    }
    soon("a login", async {
        while !matches!(login(&node, &token).await, Login::Granted(_)) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_node_that_may_not_read_the_keys_starts_and_lets_nobody_in() {
    let redis = Redis::start();
    // Whose keys these are, and a token that they have signed.
    let issuer = start_alone(&in_redis(&redis));
    let token = token(&post(&issuer, "asks", BODY).await);
    let others = "resetkeys ~tg:* ~URS:* ~DELIVER ~GEO:DELIVER";
    redis.allow_documented(PASSWORD, others);
    let url = format!("redis://tidegate:{PASSWORD}@{}", redis.host());
    let place = Place::new(&format!(
        "development = false\ncluster.redis = \"{url}\"\n\
         dialect.ride.enabled = false\ndialect.device.enabled = false\n"
    ));
    let _node = place.start().await;
    let mut client = place.connect(&format!("/im/{token}")).await;
    let said = client.text().await;
    assert!(said.contains("Unknown error"), "{said}");
    let closed = client.closed().await;
    assert_eq!(closed, code(1013, "auth_unavailable"));
    let log = place.log();
    let warning = "the keys of the im dialect are not there";
    assert!(log.contains(warning) && !log.contains(&token), "{log}");
}
