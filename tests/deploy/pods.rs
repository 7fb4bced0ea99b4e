//! The pods of the overlays, run: they start, are what their probes ask about, and end in time.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt as _;
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::{
    container::{Container, answers, until_answers},
    http,
    lab::Lab,
    pod::{Overlay, POD, publish},
    soon,
};

/// The group of the pods.
const GROUP: u32 = 65532;

fn lab() -> Lab {
    Lab::new(&[("pod", 11), ("redis", 2)])
}

/// What the Secret of an overlay has, as a folder: that of the overlay itself, or one that somebody made as
/// the page about it says.
fn secrets(lab: &Lab, overlay: &Overlay) -> PathBuf {
    let folder = lab.file("secrets");
    let secrets = match overlay.all("Secret").as_slice() {
        [] => vec![
            ("api-key", "a-key-that-applications-have".to_owned()),
            ("device", "0123456789abcdef0123".to_owned()),
            ("im.pem", pem()),
            ("redis-url", "redis://redis:6379".to_owned()),
            ("ride", "0123456789abcdef0123".to_owned()),
            ("ride-backend", "0123456789abcdef0123".to_owned()),
            (
                "store-url",
                "sqlite:///var/lib/tidegate/store.db".to_owned(),
            ),
        ],
        [secret] => {
            let data = secret["data"].as_object().unwrap().iter();
            let text = |value: &Value| {
                let bytes = STANDARD.decode(value.as_str().unwrap());
                String::from_utf8(bytes.unwrap()).unwrap()
            };
            data.map(|(key, value)| (key.as_str(), text(value)))
                .collect()
        }
        several => panic!("{several:?}"),
    };
    publish(&folder, 1, GROUP, &secrets);
    folder
}

fn pem() -> String {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048);
    key.unwrap().serialize_pem()
}

/// A pod that is ready, and where its ports are.
struct Pod {
    container: Container,
    public: SocketAddr,
    admin: SocketAddr,
}

impl Pod {
    async fn start(lab: &Lab, overlay: &Overlay, more: &[(&str, &str)]) -> Self {
        let mut container = overlay.start(lab, &secrets(lab, overlay), more);
        let public = lab.at("pod", overlay.port("public"));
        let admin = lab.at("pod", overlay.port("admin"));
        container.ready(admin).await;
        Self {
            container,
            public,
            admin,
        }
    }

    /// A token of the `ride` dialect that the program itself gives out.
    fn token(&self) -> String {
        let words = ["token", "ride", "--client-id", "p_1", "--token", "anna"];
        let config = ["--config", "/etc/tidegate/tidegate.toml"];
        let line: Vec<_> = ["/usr/bin/tidegate"]
            .into_iter()
            .chain(words)
            .chain(config)
            .collect();
        let (succeeded, token) = self.container.exec(&line);
        assert!(succeeded, "{token}");
        token.trim().to_owned()
    }

    /// Logs in with it.
    async fn connect(&self, client_id: &str, token: &str) -> WebSocketStream<TcpStream> {
        let url = format!(
            "ws://{}/ws/?client_id={client_id}&token={token}",
            self.public
        );
        let stream = TcpStream::connect(self.public).await.unwrap();
        soon("a session", client_async(url, stream))
            .await
            .unwrap()
            .0
    }

    async fn status_with_key(&self, key: &str) -> u16 {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str())];
        http::call(self.admin, "GET", "/api/nodes", &headers, "")
            .await
            .status
    }
}

/// Every probe of the container, asked as a kubelet asks.
async fn probes(overlay: &Overlay, lab: &Lab, status: [u16; 3]) {
    for (name, status) in ["startupProbe", "readinessProbe", "livenessProbe"]
        .iter()
        .zip(status)
    {
        let get = &overlay.container()[name]["httpGet"];
        let at = lab.at("pod", overlay.port(get["port"].as_str().unwrap()));
        assert!(
            answers(at, get["path"].as_str().unwrap(), status).await,
            "{name}: {get}"
        );
    }
}

#[tokio::test]
async fn the_pod_for_development_runs_alone() {
    let (lab, overlay) = (lab(), Overlay::render("dev"));
    let pod = Pod::start(&lab, &overlay, &[]).await;
    probes(&overlay, &lab, [200, 200, 200]).await;
    assert_eq!(pod.status_with_key("an-api-key-for-development").await, 200);
}

