//! What a server refuses, and whom: said with its address, and without any secret.

use std::net::SocketAddr;

use tidegate::cluster::streams::StreamsError;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    redis::{documented_rules, wait_until},
    rigs::{Alone, Cluster, PASSWORD, Sentinels, redis},
};

const PREFIX: &str = "tg:";
const WRONG: &str = "battery-staple";

/// What the check of a server at this address says that refuses.
async fn refusal(url: &str) -> String {
    let redis = redis(url, PREFIX);
    let said = match redis.check().await {
        Err(StreamsError::Refused(text)) => text.to_string(),
        other => panic!("{other:?} is no refusal"),
    };
    for secret in [PASSWORD, WRONG] {
        assert!(!said.contains(secret), "{said}");
        assert!(!format!("{redis:?}").contains(secret), "{redis:?}");
    }
    said
}

#[tokio::test]
async fn a_wrong_user_or_password_is_refused_and_not_told() {
    let rig = Alone::start();
    let host = rig.0.host();
    rig.0.allow_documented(PASSWORD, "");
    rig.0.tell(&["CONFIG", "SET", "requirepass", PASSWORD]);
    for credentials in [
        format!("tidegate:{WRONG}@"),
        format!("nobody:{PASSWORD}@"),
        format!(":{WRONG}@"),
        String::new(),
    ] {
        let said = refusal(&format!("redis://{credentials}{host}")).await;
        assert_eq!(said, format!("{host}: it refuses the user or the password"));
    }
    let right = redis(&format!("redis://tidegate:{PASSWORD}@{host}"), PREFIX);
    assert_eq!(right.check().await, Ok(()));
}

#[tokio::test]
async fn a_wrong_password_is_refused_behind_sentinels_and_by_a_cluster() {
    let sentinels = Sentinels::start();
    let said = refusal(&sentinels.url(WRONG)).await;
    let host = sentinels.primary.host();
    assert_eq!(said, format!("{host}: it refuses the user or the password"));
    sentinels
        .primary
        .tell(&["ACL", "SETUSER", "tidegate", "-role"]);
    let said = refusal(&sentinels.url(PASSWORD)).await;
    assert!(said.contains("'role'"), "{said}");

    let cluster = Cluster::start();
    let url = cluster.url().replace(PASSWORD, WRONG);
    let said = refusal(&url).await;
    assert!(
        said.ends_with(": it refuses the user or the password"),
        "{said}"
    );
}

#[tokio::test]
async fn every_permission_that_the_user_lacks_is_named() {
    let rig = Alone::start();
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    let rules = documented_rules();
    let allowed = rules.split(' ').filter_map(|rule| rule.strip_prefix('+'));
    let allowed: Vec<&str> = allowed.collect();
    assert!(allowed.contains(&"xadd"), "{rules}");
    for command in &allowed {
        rig.0.allow_documented(PASSWORD, &format!("-{command}"));
        let said = refusal(&url).await;
        assert!(said.contains("its user may not do everything"), "{said}");
        assert!(said.contains(&format!("'{command}'")), "{command}: {said}");
        wait_until("nothing is left", || rig.0.keys("") == 0);
    }
    rig.0.allow_documented(PASSWORD, "-xadd -xack");
    let said = refusal(&url).await;
    assert!(said.contains("'xadd'") && said.contains("'xack'"), "{said}");
    rig.0.allow_documented(PASSWORD, "resetkeys ~other:*");
    let said = refusal(&url).await;
    assert!(said.contains("keys"), "{said}");
    rig.0.allow_documented(PASSWORD, "");
    assert_eq!(redis(&url, PREFIX).check().await, Ok(()));
    assert_eq!(rig.0.keys(""), 0, "something was left");
}

#[tokio::test]
async fn a_version_that_is_too_old_is_refused_by_name() {
    let (address, _serving) = old_server().await;
    let said = refusal(&format!("redis://{address}")).await;
    let expected = format!("{address}: its version is 6.2.14, expected 7.0 or newer");
    assert_eq!(said, expected);
}

/// Answers as Redis 6.2 does, as far as it is asked before anything else: no such server can be had
/// beside one of today.
async fn old_server() -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(answer(stream));
        }
    });
    (address, serving)
}

async fn answer(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    while let Some(command) = command(&mut stream).await {
        let answer = match command[0].to_uppercase().as_str() {
            "INFO" => {
                let info = "# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\n";
                format!("${}\r\n{info}\r\n", info.len())
            }
            "AUTH" | "SELECT" => "+OK\r\n".to_owned(),
            other => format!("-ERR unknown command `{other}`, with args beginning with: \r\n"),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

/// The next command, as an array of strings; none at the end.
async fn command(stream: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = length(stream, '*').await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; length(stream, '$').await? + 2];
        stream.read_exact(&mut word).await.ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).unwrap());
    }
    Some(words)
}

async fn length(stream: &mut BufReader<TcpStream>, sign: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    line.trim_end().strip_prefix(sign)?.parse().ok()
}
