//! The commands `explain`, `tail` and `status`, and the log, of nodes that are processes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
};

use rustix::process::Signal;
use serde_json::json;
use tokio::task;

use crate::support::{http, process::Place, redis::Redis, soon, until};

const KEY: &str = "api.keys = [{ key = \"k\", scopes = [\"publish\"] }]\n";

async fn publish(place: &Place, message: &serde_json::Value) {
    let headers = [("authorization", "Bearer k")];
    let body = message.to_string();
    let answer = http::call(place.admin(), "POST", "/api/publish", &headers, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_message_is_explained_and_what_is_not_known_is_said() {
    let place = Place::new(KEY);
    let text = place.ends("explain a", 1).await;
    assert!(text.contains("no node runs here"), "{text}");
    let _node = place.start().await;
    let mut client = place.connect("/ws/?client_id=c&token=me").await;
    client.ping().await;
    let message = json!({"to": "user:me", "event": "e", "data": {"a": "secret"}, "id": "order/17"});
    publish(&place, &message).await;
    client.text().await;
    let text = place.ends("explain order/17", 0).await;
    for part in ["published", "topic=user:me", "way=api", "written"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("1% of the others"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let trace = text.lines().next().unwrap().strip_prefix("trace ").unwrap();
    let by_trace = place.ends(&format!("explain --trace {trace}"), 0).await;
    assert_eq!(by_trace, text);
    let text = place.ends("explain order-18", 1).await;
    assert!(text.contains("nothing is known of this message"), "{text}");
    let text = place.ends("explain --trace order-18", 1).await;
    assert!(text.contains("16 hexadecimal digits"), "{text}");
    let text = place.ends("tail car:7", 1).await;
    assert!(text.contains("is not a topic"), "{text}");
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_named() {
    let redis = Redis::start();
    let toml = |node: &str| {
        let url = redis.url();
        format!("{KEY}cluster.redis = \"{url}\"\ncluster.node = \"{node}\"")
    };
    let places = ["one", "other"].map(|node| Place::new(&toml(node)));
    let _one = places[0].start().await;
    let other = places[1].start().await;
    soon("the nodes meet", async {
        while places[0].ends("status", 0).await.matches("\nnode ").count() < 3 {}
    })
    .await;
    publish(&places[0], &json!({"to": "all", "id": "a"})).await;
    soon("the other one has it", async {
        while !places[0]
            .ends("explain a", 0)
            .await
            .contains("other  arrived")
        {}
    })
    .await;
    other.signal(Signal::STOP);
    let text = places[0].ends("explain a", 0).await;
    other.signal(Signal::CONT);
    assert!(text.contains("one  published"), "{text}");
    assert!(text.contains("other has not answered in time"), "{text}");
}

/// A command that goes on, and what it prints.
struct Running {
    child: Child,
    lines: Option<Box<dyn Iterator<Item = String> + Send>>,
}

impl Running {
    fn start(place: &Place, line: &str) -> Self {
        let mut command = place.command(&format!("{line} --config tidegate.toml"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let lines = Box::new(lines.map_while(Result::ok));
        Self {
            child,
            lines: Some(lines),
        }
    }

    /// The next line that has this in it.
    async fn line(&mut self, part: &'static str) -> String {
        let mut lines = self.lines.take().unwrap();
        let finding = task::spawn_blocking(move || {
            let line = lines.find(|line| line.contains(part));
            (line, lines)
        });
        let (line, lines) = soon(part, finding).await.unwrap();
        self.lines = Some(lines);
        line.unwrap_or_else(|| panic!("no line has {part}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_user_is_followed_until_nobody_listens() {
    let place = Place::new(KEY);
    let node = place.start().await;
    let mut tail = Running::start(&place, "tail user:me");
    tail.line("following 0 sessions").await;
    let mut client = place.connect("/ws/?client_id=c&token=me").await;
    client.ping().await;
    tail.line("logged_in").await;
    let message = json!({"to": "user:me", "event": "e", "data": {"a": "secret"}});
    publish(&place, &message).await;
    client.text().await;
    let written = tail.line("written").await;
    assert!(!written.contains("secret"), "{written}");
    client.close().await;
    let closed = tail.line("closed").await;
    assert!(closed.contains("reason=client_closed"), "{closed}");
    // It ends with the node.
    node.signal(Signal::TERM);
    until("the command has ended", || {
        tail.child.try_wait().unwrap().is_some()
    })
    .await;
}

#[tokio::test]
async fn the_log_has_the_steps_of_what_is_sampled_and_no_user() {
    let log = "log.level = \"info,tidegate::trace=debug\"\n";
    let place = Place::new(&format!("{KEY}{log}trace.sample = 1"));
    let _node = place.start().await;
    let mut client = place.connect("/ws/?client_id=c&token=somebody").await;
    client.ping().await;
    let message = json!({"to": "user:somebody", "event": "e", "data": {}, "id": "order-17"});
    publish(&place, &message).await;
    client.text().await;
    client.close().await;
    // The trace of this id, in every version.
    let steps = ["published", "routed", "queued", "written"];
    until("all steps are logged", || {
        let log = place.log();
        let has = |step: &&str| {
            let mut lines = log.lines();
            lines.any(|line| {
                line.contains("trace=a2b13ff1a62e905e")
                    && line.contains(&format!("step=\"{step}\""))
            })
        };
        let session = ["accepted", "opened", "logged_in", "closed"];
        let is_logged = |step: &&str| log.contains(&format!("step=\"{step}\""));
        steps.iter().all(has) && session.iter().all(is_logged)
    })
    .await;
    let log = place.log();
    assert!(log.contains("way=api"), "{log}");
    assert!(!log.contains("somebody"), "{log}");
}
