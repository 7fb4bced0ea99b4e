use serde_json::json;

use super::*;

async fn add(node: &Node, body: &Value) -> Answer {
    node.send(
        Method::POST,
        "/api/jobs",
        Some("publish"),
        &body.to_string(),
    )
    .await
}

async fn schedule(node: &Node, body: &Value) -> Answer {
    node.send(
        Method::POST,
        "/api/schedules",
        Some("publish"),
        &body.to_string(),
    )
    .await
}

#[tokio::test]
async fn a_job_is_queued_and_told_of() {
    let node = Node::new();
    let job = json!({"kind": "ocr", "user": "anna", "url": "u", "data": {"n": 1}, "id": "a b"});
    for _ in 0..2 {
        assert_eq!(add(&node, &job).await.json(200), json!({"id": "a b"}));
    }
    let other = json!({"kind": "pdf", "user": "anna", "id": "a b"});
    let (field, _) = add(&node, &other).await.problem(409);
    assert_eq!(field.as_deref(), Some("id"));
    let found = node.get("/api/jobs/a%20b").await.json(200);
    assert_eq!(found["state"], "queued");
    assert_eq!(
        (&found["url"], &found["data"]),
        (&json!("u"), &json!({"n": 1}))
    );
    let listed = node.get("/api/jobs").await.json(200);
    assert_eq!(
        (&listed["jobs"][0]["id"], &listed["next"]),
        (&json!("a b"), &Value::Null)
    );
    assert_eq!(
        node.get("/api/jobs?state=dead").await.json(200)["jobs"],
        json!([])
    );
    node.get("/api/jobs?state=late").await.problem(422);
    node.get("/api/jobs?cursor=x").await.problem(422);
    let (_, detail) = node.get("/api/jobs?stat=dead").await.problem(422);
    assert!(
        detail.contains("\"stat\", expected one of state, cursor"),
        "{detail}"
    );
    let without = add(&node, &json!({"kind": "ocr", "user": "anna"}))
        .await
        .json(200);
    assert!(!without["id"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn what_nobody_does_or_could_be_told_is_refused_with_what_is_allowed() {
    let node = Node::new();
    let long = "x".repeat(96);
    for (job, field, part) in [
        (
            json!({"kind": "x", "user": "1"}),
            "kind",
            "expected ocr or pdf",
        ),
        (json!({"kind": "ocr"}), "user", "missing"),
        (
            json!({"kind": "ocr", "user": ""}),
            "user",
            "expected a text",
        ),
        (json!({"kind": "ocr", "user": long}), "user", "1 to 95"),
        (json!({"kind": "ocr", "user": "a\nb"}), "user", "user: "),
        (
            json!({"kind": "ocr", "user": "1", "id": ""}),
            "id",
            "1 to 64",
        ),
        (
            json!({"kind": "ocr", "user": "1", "colour": 1}),
            "colour",
            "colour",
        ),
    ] {
        let (found, detail) = add(&node, &job).await.problem(422);
        assert_eq!(found.as_deref(), Some(field), "{job}");
        assert!(detail.contains(part), "{job}: {detail}");
    }
    let long = json!({"kind": "ocr", "user": "1", "data": "x".repeat(65535)});
    add(&node, &long).await.problem(413);
}

#[tokio::test]
async fn the_command_line_tries_jobs_again_and_drops_them() {
    let node = Node::new();
    add(&node, &json!({"kind": "ocr", "user": "1", "id": "a"}))
        .await
        .json(200);
    let retried = node
        .send(Method::POST, "/api/jobs/a/retry", Some(CONTROL), "")
        .await;
    retried.problem(404);
    for status in [204, 404] {
        let dropped = node
            .send(Method::DELETE, "/api/jobs/a", Some(CONTROL), "")
            .await;
        assert_eq!(dropped.status.as_u16(), status);
    }
}

#[tokio::test]
async fn what_comes_out_of_the_queue_is_a_job_or_with_the_dead() {
    let node = Node::new();
    node.state
        .file("1-0", br#"{"kind":"ocr","user":"1"}"#)
        .await
        .unwrap();
    assert_eq!(
        node.get("/api/jobs/entry:1-0").await.json(200)["state"],
        "queued"
    );
    for (entry, text, part) in [
        ("2-0", "", "nothing in the field message"),
        ("3-0", "[1]", "is a list"),
        ("4-0", r#"{"kind":"x","user":"1"}"#, "expected ocr"),
        (
            "5-0",
            r#"{"kind":"pdf","user":"1","id":"entry:1-0"}"#,
            "another job",
        ),
    ] {
        node.state.file(entry, text.as_bytes()).await.unwrap();
        let dead = node
            .get(&format!("/api/jobs/entry:{entry}"))
            .await
            .json(200);
        assert_eq!(
            (&dead["state"], &dead["message"]),
            (&json!("dead"), &json!(text))
        );
        assert!(dead["reason"].as_str().unwrap().contains(part), "{dead}");
    }
    // Read again, they are what they were.
    for (entry, expect) in [("3-0", None), ("4-0", Some("kind"))] {
        let path = format!("/api/jobs/entry:{entry}/retry");
        let retried = node.send(Method::POST, &path, Some("admin"), "").await;
        let (field, _) = retried.problem(422);
        assert_eq!(field.as_deref(), expect, "{entry}");
    }
}

async fn refuses(cases: impl IntoIterator<Item = (Value, Option<&str>, &str)>) {
    let node = Node::new();
    for (case, field, part) in cases {
        let (found, detail) = schedule(&node, &case).await.problem(422);
        assert_eq!(found.as_deref(), field, "{case}");
        assert!(detail.contains(part), "{case}: {detail}");
    }
}

#[tokio::test]
async fn a_schedule_says_when() {
    let all = json!({"to": "all"});
    let far = 366 * 24 * 60 * 60 + 60;
    let when = "one of at, in and cron";
    refuses([
        (json!({"publish": all}), None, when),
        (json!({"at": 1, "in": 1, "publish": all}), None, when),
        (
            json!({"in": -1, "publish": all}),
            Some("in"),
            "from 0 to a year",
        ),
        (json!({"in": far, "publish": all}), Some("in"), "a year"),
        (
            json!({"cron": "* * *", "publish": all}),
            Some("cron"),
            "five fields",
        ),
        (
            json!({"cron": "0 0 31 2 *", "publish": all}),
            Some("cron"),
            "no time",
        ),
        (
            json!({"cron": "* * * * *", "timezone": "x", "publish": all}),
            Some("timezone"),
            "Europe/Berlin",
        ),
        (
            json!({"in": 1, "timezone": "UTC", "publish": all}),
            Some("timezone"),
            "cron",
        ),
        (
            json!({"in": 1, "missed": "often", "publish": all}),
            Some("missed"),
            "fire",
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_schedule_says_what() {
    let what = "one of publish and job";
    let given = "given by the schedule";
    let publish = |message: Value| json!({"in": 1, "publish": message});
    let job = |job: Value| json!({"in": 1, "job": job});
    refuses([
        (json!({"in": 1}), None, what),
        (json!({"in": 1, "publish": {}, "job": {}}), None, what),
        (
            publish(json!({"to": "nobody"})),
            Some("publish.to"),
            "publish: to: ",
        ),
        (
            publish(json!({"to": "all", "id": "x"})),
            Some("publish.id"),
            given,
        ),
        (
            publish(json!({"to": "all", "at": 1})),
            Some("publish.at"),
            given,
        ),
        (
            job(json!({"kind": "x", "user": "1"})),
            Some("job.kind"),
            "expected ocr",
        ),
        (
            job(json!({"kind": "ocr", "user": "1", "id": "x"})),
            Some("job.id"),
            given,
        ),
    ])
    .await;
    let node = Node::new();
    let job = json!({"kind": "ocr", "user": "1", "data": [1]});
    let good = json!({"at": 5, "job": job, "id": "a", "late_max": 1.5});
    let added = schedule(&node, &good).await.json(200);
    assert_eq!(added, json!({"id": "a", "next": 5.0}));
    let expect = json!({
        "id": "a", "next": 5.0, "at": 5.0, "missed": "skip", "late_max": 1.5, "job": job,
    });
    assert_eq!(node.get("/api/schedules/a").await.json(200), expect);
    node.get("/api/schedules/b").await.problem(404);
}
