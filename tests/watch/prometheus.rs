//! A real Prometheus with the files of `deploy/prometheus`, and what it answers.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{files, machine::free_port, process::Process, soon, text, until};

/// How far back ranges go, in seconds: as long as the tests take.
const RANGE_S: u64 = 120;

/// A running one; dropping it ends it.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _process: Process,
}

impl Prometheus {
    /// Starts one in `folder` that scrapes these targets, each a node's name and its address, every
    /// second, and load tests at theirs. Alerts that would wait do not.
    pub(crate) async fn start(
        folder: &Path,
        targets: &[(&str, SocketAddr)],
        load_tests: &[SocketAddr],
    ) -> Self {
        let config = text("deploy/prometheus/prometheus.yml");
        let config = config.replace("15s", "1s").replace("10s", "1s");
        fs::write(folder.join("prometheus.yml"), config).unwrap();
        for name in ["rules", "targets/loadtest"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        for path in files("deploy/prometheus/rules", "yml") {
            let rules = fs::read_to_string(&path).unwrap();
            let lines = rules
                .lines()
                .filter(|line| !line.trim().starts_with("for:"));
            let copy = folder.join("rules").join(path.file_name().unwrap());
            fs::write(copy, lines.collect::<Vec<_>>().join("\n")).unwrap();
        }
        let targets = targets.iter().map(|(node, address)| {
            format!("- labels: {{cluster: main, node: {node}}}\n  targets: [\"{address}\"]\n")
        });
        let path = folder.join("targets/tidegate.yml");
        fs::write(path, targets.collect::<String>()).unwrap();
        let load_tests: Vec<_> = load_tests.iter().map(|it| format!("\"{it}\"")).collect();
        let load_tests = load_tests.join(", ");
        let target = format!("- labels: {{cluster: main}}\n  targets: [{load_tests}]\n");
        fs::write(folder.join("targets/loadtest/loadtest.yml"), target).unwrap();
        let address: SocketAddr = ([127, 0, 0, 1], free_port()).into();
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}/prometheus.yml", folder.display()));
        command.arg(format!("--storage.tsdb.path={}/data", folder.display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start(command, &folder.join("prometheus.log"));
        until("Prometheus is ready", async || {
            get(address, "/-/ready").await.is_some()
        })
        .await;
        Self {
            address,
            _process: process,
        }
    }

    /// What a query gives now: labels and value of each series.
    pub(crate) async fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let path = format!("/api/v1/query?{}", encode(&[("query", query)]));
        let result = self.data(&path, query).await["result"].take();
        let series = result
            .as_array()
            .unwrap_or_else(|| panic!("{query}: {result}"));
        let series = series.iter().map(|one| {
            let value = one["value"][1].as_str().unwrap();
            (one["metric"].clone(), value.parse().unwrap())
        });
        series.collect()
    }

    /// The values of all series that a query gives for the last two minutes, without those that are no
    /// number.
    pub(crate) async fn range(&self, query: &str) -> Vec<f64> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let (start, end) = (now.as_secs() - RANGE_S, now.as_secs() + 1);
        let (start, end) = (start.to_string(), end.to_string());
        let fields = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", "1"),
        ];
        let path = format!("/api/v1/query_range?{}", encode(&fields));
        let data = self.data(&path, query).await;
        let series = data["result"].as_array().unwrap().iter();
        let values = series.flat_map(|one| one["values"].as_array().unwrap());
        let values = values.map(|value| value[1].as_str().unwrap().parse::<f64>().unwrap());
        values.filter(|value| !value.is_nan()).collect()
    }

    /// The values of a label of this series.
    pub(crate) async fn label_values(&self, series: &str, label: &str) -> Vec<String> {
        let path = format!(
            "/api/v1/label/{label}/values?{}",
            encode(&[("match[]", series)])
        );
        let data = self.data(&path, series).await;
        let values = data.as_array().unwrap().iter();
        values
            .map(|value| value.as_str().unwrap().to_owned())
            .collect()
    }

    /// The alerts that it knows, as its rules have them.
    pub(crate) async fn alerts(&self) -> Vec<Value> {
        let data = self.data("/api/v1/rules?type=alert", "rules").await;
        let groups = data["groups"].as_array().unwrap().iter();
        let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
        rules.cloned().collect()
    }

    /// Waits until a query gives something.
    pub(crate) async fn until(&self, query: &str) {
        until(query, async || !self.query(query).await.is_empty()).await;
    }

    async fn data(&self, path: &str, what: &str) -> Value {
        let body = soon("an answer of Prometheus", get(self.address, path)).await;
        let body = body.unwrap_or_else(|| panic!("{what}: refused"));
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["status"], "success", "{what}: {answer}");
        assert!(answer["warnings"].is_null(), "{what}: {answer}");
        answer["data"].take()
    }
}

/// The body of an answer, if it is a good one. In HTTP/1.0, which has no chunks.
async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    if !head.contains(" 200 ") {
        println!("{path}: {body}");
        return None;
    }
    Some(body.to_owned())
}

fn encode(fields: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    query.finish()
}
