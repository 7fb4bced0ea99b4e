//! Where secrets are not: a node that has one of every kind, and logs all it can, shows none of them.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use futures_util::{SinkExt as _, StreamExt as _};
use rustix::process::Signal;
use tidegate::config::rsa::{BITS, PrivateKey};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Client, http,
    process::Place,
    redis::Redis,
    service::{Request, Service},
    soon,
};

/// In every secret of the configuration, and in nothing else.
const OURS: &str = "hunter2";
/// In every credential that only clients have.
const THEIRS: &str = "hunter3";
/// In the query of an address, which those who may ask are told, and the log is not.
const QUERY: &str = "hunter5";
/// The name of a user, which is told to those who may ask, and to nobody else.
const USER: &str = "hunter4";
/// Files of keys, by the settings that name them.
const PRIVATE_KEYS: [&str; 2] = ["dialect.device.private_key", "dialect.im.private_key"];

/// A node with every kind of secret, the services that it tells and asks, and its Redis.
struct Vault {
    place: Place,
    service: Service,
    redis: Redis,
}

impl Vault {
    fn new() -> Self {
        let service = Service::start(|request: &Request| match request.path.as_str() {
            "/decides" => (200, r#"{"allow":true}"#),
            "/login" => (403, ""),
            path if path.starts_with("/fails") => (500, ""),
            _ => (200, "{}"),
        });
        let redis = Redis::start();
        redis.allow_documented(&format!("{OURS}-redis"), "");
        let place = Place::new("");
        for key in PRIVATE_KEYS {
            let pair = PrivateKey::make(BITS).unwrap().to_pem().unwrap();
            fs::write(place.file(key), pair.private.expose()).unwrap();
        }
        place.configure(&settings(&service, &redis));
        Self {
            place,
            service,
            redis,
        }
    }

    /// The credentials that the node has made for clients.
    async fn tokens(&self) -> [String; 4] {
        let mut tokens = Vec::new();
        for line in [
            "token device --user hunter4",
            "token room --user hunter4 --room news",
            "token live --id 7 --code r1",
            "token im --id 42",
        ] {
            tokens.push(self.place.ends(line, 0).await.trim().to_owned());
        }
        tokens.try_into().unwrap()
    }

    /// What its Redis keeps, as a text with whatever else stands in such a file.
    fn kept(&self) -> String {
        for command in [&["CONFIG", "SET", "rdbcompression", "no"][..], &["SAVE"]] {
            self.redis.tell(command);
        }
        let folder = self.redis.ask(&["CONFIG", "GET", "dir"]);
        let file = Path::new(folder.lines().last().unwrap()).join("dump.rdb");
        String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned()
    }

    /// Has clients come of every dialect, good ones and others, and say something.
    async fn clients(&self, tokens: &[String; 4]) {
        let [device, room, live, im] = tokens;
        for token in [device, &format!("{THEIRS}-device")] {
            let mut client = self.place.connect("/ws").await;
            let auth = format!(r#"{{"type":"auth","data":{{"token":"{token}"}}}}"#);
            exchange(&mut client, &auth).await;
            exchange(&mut client, r#"{"type":"shop.x","data":{}}"#).await;
        }
        for (query, frame) in [
            (
                format!("client_id=be&token={OURS}-backend"),
                r#"{"flag":"ping"}"#.to_owned(),
            ),
            (
                format!("client_id=be&token={THEIRS}-backend"),
                String::new(),
            ),
            (
                format!("client_id=c1&token={THEIRS}-ride"),
                format!(r#"{{"flag":"x","token":"{THEIRS}-other","target_token":"y"}}"#),
            ),
        ] {
            let path = format!("/ws/?{query}");
            exchange(&mut self.place.connect(&path).await, &frame).await;
        }
        let nowhere = format!("/nowhere?token={THEIRS}-path");
        let public = self.place.public().await;
        let refused = http::call(public, "GET", &nowhere, &[], "").await;
        assert_eq!(refused.status, 404);
        for path in [
            format!("/room/news/?token={room}"),
            format!("/live?auth={live}"),
            format!("/{im}"),
        ] {
            exchange(&mut self.place.connect(&path).await, "2").await;
        }
    }

    /// What the node tells to whoever may ask, and to who may not.
    async fn answers(&self) -> String {
        let admin = self.place.admin();
        let mut told = String::new();
        let good = format!("Bearer {OURS}-api-key");
        let bad = format!("Bearer {THEIRS}-api-key");
        for (bearer, status) in [(good, 200), (bad, 401)] {
            for path in [
                "/api/nodes",
                "/api/sessions",
                "/api/hooks",
                "/api/hooks/dead",
                "/api/service",
            ] {
                let headers = [("authorization", bearer.as_str())];
                let answer = http::call(admin, "GET", path, &headers, "").await;
                assert_eq!(answer.status, status, "{path}: {answer:?}");
                told += &(answer.head + &answer.body);
            }
        }
        told + &self.place.ends("status", 0).await + &self.place.ends("check", 0).await
    }
}

fn settings(service: &Service, redis: &Redis) -> String {
    let url = |path: &str| format!("url = \"{}\"", service.url(path));
    let host = redis.host();
    let [device_key, im_key] = PRIVATE_KEYS;
    let (login, decides, told) = (url("/login"), url("/decides"), url("/told"));
    let fails = url(&format!("/fails?key={QUERY}"));
    let hook = |name: &str| format!("secret = \"{OURS}-{name}-0123456789\"");
    format!(
        r#"development = false
        log.level = "trace"
        cluster.redis = "redis://tidegate:{OURS}-redis@{host}"
        api.keys = [{{ key = "{OURS}-api-key", scopes = ["admin", "token"] }}]
        {device_key}_file = "{device_key}"
        {im_key}_file = "{im_key}"
        dialect.live.key = "{OURS}-live-key-012345"
        dialect.ride = {{ tokens = "any", realm = "r", backends = {{ be = "{OURS}-backend" }} }}
        dialect.device.keys = [{{ alg = "HS256", {hs} }}]
        dialect.device.hook = {{ {login}, {device} }}
        dialect.room.keys = [{{ alg = "HS256", {hs} }}]
        backend.connect = {{ {decides}, {connect} }}
        backend.subscribe = {{ {decides}, {subscribe} }}
        backend.methods = [{{ prefix = "shop.", {told}, {method} }}]
        backend.hooks = [
            {{ events = ["session.opened", "session.closed"], {told}, {webhook} }},
            {{ events = ["session.opened"], {fails}, {webhook} }},
        ]
        drain.grace = "2s"
        backend.jobs = [{{ kind = "ocr", {told}, {job} }}]
        "#,
        hs = hook("shared"),
        device = hook("login"),
        connect = hook("connect"),
        subscribe = hook("subscribe"),
        method = hook("method"),
        webhook = hook("webhook"),
        job = hook("job"),
    )
}

/// Says something to a node that may have refused the client, and hears its answer or the end.
async fn exchange(client: &mut Client, text: &str) {
    let _ = soon("sending", client.socket.send(Message::text(text))).await;
    let _ = soon("an answer or the end", client.socket.next()).await;
}

/// A line out of the middle of a PEM file.
fn middle(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().nth(5).unwrap().to_owned()
}

#[tokio::test]
async fn no_secret_shows_anywhere() {
    let mut vault = Vault::new();
    let mut node = vault.place.start().await;
    let tokens = vault.tokens().await;
    vault.clients(&tokens).await;
    let pid_file = fs::read_to_string(vault.place.file("tidegate.pid")).unwrap();
    let control = pid_file.lines().nth(3).unwrap().to_owned();
    let admin = vault.place.admin();
    let metrics = http::call(admin, "GET", "/metrics", &[], "").await.body;
    let mut told = vault.answers().await;
    let folder = format!("/proc/{}", node.id());
    told += &fs::read_to_string(format!("{folder}/cmdline")).unwrap();
    told += &fs::read_to_string(format!("{folder}/comm")).unwrap();
    // A mistake beside all these.
    let mut broken = settings(&vault.service, &vault.redis);
    broken += "limits.idle = \"never\"\nnonsense = 1";
    vault.place.configure(&broken);
    told += &vault.place.ends("reload", 2).await;
    told += &vault.place.ends("check", 2).await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0));
    let log = vault.place.log();
    assert!(
        log.contains("TRACE") && log.contains("session ended"),
        "{log}"
    );
    for text in [&log, &metrics] {
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains(USER) || line.contains(QUERY));
        assert_eq!(line, None);
    }
    told += &(log + &metrics);
    let mut secrets = vec![OURS.to_owned(), control];
    secrets.extend(PRIVATE_KEYS.map(|key| middle(&vault.place.file(key))));
    let kept = vault.kept();
    assert!(kept.contains("/told"), "{kept}");
    for secret in &secrets {
        assert!(!kept.contains(secret), "{secret} is in Redis");
    }
    secrets.push(THEIRS.to_owned());
    secrets.extend(tokens);
    for secret in &secrets {
        let line = told.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
    // Services get signatures, not what these are made with.
    let mut signed = 0;
    while let Some(request) = vault.service.try_next() {
        assert!(!format!("{request:?}").contains(OURS), "{request:?}");
        assert!(
            request.header("x-tidegate-signature").is_some(),
            "{request:?}"
        );
        signed += 1;
    }
    assert!(8 <= signed, "{signed}");
}

#[tokio::test]
async fn a_daemon_keeps_its_files_to_its_owner() {
    let place = Place::new("");
    place.ends("start --daemon", 0).await;
    for name in ["tidegate.pid", "tidegate.log"] {
        let mode = fs::metadata(place.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let pid = place.pid().unwrap();
    // The credentials of development mode are in the log, where its owner reads them, and not among its words.
    let log = fs::read_to_string(place.file("tidegate.log")).unwrap();
    let key = log
        .lines()
        .find_map(|line| line.trim().strip_prefix("API key"));
    let key = key.unwrap().trim();
    let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(!words.contains(key), "{words}");
    place.ends("stop", 0).await;
}
