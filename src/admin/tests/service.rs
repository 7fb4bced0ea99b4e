use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::*;
use crate::{
    office::{Ahead, Office as _, Party, Rules, Strategy},
    reception,
};

const RULES: Rules = Rules {
    strategy: Strategy::LeastLoaded,
    reassign_after: Duration::from_secs(10),
    idle: Duration::from_secs(3600),
};

/// Customer service, and who decides about it.
pub(super) fn open(
    database: Database,
    router: &Arc<crate::router::Router>,
    clock: Clock,
) -> (Arc<SqliteOffice>, Reception) {
    let office = Arc::new(SqliteOffice::new(database, clock, Ahead::default()));
    let parts = reception::Parts {
        office: Arc::<SqliteOffice>::clone(&office),
        router: Arc::clone(router),
        clock,
    };
    (office, Reception::new(parts, RULES))
}

fn party(id: &str) -> Party {
    Party {
        id: id.parse().unwrap(),
        name: format!("{id}!").into(),
    }
}

impl Node {
    async fn sit(&self, agent: &str) {
        let session = format!("gw-1.18f3.{}", agent.len()).parse().unwrap();
        let sat = self.office.sit(party(agent), session, RULES).await;
        sat.unwrap().unwrap();
    }

    async fn ask(&self, customer: &str) {
        let data = Bytes::from_static(b"1");
        let asked = self.office.ask(party(customer), data, RULES).await;
        asked.unwrap().unwrap();
    }
}

#[tokio::test]
async fn customers_and_agents_are_listed_page_by_page() {
    let node = Node::new();
    let nobody = node.get("/api/service").await.json(200);
    let expected =
        json!({"agents": [], "customers": [], "assigned": 0, "waiting": 0, "next": null});
    assert_eq!(nobody, expected);
    for customer in ["a", "b", "c/d"] {
        node.ask(customer).await;
    }
    let first = node.get("/api/service?limit=2").await.json(200);
    assert_eq!(
        (&first["waiting"], &first["assigned"]),
        (&json!(3), &json!(0))
    );
    let ids = |page: &Value| {
        let customers = page["customers"].as_array().unwrap().iter();
        customers
            .map(|one| one["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&first), ["a", "b"]);
    let next = first["next"].as_str().unwrap();
    let second = node
        .get(&format!("/api/service?limit=2&cursor={next}"))
        .await
        .json(200);
    assert_eq!(
        (ids(&second), &second["next"]),
        (vec!["c/d".to_owned()], &Value::Null)
    );
    let one = node.get("/api/service/customers/c%2Fd").await.json(200);
    assert_eq!(one["position"], 3);
    assert_eq!(
        (&one["name"], &one["agent"]),
        (&json!("c/d!"), &Value::Null)
    );
    assert!(1.7e9 < one["last"].as_f64().unwrap());
    node.sit("7").await;
    let all = node.get("/api/service").await.json(200);
    let agent = &all["agents"][0];
    assert_eq!(
        (&agent["id"], &agent["online"], &agent["customers"]),
        (&json!("7"), &json!(true), &json!(3))
    );
    assert_eq!(all["customers"][2]["agent"], "7");
    node.get("/api/service/customers/x").await.problem(404);
    node.get("/api/service/customers/%07").await.problem(422);
    node.get("/api/service?limit=101").await.problem(422);
    node.get("/api/service?cursor=x").await.problem(422);
}

#[tokio::test]
async fn a_customer_is_given_to_an_agent_who_is_there() {
    let node = Node::new();
    let transfer = async |customer: &str, to: &str| {
        let path = format!("/api/service/customers/{customer}/transfer");
        let body = json!({"to": to}).to_string();
        node.send(Method::POST, &path, Some("admin"), &body).await
    };
    node.sit("1").await;
    node.ask("a").await;
    node.sit("22").await;
    assert_eq!(transfer("a", "22").await.status.as_u16(), 204);
    let one = node.get("/api/service/customers/a").await.json(200);
    assert_eq!(one["agent"], "22");
    let (field, _) = transfer("a", "3").await.problem(409);
    assert_eq!(field.as_deref(), Some("to"));
    transfer("b", "1").await.problem(404);
    transfer("a", "").await.problem(422);
    let path = "/api/service/customers/a/transfer";
    node.send(Method::POST, path, Some("read"), r#"{"to":"1"}"#)
        .await
        .problem(403);
}

#[tokio::test]
async fn a_customer_is_released() {
    let node = Node::new();
    node.ask("a").await;
    let path = "/api/service/customers/a";
    node.send(Method::DELETE, path, Some("read"), "")
        .await
        .problem(403);
    assert_eq!(node.delete(path).await.status.as_u16(), 204);
    node.delete(path).await.problem(404);
    assert_eq!(node.state.parts.reception.stats().dropped.load(), 1);
}
