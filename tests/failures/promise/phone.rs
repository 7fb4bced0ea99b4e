//! Phones: they send what was not acknowledged again, and come back when they are cut off.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tidegate::iso8601;
use tokio::{net::TcpStream, time};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::{
    chance::Chance,
    ledger::{Key, Ledger, Row, Words},
};

/// Messages that a sender has under way.
const WINDOW: usize = 6;
/// Longest time of any answer. A call has limits of 10 s, and waits for the one before.
const ANSWER: Duration = Duration::from_secs(25);
/// Pause before the next attempt at what did not work.
const PAUSE: Duration = Duration::from_millis(30);
/// Of so many acknowledgements one is followed by a look at the history, and one by leaving in the
/// middle.
const LOOKS: u64 = 12;
const LEAVES: u64 = 150;
/// Most rows of a history.
const ROWS_MAX: usize = 40;

/// Who is on the phone, and where there are nodes.
#[derive(Clone)]
pub(crate) struct Phone {
    pub(crate) user: u64,
    pub(crate) peer: u64,
    pub(crate) nodes: Vec<SocketAddr>,
    pub(crate) key: EncodingKey,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) chance: Chance,
    /// Never leaves of itself.
    pub(crate) stays: bool,
    /// The senders begin nothing more.
    pub(crate) is_enough: Arc<AtomicBool>,
}

/// How a session of a sender has ended.
enum End {
    Cut,
    Done,
}

/// One session.
struct Line {
    socket: WebSocketStream<TcpStream>,
    node: usize,
}

/// What a sender has under way: the packet of each message by its id.
type Open = BTreeMap<u64, String>;

// === impl Phone ===

impl Phone {
    /// Sends until it is enough, and everything is acknowledged.
    pub(crate) async fn send(mut self) {
        let (mut open, mut next) = (Open::new(), 0);
        loop {
            let Some(mut line) = self.connect().await else {
                time::sleep(PAUSE).await;
                continue;
            };
            self.ledger.begins();
            let end = self.talk(&mut line, &mut open, &mut next).await;
            self.ledger.ends();
            if matches!(end, End::Done) {
                return;
            }
        }
    }

    /// Takes note of what comes, for ever.
    pub(crate) async fn receive(mut self) {
        loop {
            if let Some(mut line) = self.connect().await {
                self.hear(&mut line).await;
            }
            time::sleep(PAUSE).await;
        }
    }

    /// A session that was welcomed, with a token of its own.
    async fn connect(&mut self) -> Option<Line> {
        let node = self.chance.below(self.nodes.len() as u64) as usize;
        let address = self.nodes[node];
        let connecting = async {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            let url = format!("ws://{address}/im/{}", self.token());
            let (socket, _) = client_async(url, stream).await.ok()?;
            let mut line = Line { socket, node };
            let welcome = line.next().await?;
            assert_eq!(welcome["type"], "L", "{welcome}");
            Some(line)
        };
        let connected = time::timeout(ANSWER, connecting).await;
        connected.unwrap_or_else(|_| panic!("{} was not let in", self.user))
    }

    fn token(&self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs();
        let claims = json!({"id": self.user, "type": "websocket", "iat": now, "exp": now + 120});
        encode(&Header::new(Algorithm::RS256), &claims, &self.key).unwrap()
    }

    /// Has messages under way until it is cut off.
    async fn talk(&mut self, line: &mut Line, open: &mut Open, next: &mut u64) -> End {
        for packet in open.values() {
            self.ledger.count(|figures| figures.repeats += 1);
            line.say(packet).await;
        }
        loop {
            while open.len() < WINDOW && !self.is_enough.load(SeqCst) {
                let packet = self.compose(*next);
                open.insert(*next, packet.clone());
                *next += 1;
                line.say(&packet).await;
            }
            if open.is_empty() {
                return End::Done;
            }
            let Some(answer) = line.next().await else {
                return End::Cut;
            };
            if !self.answered(line, open, &answer).await {
                return End::Cut;
            }
        }
    }

    /// The packet of a message, which is taken note of.
    fn compose(&mut self, number: u64) -> String {
        let id = id_of(number);
        let kind = if self.chance.once_in(4) { 'i' } else { 't' };
        let words = Words {
            to: self.peer,
            kind,
            text: format!(
                "{number} from {} — {}",
                self.user,
                self.chance.below(1 << 40)
            ),
        };
        let packet = json!({"id": id, "to": words.to, "type": kind, "msg": words.text});
        self.ledger.said((self.user, id.to_string()), words);
        packet.to_string()
    }

