//! A Redis Cluster whose slots move from server to server while messages are on their way.

use std::{collections::BTreeSet, thread, time::Duration};

use tokio::task;

use crate::{
    WHOLE,
    client::Client,
    fleet::{Node, is_whole},
    lasting,
    redis::{Redis, wait_until},
    within,
};

/// How long a slot is on two servers at a time: those of its keys that are not there are asked for
/// in vain.
const BETWEEN: Duration = Duration::from_millis(300);
/// Longer than a lease holds, for each slot.
const LONG_BETWEEN: Duration = Duration::from_secs(8);
/// Messages for each of them, one on its way at a time.
const MESSAGES_MAX: u64 = 1_000_000;

/// Every slot that has keys.
fn used_slots(servers: &[Redis]) -> BTreeSet<String> {
    let keys = servers.iter().map(|server| server.ask(&["KEYS", "tg:*"]));
    let keys: Vec<String> = keys.collect();
    let keys = keys.iter().flat_map(|keys| keys.lines());
    let keys = keys.filter(|key| !key.is_empty());
    keys.map(|key| servers[0].ask(&["CLUSTER", "KEYSLOT", key]))
        .collect()
}

/// The place of the server that has a slot, by the table of its own.
fn owner(servers: &[Redis], slot: &str) -> usize {
    let slot: u16 = slot.parse().unwrap();
    let has = |server: &Redis| {
        let nodes = server.ask(&["CLUSTER", "NODES"]);
        let own = nodes.lines().find(|line| line.contains("myself")).unwrap();
        own.split(' ').skip(8).any(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let bounds = (first.parse::<u16>(), last.parse::<u16>());
            matches!(bounds, (Ok(first), Ok(last)) if (first..=last).contains(&slot))
        })
    };
    servers.iter().position(has).unwrap()
}

/// Moves a slot from the server that has it to the next one, as `redis-cli --cluster reshard` does.
fn move_slot(servers: &[Redis], slot: &str) {
    let from = owner(servers, slot);
    let (from, to) = (&servers[from], &servers[(from + 1) % servers.len()]);
    let (from_id, to_id) = (from.ask(&["CLUSTER", "MYID"]), to.ask(&["CLUSTER", "MYID"]));
    to.tell(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id]);
    from.tell(&["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id]);
    let port = to.port().to_string();
    loop {
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", slot, "100"]);
        let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            break;
        }
        let to = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
        from.ask(&[&to[..], &keys].concat());
    }
    thread::sleep(lasting(BETWEEN, LONG_BETWEEN));
    let others = servers.iter().filter(|server| server.port() != from.port());
    let others = others.filter(|server| server.port() != to.port());
    for server in [to, from].into_iter().chain(others) {
        server.tell(&["CLUSTER", "SETSLOT", slot, "NODE", &to_id]);
    }
    wait_until("the slot has moved", || {
        servers[owner(servers, slot)].port() == to.port()
    });
}

#[tokio::test]
async fn slots_that_move_lose_nothing() {
    let servers = Redis::cluster();
    let hosts: Vec<String> = servers.iter().map(Redis::host).collect();
    let url = format!("redis+cluster://{}", hosts.join(","));
    let nodes = Node::fleet(2, &url).await;
    let mut anna = Client::ride(nodes[0].public(), "anna").await;
    let mut bert = Client::ride(nodes[1].public(), "bert").await;
    is_whole(&[&nodes[0], &nodes[1]]).await;

    let slots = used_slots(&servers);
    assert!(
        5 <= slots.len(),
        "inboxes, log, list and generation: {slots:?}"
    );
    let moving = task::spawn_blocking(move || {
        for slot in &slots {
            move_slot(&servers, slot);
        }
        servers
    });
    let mut said = 0;
    let mut heard = Vec::new();
    while !moving.is_finished() && said < MESSAGES_MAX {
        anna.say("bert", said).await;
        said += 1;
        anna.ping().await;
        while let Some(number) = bert.hears(Duration::ZERO).await {
            heard.push(number);
        }
    }
    let _servers = moving.await.unwrap();
    while heard.last() != Some(&(said - 1)) {
        heard.push(bert.hears(WHOLE).await.expect("the last ones are lost"));
    }
    assert_eq!(heard, (0..said).collect::<Vec<u64>>());
    for node in &nodes {
        within(WHOLE, "it is ready", async || node.is_ready().await).await;
        node.has_counted_none(&["bus_lost", "fenced", "takeovers"])
            .await;
    }
    is_whole(&[&nodes[0], &nodes[1]]).await;
}
