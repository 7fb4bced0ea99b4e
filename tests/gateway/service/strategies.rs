//! Who gets which agent.

use std::collections::BTreeMap;

use tidegate::office::order::hash;

use super::*;

/// Gives every customer's agent, in the order in which they came.
async fn agents_of(gateway: &Gateway, customers: &[&str]) -> Vec<String> {
    let mut agents = Vec::new();
    for id in customers {
        let mut client = customer(gateway, id).await;
        client.asks(id, "hello").await;
        let told = client.json().await;
        assert_eq!(told["type"], "assigned", "{told}");
        let agent = agent_of(gateway, id).await;
        assert_eq!(agent, told["id"]);
        agents.push(agent.as_str().unwrap().to_owned());
    }
    agents
}

/// The table of the document: 1, 4, 7 to the first agent, 2, 5, 8 to the second, 3, 6, 9 to the third.
#[tokio::test]
async fn round_robin_is_by_the_number_of_the_customer() {
    let gateway = start("round_robin", "");
    let mut there = Vec::new();
    for id in ["20", "3", "100"] {
        there.push(agent(&gateway, id).await);
    }
    let customers = ["9", "1", "2", "5", "4", "7", "6", "8"];
    let expected = ["100", "3", "20", "20", "3", "3", "100", "20"];
    assert_eq!(agents_of(&gateway, &customers).await, expected);
}

#[tokio::test]
async fn the_hash_is_the_same_on_every_node() {
    let gateway = start("hash", "");
    let (_one, _two) = (agent(&gateway, "1").await, agent(&gateway, "2").await);
    let customers = ["7", "c8", "zo", "anna"];
    let expected = customers.map(|id| {
        let at = hash(&id.parse().unwrap()) % 2;
        ["1", "2"][at as usize].to_owned()
    });
    assert_eq!(agents_of(&gateway, &customers).await, expected);
}

#[tokio::test]
async fn least_loaded_is_the_one_with_the_fewest_customers_at_that_moment() {
    let gateway = start("least_loaded", "");
    let (_one, _two) = (agent(&gateway, "1").await, agent(&gateway, "2").await);
    let agents = agents_of(&gateway, &["c1", "c2", "c3"]).await;
    assert_eq!(agents, ["1", "2", "1"]);
    for id in ["c1", "c3"] {
        let path = format!("/api/service/customers/{id}");
        assert_eq!(call(&gateway, "DELETE", &path, &Value::Null).await, 204);
    }
    let agents = agents_of(&gateway, &["c4", "c5"]).await;
    assert_eq!(agents, ["1", "1"], "of two with as many the first");
    let _three = agent(&gateway, "3").await;
    let agents = agents_of(&gateway, &["c6"]).await;
    assert_eq!(agents, ["3"]);
}

#[tokio::test]
async fn many_at_once_are_shared_out_evenly() {
    let gateway = start("least_loaded", "");
    let mut there = Vec::new();
    for id in ["1", "2", "3"] {
        there.push(agent(&gateway, id).await);
    }
    let mut clients = Vec::new();
    for number in 0..12 {
        let id = format!("c{number}");
        clients.push((customer(&gateway, &id).await, id));
    }
    for (client, id) in &mut clients {
        client.asks(id, "hello").await;
    }
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (client, id) in &mut clients {
        let told = client.json().await;
        assert_eq!(agent_of(&gateway, id).await, told["id"]);
        *counts.entry(told["id"].to_string()).or_default() += 1;
    }
    assert!(counts.values().eq(&[4, 4, 4]), "{counts:?}");
}
