//! Channels that applications publish to, on every kind of Redis.

use std::time::Duration;

use rustix::process::Signal;
use tidegate::cluster::{
    redis::{Redis, RedisChannel, Subscription},
    streams::{CALL_TIMEOUT, StreamsError},
};
use tokio::time::Instant;

use crate::{
    place::{Rig, soon},
    proxy::{Proxy, Way},
    redis::Redis as Server,
    rigs::{Alone, Cluster, PASSWORD, Sentinels, Tls, redis},
};

const CHANNEL: &str = "websocket_messages";
const PREFIX: &str = "tg:";
/// After so long a silence a server is asked, by the module of channels.
const SILENCE: Duration = Duration::from_secs(2);
/// What a machine that has other things to do may add.
const SLACK: Duration = Duration::from_secs(1);

/// Lets the user of the documentation hear the channel, as it says there.
fn allow(server: &Server) {
    let rule = format!("&{CHANNEL}");
    server.tell(&["ACL", "SETUSER", "tidegate", "+subscribe", &rule]);
}

fn channel(redis: &Redis) -> RedisChannel {
    redis.channel(CHANNEL)
}

async fn subscribe(channel: &RedisChannel) -> Subscription {
    soon("the subscription", channel.subscribe()).await.unwrap()
}

/// What is published at this server is heard.
async fn hears(subscription: &mut Subscription, server: &Server, text: &str) {
    server.ask(&["PUBLISH", CHANNEL, text]);
    let heard = soon("a message", subscription.next()).await.unwrap();
    assert_eq!(heard, text);
}

#[tokio::test]
async fn one_server_is_heard_again_after_its_restart() {
    let mut rig = Alone::start();
    let channel = channel(&rig.streams(PREFIX));
    let mut subscription = subscribe(&channel).await;
    hears(&mut subscription, &rig.0, "one").await;
    rig.0.kill();
    let ended = soon("the end", subscription.next()).await;
    assert!(
        matches!(ended, Err(StreamsError::Unavailable(_))),
        "{ended:?}"
    );
    let refused = channel.subscribe().await;
    assert!(matches!(refused, Err(StreamsError::Unavailable(_))));
    rig.0.run();
    let mut subscription = subscribe(&channel).await;
    hears(&mut subscription, &rig.0, "two").await;
}

#[tokio::test]
async fn every_server_of_a_cluster_is_heard() {
    let rig = Cluster::start();
    rig.0.iter().for_each(allow);
    let mut subscription = subscribe(&channel(&rig.streams(PREFIX))).await;
    for (number, server) in rig.0.iter().enumerate() {
        hears(&mut subscription, server, &number.to_string()).await;
    }
}

#[tokio::test]
async fn the_primary_behind_sentinels_is_heard() {
    let rig = Sentinels::start();
    allow(&rig.primary);
    let mut subscription = subscribe(&channel(&rig.streams(PREFIX))).await;
    hears(&mut subscription, &rig.primary, "one").await;
}

#[tokio::test]
async fn a_channel_is_heard_over_tls() {
    let rig = Tls::start();
    let mut subscription = subscribe(&channel(&rig.streams(PREFIX))).await;
    hears(&mut subscription, rig.server(), "one").await;
}

#[tokio::test]
async fn who_may_not_hear_it_is_refused_and_told_what_is_missing() {
    let rig = Alone::start();
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    let redis = redis(&url, PREFIX);
    for (more, missing) in [("", "'subscribe'"), ("+subscribe", "channel")] {
        rig.0.allow_documented(PASSWORD, more);
        // Those who have no bridge do without.
        assert_eq!(redis.check().await, Ok(()));
        match channel(&redis).subscribe().await {
            Err(StreamsError::Refused(said)) => {
                assert!(said.contains(missing) && !said.contains(PASSWORD), "{said}");
            }
            other => panic!("{other:?} is no refusal"),
        }
    }
    allow(&rig.0);
    let mut subscription = subscribe(&channel(&redis)).await;
    hears(&mut subscription, &rig.0, "one").await;
}

#[tokio::test]
async fn a_server_that_says_nothing_any_more_is_noticed_and_one_that_has_nothing_to_say_is_not() {
    let rig = Alone::start();
    let proxy = Proxy::to(rig.0.port()).await;
    let channel = channel(&redis(&proxy.url(), PREFIX));
    let mut subscription = subscribe(&channel).await;
    // Longer than a silence, and the answer to the question after it.
    let waiting = tokio::time::timeout(SILENCE + SLACK, subscription.next());
    assert!(waiting.await.is_err(), "nothing was published");
    hears(&mut subscription, &rig.0, "one").await;
    let begin = Instant::now();
    proxy.set(Way::Silent);
    let ended = soon("the end", subscription.next()).await;
    assert!(
        matches!(ended, Err(StreamsError::Unavailable(_))),
        "{ended:?}"
    );
    let took = begin.elapsed();
    assert!(took < SILENCE + CALL_TIMEOUT + SLACK, "{took:?}");
    // One that has to connect first.
    rig.0.signal(Signal::STOP);
    proxy.set(Way::Open);
    let refused = soon("the end", channel.subscribe()).await;
    assert!(matches!(refused, Err(StreamsError::Unavailable(_))));
    rig.0.signal(Signal::CONT);
    let mut subscription = subscribe(&channel).await;
    hears(&mut subscription, &rig.0, "two").await;
}
