//! Clients that come back by themselves and talk to one another in pairs.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, Dialer},
    soon,
};

/// Between two messages of a client.
const PERIOD: Duration = Duration::from_millis(50);

/// Both ends count as connected for a message that was sent this long after the later one's login
/// and before the earlier one's end: what is on its way when somebody goes may be lost. Generous,
/// for machines that do other things too.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);

/// The clients while they run.
pub(crate) struct Swarm {
    tasks: JoinSet<(usize, Story)>,
    stop: CancellationToken,
    stories: Arc<[Mutex<usize>]>,
    /// The letters that each client has heard.
    pub(crate) letters: Arc<[Mutex<BTreeSet<u64>>]>,
}

/// What happened to one client.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) stays: Vec<Stay>,
    /// Attempts to connect and connections that failed.
    pub(crate) failures: Vec<String>,
    sent: Vec<Instant>,
    heard: BTreeSet<usize>,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Stay {
    from: Instant,
    to: Instant,
    /// The code of the Close that ended it; absent for the last one, which the client ended.
    pub(crate) code: Option<u16>,
}

impl Swarm {
    /// Connects so many, an even number, and waits until all have.
    pub(crate) async fn start(dialer: &Dialer, count: usize) -> Self {
        let stop = CancellationToken::new();
        let stories: Arc<[_]> = (0..count).map(|_| Mutex::new(0)).collect();
        let letters: Arc<[_]> = (0..count).map(|_| Mutex::default()).collect();
        let mut tasks = JoinSet::new();
        for number in 0..count {
            let life = Life {
                number,
                dialer: dialer.clone(),
                stop: stop.clone(),
                connected: Arc::clone(&stories),
                letters: Arc::clone(&letters),
                story: Story::default(),
            };
            tasks.spawn(life.run());
        }
        let swarm = Self {
            tasks,
            stop,
            stories,
            letters,
        };
        swarm.until_connections(count).await;
        swarm
    }

    /// Waits until there have been so many connections in all.
    pub(crate) async fn until_connections(&self, count: usize) {
        soon("so many connections", async {
            while self.connections() < count {
                time::sleep(PERIOD).await;
            }
        })
        .await;
    }

    /// Connections so far.
    pub(crate) fn connections(&self) -> usize {
        let counts = self.stories.iter().map(|count| *count.lock().unwrap());
        counts.sum()
    }

    /// Ends it. Gives what happened to each client.
    pub(crate) async fn end(mut self) -> Vec<Story> {
        // What was said last shall be heard.
        time::sleep(MARGIN).await;
        self.stop.cancel();
        let mut stories = Vec::new();
        while let Some(done) = soon("the end of a client", self.tasks.join_next()).await {
            stories.push(done.unwrap());
        }
        stories.sort_by_key(|(number, _)| *number);
        stories.into_iter().map(|(_, story)| story).collect()
    }
}

/// A client at work.
struct Life {
    number: usize,
    dialer: Dialer,
    stop: CancellationToken,
    connected: Arc<[Mutex<usize>]>,
    letters: Arc<[Mutex<BTreeSet<u64>>]>,
    story: Story,
}

impl Life {
    async fn run(mut self) -> (usize, Story) {
        let user = user(self.number);
        while !self.stop.is_cancelled() {
            match self.dialer.try_connect(&user).await {
                Ok(client) => self.stay(client).await,
                Err(error) => {
                    self.story.failures.push(error.to_string());
                    time::sleep(PERIOD).await;
                }
            }
        }
        (self.number, self.story)
    }

    /// Talks and listens until the connection or the swarm ends.
    async fn stay(&mut self, client: Client) {
        let from = Instant::now();
        *self.connected[self.number].lock().unwrap() += 1;
        let (mut sink, mut stream) = client.socket.split();
        let mut ticks = time::interval(PERIOD);
        let code = loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let text = self.next_message();
                    // The end is seen by the reader.
                    let _ = sink.send(Message::text(text)).await;
                }
                message = stream.next() => match message {
                    Some(Ok(Message::Text(text))) => self.hear(&text),
                    Some(Ok(Message::Close(frame))) => break frame.map(|frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => {
                        self.story.failures.push(error.to_string());
                        break Some(1006);
                    }
                    None => break Some(1006),
                },
                () = self.stop.cancelled() => break None,
            }
        };
        let to = Instant::now();
        self.story.stays.push(Stay { from, to, code });
        // Echoes the Close, and sees the end.
        let _ = sink.close().await;
        let rest = async { while let Some(Ok(_)) = stream.next().await {} };
        soon("the end of the connection", rest).await;
    }

    fn next_message(&mut self) -> String {
        let number = self.story.sent.len();
        self.story.sent.push(Instant::now());
        let (me, you) = (user(self.number), user(self.number ^ 1));
        format!(r#"{{"flag":"say","target_token":"{you}","token":"{me}","number":{number}}}"#)
    }

    fn hear(&mut self, text: &str) {
        let message: Value = serde_json::from_str(text).unwrap();
        if let Some(letter) = message["letter"].as_u64() {
            // Twice if a connection ended before it was known to have come.
            self.letters[self.number].lock().unwrap().insert(letter);
            return;
        }
        let number = message["number"].as_u64().unwrap();
        let is_new = self.story.heard.insert(usize::try_from(number).unwrap());
        assert!(is_new, "heard twice: {text}");
    }
}

pub(crate) fn user(number: usize) -> String {
    format!("swarm{number}")
}

impl Story {
    /// Whether it was connected all the time from `before` to `after` the moment `at`.
    fn was_connected(&self, at: Instant, before: Duration, after: Duration) -> bool {
        let mut stays = self.stays.iter();
        stays.any(|stay| stay.from + before <= at && at + after <= stay.to)
    }
}

/// Messages that were sent while both ends had been connected for a time `before` and stayed so for a
/// time `after`, and how many of them were not heard.
pub(crate) fn lost(stories: &[Story], before: Duration, after: Duration) -> (usize, usize) {
    let (mut owed, mut lost) = (0, 0);
    for (number, sender) in stories.iter().enumerate() {
        let receiver = &stories[number ^ 1];
        for (message, at) in sender.sent.iter().enumerate() {
            let both = [sender, receiver];
            if (both.iter()).all(|story| story.was_connected(*at, before, after)) {
                owed += 1;
                lost += usize::from(!receiver.heard.contains(&message));
            }
        }
    }
    (owed, lost)
}
