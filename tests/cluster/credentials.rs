//! Credentials that the nodes share, in servers of each kind.

use std::time::Duration;

use futures_util::future::join_all;
use tidegate::{
    cluster::redis::Redis,
    credentials::{Credentials, KeyHalf, KeyTexts},
};

use crate::{
    place::Rig,
    rigs::{Alone, Cluster, PASSWORD, Sentinels, redis},
};

const KEEP: Duration = Duration::from_secs(130);

/// One of many is the first to use a token, and one key of many that are offered is kept.
async fn one_is_the_first(rig: impl Rig<Streams = Redis>) {
    let nodes = [(); 2].map(|()| rig.streams("tg:").credentials());
    let many = (0..20).map(|index| nodes[index % 2].use_once([7; 32], KEEP));
    let firsts = join_all(many).await.into_iter();
    let firsts: Vec<bool> = firsts.map(Result::unwrap).collect();
    assert_eq!(
        firsts.iter().filter(|first| **first).count(),
        1,
        "{firsts:?}"
    );
    assert_eq!(nodes[0].use_once([8; 32], KEEP).await, Ok(true));
    // For as long as it was said.
    let short = Duration::from_millis(1);
    assert_eq!(nodes[0].use_once([9; 32], short).await, Ok(true));
    while nodes[1].use_once([9; 32], short).await == Ok(false) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    assert_eq!(nodes[0].keys().await, Ok(KeyTexts::default()));
    for half in [KeyHalf::Private, KeyHalf::Public] {
        let many = (0..20).map(|index| {
            let pem = format!("{half:?} {index}\r\n");
            nodes[index % 2].offer(half, pem.into())
        });
        let kept = join_all(many).await.into_iter();
        let kept: Vec<_> = kept.map(Result::unwrap).collect();
        assert!(kept.iter().all(|pem| *pem == kept[0]), "{kept:?}");
    }
    let texts = nodes[1].keys().await.unwrap();
    assert!(texts.private.unwrap().starts_with("Private "));
    assert!(texts.public.unwrap().starts_with("Public "));
}

/// In development mode the user may write the keys.
fn allow_more(server: &crate::redis::Redis) {
    let more = "~publicKey ~privateKey +role +cluster|slots";
    server.allow_documented(PASSWORD, more);
}

#[tokio::test]
async fn one_is_the_first_by_redis_alone() {
    one_is_the_first(Alone::start()).await;
}

#[tokio::test]
async fn one_is_the_first_by_redis_as_a_cluster() {
    let cluster = Cluster::start();
    cluster.0.iter().for_each(allow_more);
    one_is_the_first(cluster).await;
}

#[tokio::test]
async fn one_is_the_first_by_redis_behind_sentinels() {
    let sentinels = Sentinels::start();
    allow_more(&sentinels.primary);
    one_is_the_first(sentinels).await;
}

#[tokio::test]
async fn the_documented_user_reads_keys_and_writes_none() {
    let rig = Alone::start();
    rig.0.allow_documented(PASSWORD, "");
    rig.0.tell(&["SET", "publicKey", "pem"]);
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    let credentials = redis(&url, "tg:").credentials();
    let texts = credentials.keys().await.unwrap();
    assert_eq!(texts.public.as_deref(), Some("pem"));
    assert_eq!(texts.private, None);
    let refused = credentials.offer(KeyHalf::Private, "secret".into()).await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("its user may not do everything"), "{said}");
    assert!(
        !said.contains("secret") && !said.contains(PASSWORD),
        "{said}"
    );
    assert_eq!(credentials.use_once([1; 32], KEEP).await, Ok(true));
}
