//! Two nodes as processes with Redis between them, an application behind them, and a Prometheus that
//! watches both.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tidegate::{
    auth::issue::{TokenRequest, issue},
    config::{Config, ReloadSource},
};
use tokio::time;

use crate::{
    http::{self, Answer},
    machine::{Folder, free_port},
    process::Process,
    prometheus::Prometheus,
    redis::Redis,
    service::{Request, Service},
    soon, until,
};

const KEY: &str = "a-key-for-the-tests-of-boards";

/// Two nodes and what belongs to them; dropping it ends everything.
pub(crate) struct Lab {
    pub(crate) nodes: Vec<Node>,
    pub(crate) prometheus: Prometheus,
    pub(crate) redis: Redis,
    /// Where load tests are scraped, once there are any.
    load_tests: [SocketAddr; 2],
    /// It serves as long as it is there.
    _application: Service,
    folder: Folder,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    config: Config,
    process: Option<Process>,
}

impl Lab {
    /// One whose nodes know each other and have been scraped.
    pub(crate) async fn start() -> Self {
        let (folder, redis) = (Folder::new(), Redis::start());
        let application = Service::start(answer);
        let keys = make_keys(&folder);
        let nodes = ["gw1", "gw2"].map(|name| {
            let toml = settings(name, &folder, &redis, &application, &keys);
            Node::start(name, &folder, toml)
        });
        let nodes = futures_util::future::join_all(nodes).await;
        let targets = [("gw1", nodes[0].admin), ("gw2", nodes[1].admin)];
        let load_tests = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let prometheus = Prometheus::start(folder.path(), &targets, &load_tests).await;
        prometheus
            .until("count(tidegate_nodes == 2 and tidegate_ready == 1) == 2")
            .await;
        Self {
            nodes,
            prometheus,
            redis,
            load_tests,
            _application: application,
            folder,
        }
    }

    /// Has load tests go on until the test is over, and waits until Prometheus has seen both: clients who write to
    /// each other from node to node, and others who come and go.
    pub(crate) async fn load(&self) {
        let [one, two] = [&self.nodes[0], &self.nodes[1]];
        let pids = [one, two].map(|node| node.process.as_ref().unwrap().id());
        let (pids, to) = (format!("{},{}", pids[0], pids[1]), one.public);
        let talk = format!("unicast --to {to},{} -n 4 --rate 50 --warmup 0", two.public);
        let come = format!("handshake --to {to} -n 12000 --ramp 600");
        for (run, address) in [talk, come].into_iter().zip(self.load_tests) {
            let line =
                format!("loadtest {run} --secs 600 --server-pid {pids} --prometheus {address}");
            // It ends with the process.
            std::thread::spawn(move || loadtest::run(line.split(' ').map(Into::into)));
        }
        for metric in ["received_total", "handshake_seconds_count"] {
            let seen = format!("sum(rate(loadtest_{metric}[15s])) > 0");
            self.prometheus.until(&seen).await;
        }
    }

    /// Kills the second node.
    pub(crate) fn kill_second(&mut self) {
        self.nodes[1].process = None;
    }

    /// Puts a mistake into the settings of the first node, and has it read them again.
    pub(crate) fn reload_badly(&self) {
        let path = self.folder.path().join("gw1.toml");
        let toml = fs::read_to_string(&path).unwrap();
        fs::write(&path, toml + "\nlimits.idle = \"0s\"\n").unwrap();
        self.nodes[0].process.as_ref().unwrap().signal(Signal::HUP);
    }
}

impl Node {
    async fn start(name: &str, folder: &Folder, toml: String) -> Self {
        let path = folder.path().join(format!("{name}.toml"));
        let (public, admin) = ([(); 2].map(|()| free_port()))
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
            .into();
        let listen = format!("listen.public = \"{public}\"\nlisten.admin = \"{admin}\"\n");
        fs::write(&path, listen + &toml).unwrap();
        let config = ReloadSource::new(Some(path.clone()), BTreeMap::new());
        let config = config.load().unwrap();
        let mut command = program();
        command.arg("--config").arg(&path);
        let log = folder.path().join(format!("{name}.log"));
        let mut process = Process::start(command, &log);
        soon("the node is ready", async {
            while !is_ready(admin).await {
                if let Some(status) = process.status() {
                    panic!("{status}: {}", fs::read_to_string(&log).unwrap());
                }
                time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        Self {
            public,
            admin,
            config,
            process: Some(process),
        }
    }

    /// Calls its HTTP API with a key that may do everything.
    pub(crate) async fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str())];
        http::call(self.admin, method, path, &headers, &body.to_string()).await
    }

