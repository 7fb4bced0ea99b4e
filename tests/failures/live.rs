//! A node with live rooms is killed: the walls are told once who has left.

use std::{collections::BTreeMap, net::SocketAddr};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tidegate::auth::live::cipher::Cipher;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{WHOLE, fleet::Node, redis::Redis, soon, within};

const KEY: &str = "kfw001-websocket";
/// Users of the node that is killed.
const USERS: usize = 12;
/// Those who have left by then.
const LEFT: usize = 3;
/// Those who leave while it is killed.
const LEAVING: usize = 3;

/// A client of a live room.
struct Client(WebSocketStream<TcpStream>);

impl Client {
    /// One that has joined the room.
    async fn join(address: SocketAddr, kind: &str, id: usize) -> Self {
        let text = json!({"id": id, "type": kind, "code": "r1", "nickname": "n"});
        let auth = Cipher::new(KEY).encode(&text.to_string());
        let stream = TcpStream::connect(address).await.unwrap();
        let url = format!("ws://{address}/live?auth={auth}");
        let (socket, _) = soon("the upgrade", client_async(url, stream))
            .await
            .unwrap();
        let mut client = Self(socket);
        let part = if kind == "wall" { "wall" } else { "user" };
        client
            .call(&format!("live.{part}.join"), &format!("{part}JoinSuccess"))
            .await;
        client
    }

    /// Calls a method, which has to be answered with this event. What comes before is dropped.
    async fn call(&mut self, method: &str, event: &str) {
        let text = json!({"method": method}).to_string();
        soon("sending", self.0.send(Message::text(text)))
            .await
            .unwrap();
        while self.event().await["event"] != event {}
    }

    async fn event(&mut self) -> Value {
        loop {
            match soon("a frame", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(_)) => {}
                other => panic!("{other:?} is no frame"),
            }
        }
    }
}

#[tokio::test]
async fn walls_are_told_once_who_was_on_a_node_that_is_killed() {
    let redis = Redis::start();
    let mut nodes = Vec::new();
    for name in ["gw-1", "gw-2"] {
        let settings = format!(
            "cluster.redis = \"{}\"\n\
             dialect.live = {{ key = \"{KEY}\", max_age = \"0s\" }}\n",
            redis.url()
        );
        let mut node = Node::with(name, &settings);
        node.run().await;
        within(WHOLE, "the node is ready", async || node.is_ready().await).await;
        nodes.push(node);
    }
    let mut wall = Client::join(nodes[1].public(), "wall", 9).await;
    within(WHOLE, "the nodes know where the wall is", async || {
        let topic = nodes[0].api("/api/topics/room:live%2Fwalls%2Fr1").await;
        topic["subscribers"] == 1
    })
    .await;
    let mut users = Vec::new();
    for id in 1..=USERS {
        users.push(Client::join(nodes[0].public(), "wechatUser", id).await);
    }
    let (mut come, mut gone) = (BTreeMap::new(), BTreeMap::new());
    while come.len() < USERS {
        note(&wall.event().await, &mut come, &mut gone);
    }
    for user in &mut users[..LEFT] {
        user.call("live.user.out", "userOutSuccess").await;
    }
    // Some leave while the node dies under all of them.
    drop(users.drain(LEFT..LEFT + LEAVING));
    nodes[0].kill();
    while gone.len() < USERS {
        note(&wall.event().await, &mut come, &mut gone);
    }
    // Nothing is owed any more: what was said twice would have been said by now.
    nodes[0].run().await;
    within(WHOLE, "it is ready", async || nodes[0].is_ready().await).await;
    within(WHOLE, "nothing is owed any more", async || {
        redis.keys("tg:sessions:") == 2
    })
    .await;
    let _last = Client::join(nodes[1].public(), "wechatUser", 99).await;
    loop {
        let event = wall.event().await;
        if event["event"] == "userJoin" && event["param"]["id"] == 99 {
            break;
        }
        note(&event, &mut come, &mut gone);
    }
    assert_eq!(come.len(), USERS);
    assert_eq!(come, gone, "each once");
}

/// Counts who has come and who has gone, by session.
fn note(event: &Value, come: &mut BTreeMap<String, usize>, gone: &mut BTreeMap<String, usize>) {
    let fd = event["param"]["fd"].as_str().unwrap_or_default().to_owned();
    match event["event"].as_str() {
        Some("userJoin") => *come.entry(fd).or_default() += 1,
        Some("userOut") => *gone.entry(fd).or_default() += 1,
        _ => {}
    }
}
