//! Messages that a database refuses for good, and what an operator does about them.

use std::path::Path;

use super::{befriend, login};
use crate::support::{Gateway, mariadb::Mariadb, redis::Redis};

const RECORDS: &str = "tidegate_archive_records_total";

#[tokio::test]
async fn what_the_database_has_refused_is_given_again_after_it_was_mended() {
    let (mariadb, redis) = (Mariadb::start(), Redis::start());
    let toml = format!(
        "store.url = \"{}\"\ncluster.redis = \"{}\"",
        mariadb.database("chat"),
        redis.url()
    );
    let gateway = Gateway::start(&toml);
    befriend(&gateway, 7, 42).await;
    let mut a = login(&gateway, 7).await;
    a.say("1", 42, "yes").await;
    gateway
        .until_metric(RECORDS, "outcome=\"stored\"", 1.0)
        .await;
    let of_length = |length: u32| {
        let alter = "ALTER TABLE chat.message MODIFY msg VARCHAR";
        mariadb.ask(&format!("{alter}({length}) COLLATE utf8mb4_bin NOT NULL"));
    };
    of_length(3);
    for (id, text) in [("2", "no"), ("3", "hello"), ("4", "good bye")] {
        a.say(id, 42, text).await;
    }
    gateway.until_metric(RECORDS, "outcome=\"dead\"", 2.0).await;
    let of_older = r#"{"from":7}"#;
    redis.ask(&["XADD", "tg:mq:dead", "*", "reason", "x", "m", of_older]);
    of_length(1023);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/redis/replay-dead.lua");
    let script = script.display().to_string();
    let replay = ["--eval", &script, "tg:mq", "tg:mq:dead"];
    assert_eq!(redis.ask(&replay), "2");
    gateway
        .until_metric(RECORDS, "outcome=\"stored\"", 4.0)
        .await;
    let rows = mariadb.ask("SELECT msg FROM chat.message ORDER BY id");
    let mut rows: Vec<&str> = rows.lines().collect();
    // Two nodes may have put them among the dead in either order.
    rows[2..].sort_unstable();
    assert_eq!(rows, ["yes", "no", "good bye", "hello"]);
    assert_eq!(redis.ask(&["XLEN", "tg:mq:dead"]), "1");
    // What comes afterwards is newer.
    a.say("5", 42, "and on").await;
    assert_eq!(gateway.history("user:42").await[0]["msg"], "and on");
    assert_eq!(redis.ask(&replay), "0");
}