    /// Deals with an answer. Says whether to stay.
    async fn answered(&mut self, line: &mut Line, open: &mut Open, answer: &Value) -> bool {
        let text = answer["msg"].as_str().unwrap_or_default();
        let id = &answer["id"];
        if let Some((number, time_ms)) = looked_for(id) {
            self.looked(number, time_ms, answer);
            return true;
        }
        match answer["type"].as_str() {
            Some("A") => {
                let number = number_of(id);
                self.ledger
                    .acknowledged(&(self.user, id.to_string()), line.node);
                assert!(open.remove(&number).is_some(), "{answer} once more");
                if self.chance.once_in(LOOKS) {
                    let time_ms = answer["timestamp"].as_u64().unwrap();
                    line.say(&look(number, time_ms)).await;
                }
                self.stays || !self.chance.once_in(LEAVES)
            }
            Some("E") if ["Fail to storage message", "Unknown error"].contains(&text) => {
                let packet = &open[&number_of(id)];
                self.ledger.count(|figures| {
                    figures.refused += 1;
                    figures.repeats += 1;
                });
                time::sleep(PAUSE).await;
                line.say(packet).await;
                true
            }
            // A newer session of the same user, which is this phone's before, or a drain.
            Some("C") => false,
            _ => panic!("{answer} for {}", self.user),
        }
    }

    /// What was acknowledged is in the history from then on, unless it took so long that too much came
    /// behind it.
    fn looked(&self, number: u64, time_ms: u64, answer: &Value) {
        if answer["type"] != "H" {
            assert_eq!(answer["msg"], "Unknown error", "{answer}");
            return;
        }
        let beginning = format!("{number} from {} ", self.user);
        let rows = answer["msg"].as_array().unwrap();
        let oldest = rows.last().and_then(|row| row["timestamp"].as_str());
        let time = iso8601::format(time_ms);
        if rows.len() == ROWS_MAX && oldest.is_some_and(|oldest| *time <= *oldest) {
            return;
        }
        let mut texts = rows.iter().map(|row| row["msg"].as_str().unwrap());
        assert!(
            texts.any(|text| text.starts_with(&beginning)),
            "message {number} of {} is acknowledged and not in {answer}",
            self.user
        );
        self.ledger.count(|figures| figures.found += 1);
    }

    async fn hear(&mut self, line: &mut Line) {
        let mut heard: HashMap<Key, (usize, Value)> = HashMap::new();
        while let Some(packet) = line.next_ever().await {
            let kind = packet["type"].as_str().unwrap();
            if kind == "C" {
                return;
            }
            let row = Row {
                from: packet["from"].as_u64().unwrap(),
                packet_id: packet["id"].to_string(),
                words: Words {
                    to: self.user,
                    kind: kind.chars().next().unwrap(),
                    text: packet["msg"].as_str().unwrap().to_owned(),
                },
            };
            self.ledger.check_said(&row);
            self.ledger.count(|figures| figures.delivered += 1);
            let (key, place) = ((row.from, row.packet_id), heard.len());
            let before = heard.insert(key, (place, packet));
            assert_eq!(before, None, "twice, now at {place}");
        }
    }
}

// === impl Line ===

impl Line {
    /// Whoever does not listen any more may have said something before.
    async fn say(&mut self, packet: &str) {
        let sending = self.socket.send(Message::text(packet));
        let sent = time::timeout(ANSWER, sending).await;
        let _ = sent.expect("the node takes nothing");
    }

    /// The next packet, which has to come in time; none when the connection ends.
    async fn next(&mut self) -> Option<Value> {
        let next = time::timeout(ANSWER, self.next_ever()).await;
        next.unwrap_or_else(|_| panic!("node {} does not answer", self.node))
    }

    async fn next_ever(&mut self) -> Option<Value> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_)) => {}
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(other) => panic!("{other:?} is no packet"),
            }
        }
    }
}

/// Ids are of both kinds.
fn id_of(number: u64) -> Value {
    match number % 2 {
        0 => json!(number),
        _ => json!(number.to_string()),
    }
}

fn number_of(id: &Value) -> u64 {
    let of_text = || id.as_str()?.parse().ok();
    let number = id.as_u64().or_else(of_text);
    number.unwrap_or_else(|| panic!("{id} is not ours"))
}

/// Asks for the newest messages.
fn look(number: u64, time_ms: u64) -> String {
    let msg = json!({"id": -1, "from": -1});
    json!({"id": format!("look {number} {time_ms}"), "to": 0, "type": "H", "msg": msg}).to_string()
}

/// The message that a history was asked for, and its time.
fn looked_for(id: &Value) -> Option<(u64, u64)> {
    let (number, time_ms) = id.as_str()?.strip_prefix("look ")?.split_once(' ')?;
    Some((number.parse().ok()?, time_ms.parse().ok()?))
}
