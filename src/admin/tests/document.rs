use std::collections::BTreeMap;

use serde_json::json;

use super::*;

async fn document() -> Value {
    let node = Node::new();
    let answer = node
        .send(Method::GET, "/api/openapi.json", Some("token"), "")
        .await;
    answer.json(200)
}

fn operations(document: &Value) -> BTreeMap<String, &Value> {
    let mut operations = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations.insert(format!("{} {path}", method.to_uppercase()), operation);
        }
    }
    operations
}

/// Every route that there is.
pub(super) const ROUTES: &[&str] = &[
    "DELETE /api/hooks/dead",
    "DELETE /api/im/couriers/{id}",
    "DELETE /api/im/friends/{a}/{b}",
    "DELETE /api/jobs/{id}",
    "DELETE /api/rooms/{room}",
    "DELETE /api/rooms/{room}/members/{user}",
    "DELETE /api/rooms/{room}/sessions/{session}",
    "DELETE /api/schedules/{id}",
    "DELETE /api/service/customers/{id}",
    "DELETE /api/sessions/{id}",
    "DELETE /api/sessions/{id}/on-close",
    "DELETE /api/users/{id}/sessions",
    "GET /api/history/{topic}",
    "GET /api/hooks",
    "GET /api/hooks/dead",
    "GET /api/im/couriers",
    "GET /api/im/friends/{a}",
    "GET /api/jobs",
    "GET /api/jobs/{id}",
    "GET /api/messages/{id}/steps",
    "GET /api/nodes",
    "GET /api/openapi.json",
    "GET /api/process",
    "GET /api/rooms",
    "GET /api/rooms/{room}",
    "GET /api/schedules",
    "GET /api/schedules/{id}",
    "GET /api/service",
    "GET /api/service/customers/{id}",
    "GET /api/sessions",
    "GET /api/sessions/{id}",
    "GET /api/sessions/{id}/data",
    "GET /api/sessions/{id}/on-close",
    "GET /api/topics/{topic}",
    "GET /api/traces/{trace}/steps",
    "GET /api/users/{id}",
    "GET /livez",
    "GET /metrics",
    "GET /readyz",
    "PATCH /api/sessions/{id}/data",
    "POST /api/hooks/dead/retry",
    "POST /api/hooks/test",
    "POST /api/jobs",
    "POST /api/jobs/{id}/retry",
    "POST /api/nodes/{id}/drain",
    "POST /api/process/reload",
    "POST /api/process/sockets",
    "POST /api/process/stop",
    "POST /api/process/token",
    "POST /api/publish",
    "POST /api/publish/batch",
    "POST /api/rooms/{room}/members",
    "POST /api/say",
    "POST /api/schedules",
    "POST /api/service/customers/{id}/transfer",
    "POST /api/sessions/{id}/on-close",
    "POST /api/tail",
    "PUT /api/im/couriers/{id}",
    "PUT /api/im/friends/{a}/{b}",
    "PUT /api/sessions/{id}/data",
];

/// A request to a route of the document.
pub(super) fn request(operation: &str) -> (Method, String) {
    let (method, path) = operation.split_once(' ').unwrap();
    let path = path.replace("{id}", "none").replace("{topic}", "all");
    let path = path.replace("{a}", "1").replace("{b}", "2");
    let path = path.replace("{room}", "x").replace("{user}", "1");
    let path = path.replace("{trace}", "0123456789abcdef");
    (method.parse().unwrap(), path.replace("{session}", "none"))
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_path_of_it_is_served() {
    let document = document().await;
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    let found: Vec<&str> = operations.keys().map(String::as_str).collect();
    assert_eq!(found, ROUTES);
    let node = Node::new();
    for operation in found {
        let (method, path) = request(operation);
        let answer = node.send(method, &path, None, "").await;
        let status = answer.status.as_u16();
        assert!([200, 401].contains(&status), "{operation}: {status}");
    }
}

#[tokio::test]
async fn every_call_documents_its_refusals() {
    let document = document().await;
    for (name, operation) in operations(&document) {
        let responses = operation["responses"].as_object().unwrap();
        let has = |status: &str| responses.contains_key(status);
        if name.contains(" /api/") {
            assert!(has("401") && has("403") && has("405"), "{name}");
            let security = operation["security"].as_array().unwrap();
            assert_eq!(security.len(), 1, "{name}");
        }
        if operation.get("requestBody").is_some() {
            assert!(has("408") && has("413") && has("422"), "{name}");
        }
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{name} {status}");
            if !status.starts_with('2') {
                let content = &response["content"]["application/problem+json"];
                let schema = json!({"$ref": "#/components/schemas/Problem"});
                assert_eq!(content["schema"], schema, "{name} {status}");
            }
        }
    }
    let publish = &document["paths"]["/api/publish"]["post"]["responses"];
    for status in ["200", "409", "429", "503"] {
        assert!(publish.get(status).is_some(), "{status}");
    }
    for scheme in ["key", "control"] {
        let scheme = &document["components"]["securitySchemes"][scheme];
        assert_eq!(scheme["scheme"], "bearer");
    }
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                found.push(reference.clone());
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_reference_leads_somewhere() {
    let document = document().await;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn examples_are_of_their_schema_and_requests_among_them_are_understood() {
    let document = document().await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut count = 0;
    for (name, schema) in schemas {
        let Some(example) = schema.get("example") else {
            continue;
        };
        // The others are no objects, or made of several.
        let Some(properties) = schema["properties"].as_object() else {
            continue;
        };
        count += 1;
        for key in example.as_object().unwrap().keys() {
            assert!(properties.contains_key(key), "{name}.{key}");
        }
        for required in schema["required"].as_array().into_iter().flatten() {
            let required = required.as_str().unwrap();
            assert!(example.get(required).is_some(), "{name}.{required}");
        }
    }
    assert!(5 < count);

    let node = Node::new();
    let example = schemas["PublishRequest"]["example"].to_string();
    node.publish(&example).await.json(200);
    let example = schemas["PublishBatch"]["example"].to_string();
    let path = "/api/publish/batch";
    let answer = node
        .send(Method::POST, path, Some("publish"), &example)
        .await;
    assert_eq!(answer.json(200)["results"].as_array().unwrap().len(), 2);
    let example = schemas["TokenRequest"]["example"].to_string();
    let path = "/api/process/token";
    node.send(Method::POST, path, Some(CONTROL), &example)
        .await
        .json(200);
}