#[tokio::test]
async fn the_pod_for_production_serves_what_its_objects_ask_for() {
    let (lab, overlay) = (lab(), Overlay::render("production"));
    let _redis = lab.redis("redis").await;
    let pod = Pod::start(&lab, &overlay, &[]).await;
    probes(&overlay, &lab, [200, 200, 200]).await;
    let (is_healthy, text) = pod.container.is_healthy();
    assert!(is_healthy && text.contains(POD), "{text}");

    // What the autoscaler counts is one number of each pod.
    let mut client = pod.connect("p_1", &pod.token()).await;
    let metrics = overlay.one("HorizontalPodAutoscaler")["spec"]["metrics"]
        .as_array()
        .unwrap();
    let of_pods: Vec<_> = metrics
        .iter()
        .filter(|metric| metric["type"] == "Pods")
        .collect();
    assert_eq!(of_pods.len(), 1);
    let name = of_pods[0]["pods"]["metric"]["name"].as_str().unwrap();
    let endpoint = &overlay.one("ServiceMonitor")["spec"]["endpoints"][0];
    assert_eq!(endpoint["path"], "/metrics");
    let counted = format!("\n{name} 1\n");
    let scrape = async || http::call(pod.admin, "GET", "/metrics", &[], "").await.body;
    // The client has its answer before it is a session.
    soon("the client is counted", async {
        while !scrape().await.contains(&counted) {}
    })
    .await;

    // From the first moment of its end on nobody is sent there, and it is not killed for it.
    pod.container.terminate();
    until_answers(pod.admin, "/readyz", 503).await;
    probes(&overlay, &lab, [200, 503, 200]).await;
    let limit = overlay.time_to_end();
    let closed = soon("a close", async {
        loop {
            match client.next().await {
                Some(Ok(Message::Close(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    });
    assert_eq!(u16::from(closed.await.unwrap().code), 1012);
    drop(client);
    let (status, took) = pod.container.ended_within(limit).await;
    assert!(status.success(), "{status} after {took:?}");
}

/// A kubelet kills what still runs when the grace period is over, whose clients then see no Close.
#[test]
fn there_is_time_for_the_drain_and_five_seconds() {
    for name in ["dev", "production"] {
        let overlay = Overlay::render(name);
        let needed = overlay.seconds("drain.delay") + overlay.seconds("drain.grace");
        let given = overlay.time_to_end();
        assert!(
            needed + Duration::from_secs(5) <= given,
            "{name}: {needed:?} in {given:?}"
        );
    }
}

/// A drain takes longest with the most clients that it need not hurry for. At its slowest pace it sends
/// away 50 in a second.
#[tokio::test]
async fn the_longest_drain_ends_before_the_pod_is_killed() {
    drain(&Overlay::render("dev"), 190).await;
    // A minute and a half.
    if std::env::var_os("TG_TEST_LONG").is_some() {
        drain(&Overlay::render("production"), 3900).await;
    }
}

async fn drain(overlay: &Overlay, count: usize) {
    let lab = lab();
    let _redis = lab.redis("redis").await;
    let more = [
        ("TIDEGATE_DRAIN__RATE", "1"),
        ("TIDEGATE_LIMITS__HANDSHAKES_PER_SECOND", "0"),
    ];
    let pod = Pod::start(&lab, overlay, &more).await;
    let (token, mut clients) = (pod.token(), Vec::new());
    for number in 0..count {
        // They do not answer the Close either.
        clients.push(pod.connect(&format!("p_{number}"), &token).await);
    }
    let given = overlay.time_to_end();
    pod.container.terminate();
    let (status, took) = pod.container.ended_within(given).await;
    assert!(status.success(), "{status} after {took:?}");
    assert!(
        took + Duration::from_secs(2) <= given,
        "{took:?} of {given:?}"
    );
    // It was such a drain. The last three seconds are for those who leave.
    let grace = overlay.seconds("drain.grace");
    let least = grace - Duration::from_secs(3);
    assert!(least <= took, "{took:?}, and {grace:?} is the limit");
}

#[tokio::test]
async fn new_secrets_reach_a_pod_by_a_reload_and_nobody_is_sent_away() {
    let (lab, overlay) = (lab(), Overlay::render("dev"));
    let pod = Pod::start(&lab, &overlay, &[]).await;
    let mut client = pod.connect("p_1", &pod.token()).await;
    let folder = pod.container.root.join("run/secrets/tidegate");
    let secret = |key: &str| fs::read_to_string(folder.join(key)).unwrap();
    let mut renewed: Vec<_> = ["device", "ride", "ride-backend"]
        .map(|key| (key, secret(key)))
        .into();
    renewed.push(("api-key", "another-key-of-applications".to_owned()));
    publish(&folder, 2, GROUP, &renewed);
    assert_eq!(
        pod.status_with_key("another-key-of-applications").await,
        401
    );

    let config = "/etc/tidegate/tidegate.toml";
    let (succeeded, text) =
        pod.container
            .exec(&["/usr/bin/tidegate", "reload", "--config", config]);
    assert!(succeeded && text.contains("applied: api.keys"), "{text}");
    assert_eq!(
        pod.status_with_key("another-key-of-applications").await,
        200
    );
    assert_eq!(pod.status_with_key("an-api-key-for-development").await, 401);
    client.close(None).await.unwrap();
    let closed = soon("the end", client.next()).await;
    assert!(matches!(closed, Some(Ok(Message::Close(_)))), "{closed:?}");
}

/// So each variable of an overlay whose pod starts is one that the node reads.
#[tokio::test]
async fn a_variable_that_is_no_key_keeps_a_pod_from_starting() {
    let (lab, overlay) = (lab(), Overlay::render("dev"));
    let unknown = ("TIDEGATE_LIMITS__CONNECTIONS", "2000");
    let pod = overlay.start(&lab, &secrets(&lab, &overlay), &[unknown]);
    let (code, text) = pod.ended().await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("limits.connections"), "{text}");
}

/// A Secret that lacks something shows at once, and in words.
#[tokio::test]
async fn a_pod_whose_secret_lacks_a_key_names_it() {
    let (lab, overlay) = (lab(), Overlay::render("production"));
    let folder = secrets(&lab, &overlay);
    fs::remove_file(folder.join("redis-url")).unwrap();
    let (code, text) = overlay.start(&lab, Path::new(&folder), &[]).ended().await;
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("redis-url"), "{text}");
}