    /// The same, which has to be answered with 200.
    pub(crate) async fn ok(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.api(method, path, body).await;
        assert!(
            (200..300).contains(&answer.status),
            "{path} {body}: {answer:?}"
        );
        serde_json::from_str(&answer.body).unwrap_or_default()
    }

    /// Waits until it knows that a user has a session, on whichever node.
    pub(crate) async fn knows(&self, user: &str) {
        let path = format!("/api/users/{user}");
        until("the node knows the user", async || {
            let found = self.ok("GET", &path, &Value::Null).await;
            found["online"] == true
        })
        .await;
    }

    /// A credential of the `device` dialect, for a device that also watches itself.
    pub(crate) fn device_token(&self, user: &str) -> String {
        let request = TokenRequest::Device {
            user: user.to_owned(),
            devices: vec![user.to_owned()],
            rooms: Vec::new(),
            publish: vec!["room:*".to_owned()],
            ttl_seconds: 60,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        issue(&self.config, &request, now.as_secs()).unwrap()
    }

    /// A credential of the `im` dialect.
    pub(crate) async fn im_token(&self, user: u64) -> String {
        let authorization = format!("Bearer {KEY}");
        let headers = [("authorization", authorization.as_str())];
        let body = json!({"id": user}).to_string();
        let answer = http::call(self.public, "POST", "/IM/token", &headers, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }
}

/// What the application answers, by its path.
fn answer(request: &Request) -> (u16, String) {
    let answer = match request.path.as_str() {
        "/login" => {
            let token = request.json()["token"].clone();
            json!({"allow": token != "denied"})
        }
        "/connect" | "/subscribe" => json!({"allow": true}),
        "/method" => request.json()["data"].clone(),
        "/broken" => return (500, String::new()),
        _ => json!({"done": true}),
    };
    (200, answer.to_string())
}

/// Settings with everything that can be measured.
fn settings(name: &str, folder: &Folder, redis: &Redis, app: &Service, keys: &str) -> String {
    let path = folder.path().display();
    let url = |path: &str| app.url(path);
    format!(
        "development = true\n\
         pid_file = \"{path}/{name}.pid\"\n\
         cluster.redis = \"{redis}\"\n\
         cluster.node = \"{name}\"\n\
         store.url = \"sqlite://{path}/store.db\"\n\
         drain = {{ delay = \"0s\", grace = \"5s\" }}\n\
         limits.outbox_bytes_max = 131072\n\
         api.keys = [{{ key = \"{KEY}\", scopes = [\"admin\", \"publish\", \"read\", \"token\"] }}]\n\
         dialect.ride.tokens = \"hook\"\n\
         dialect.ride.hook.url = \"{login}\"\n\
         dialect.device.keys = [{{ alg = \"HS256\", secret = \"0123456789abcdef\" }}]\n\
         {keys}\
         backend.pubsub_channel = \"websocket_messages\"\n\
         backend.connect.url = \"{connect}\"\n\
         backend.subscribe.url = \"{subscribe}\"\n\
         backend.methods = [\n\
         {{ prefix = \"shop.\", url = \"{method}\" }},\n\
         {{ prefix = \"down.\", url = \"{broken}\", pause = \"60s\" }},\n\
         ]\n\
         backend.jobs = [{{ kind = \"ocr\", url = \"{work}\" }}]\n\
         backend.hooks = [{{ url = \"{hook}\", events = [\"session.opened\", \"session.closed\", \"undeliverable\"] }}]\n",
        redis = redis.url(),
        login = url("/login"),
        connect = url("/connect"),
        subscribe = url("/subscribe"),
        method = url("/method"),
        broken = url("/broken"),
        work = url("/work"),
        hook = url("/hook"),
    )
}

/// Makes keys of `im`, and gives the settings that name them.
fn make_keys(folder: &Folder) -> String {
    let path = folder.path().display();
    let made = program()
        .args(["keys", "im", "--out", &path.to_string()])
        .output();
    let made = made.unwrap();
    assert!(made.status.success(), "{made:?}");
    format!(
        "dialect.im.private_key_file = \"{path}/im.pem\"\n\
         dialect.im.public_key_files = [\"{path}/im.pub.pem\"]\n"
    )
}

/// The program, without settings of whoever runs the tests.
fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TIDEGATE_") {
            command.env_remove(name);
        }
    }
    command
}

/// Whether somebody answers there that the node is ready.
async fn is_ready(admin: SocketAddr) -> bool {
    let asked = http::try_call(admin, "GET", "/readyz", &[], "").await;
    asked.is_ok_and(|answer| answer.status == 200)
}
