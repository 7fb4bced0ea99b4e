//! Servers that are not ours, as files describe them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::node::{KEY, LOADTEST, Node, run_against};

const ENGINE: &str = r#"
separator = "\n"
heartbeats = [{ hear = "2", say = "3" }]

[client]
path = "/"
hello = [{ expect = "0{" }, { send = "40" }, { expect = "40{" }]

[subscriber]
hello = [{ send = "join" }, { expect = "joined" }]

[publish]
frame = "say {seq}{pad}"
grows = -4

[room.member]
hello = [{ send = "join room{room}" }, { expect = "joined" }]

# Who publishes has not joined.
[room.publisher]

[room.publish]
frame = "to room{room} {seq}{pad}"
grows = -3

[pair.client]
hello = [{ send = "join client{i}" }, { expect = "joined" }]

[pair.publish]
frame = "to client{partner} {pad}"
grows = -3

[echo]
send = "echo"
expect = "ohce"
"#;

/// In seconds: as long as any run takes.
const NEVER: &str = "60";

/// The server of `foreign.py`.
struct Engine {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Engine {
    /// One that asks for signs of life so often, in seconds.
    fn start(name: &str, beat: &str) -> Self {
        let python = std::env::var("TG_TEST_PYTHON").expect("scripts/test says where Python is");
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/whole/foreign.py");
        let mut child = Command::new(python)
            .args([program, beat])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut port).unwrap();
        let folder = format!("loadtest-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder);
        fs::create_dir(&folder).unwrap();
        Self {
            child,
            address: format!("127.0.0.1:{}", port.trim()),
            folder,
        }
    }

    /// Runs a scenario against it, as `file` describes it.
    fn run(&self, scenario: &str, file: &str, options: &[&str]) -> Result<Value, String> {
        let [server, json] = ["server.toml", "figures.json"].map(|name| self.folder.join(name));
        fs::write(&server, file).unwrap();
        let output = Command::new(LOADTEST)
            .args([scenario, "--to", &self.address, "-n", "4"])
            .arg("--server")
            .arg(server)
            .arg("--json")
            .arg(&json)
            .args(options)
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(serde_json::from_slice(&fs::read(json).unwrap()).unwrap()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_server_with_a_greeting_is_greeted() {
    let engine = Engine::start("greeting", NEVER);
    let figures = engine.run("handshake", ENGINE, &[]).unwrap();
    assert_eq!(figures["handshakes"], 4, "{figures}");
    let mute = ENGINE.replace("send = \"40\"", "send = \"41\"");
    let refused = engine.run("handshake", &mute, &[]).unwrap_err();
    assert!(refused.contains("closed by the server"), "{refused}");
}

#[test]
fn signs_of_life_are_given_for_as_long_as_connections_are_held() {
    let engine = Engine::start("heartbeats", "1");
    let hold = ["--settle", "0.1", "--secs", "2.5"];
    let figures = engine.run("idle", ENGINE, &hold).unwrap();
    let counts = ["opened", "exchanged", "open_at_end"].map(|name| &figures[name]);
    assert_eq!(counts, [&Value::from(4); 3], "{figures}");
    let silent = ENGINE.replace("heartbeats", "# heartbeats");
    let refused = engine.run("idle", &silent, &hold).unwrap_err();
    assert!(refused.contains("4 connections lost"), "{refused}");
}

#[test]
fn each_message_of_a_frame_counts_for_itself() {
    let engine = Engine::start("fanout", NEVER);
    let options = ["--wait", "--warmup", "0.1", "--secs", "0.3"];
    let closed = engine.run("fanout", ENGINE, &options).unwrap();
    assert!(closed["deliveries"].as_u64().unwrap() > 100, "{closed}");
    assert_eq!(closed["unexpected"], 0);
    let all = [&options[..], &["--counted-bytes-min", "1"]].concat();
    let figures = engine.run("fanout", ENGINE, &all).unwrap();
    assert!(figures["unexpected"].as_u64().unwrap() > 10, "{figures}");
}

#[test]
fn messages_are_published_at_their_rate() {
    let engine = Engine::start("rate", NEVER);
    let options = ["--wait", "--warmup", "0.1", "--secs", "1", "--rate", "50"];
    let figures = engine.run("fanout", ENGINE, &options).unwrap();
    let messages = figures["messages"].as_u64().unwrap();
    assert!((40..=60).contains(&messages), "{figures}");
    assert_eq!(
        (&figures["rate"], &figures["outstanding"]),
        (&50.0.into(), &Value::Null)
    );
}

/// A short run.
const SHORT: [&str; 4] = ["--warmup", "0.1", "--secs", "0.3"];

#[test]
fn rooms_and_pairs_talk_by_topics_of_their_own() {
    let engine = Engine::start("topics", NEVER);
    for processes in ["1", "2"] {
        let run = |scenario: &str, load: &[&str]| {
            let options = [&SHORT[..], &["--processes", processes], load].concat();
            let figures = engine.run(scenario, ENGINE, &options).unwrap();
            assert_eq!(figures["valid"], true, "{figures}");
            figures
        };
        let rooms = run("room", &["--rooms", "2x2", "--outstanding", "2"]);
        assert_eq!(
            (&rooms["rooms"], &rooms["incomplete"]),
            (&2.into(), &0.into())
        );
        assert!(20 < rooms["messages"].as_u64().unwrap(), "{rooms}");
        let pairs = run("unicast", &["--outstanding", "4"]);
        assert!(20 < pairs["messages"].as_u64().unwrap(), "{pairs}");
    }
}

#[test]
fn a_file_without_rooms_or_pairs_is_wrong_usage() {
    let engine = Engine::start("neither", NEVER);
    let file = &ENGINE[..ENGINE.find("[room.member]").unwrap()];
    let refused = engine.run("room", file, &["--rate", "1"]).unwrap_err();
    assert!(refused.contains("the file has no [room]"), "{refused}");
    let refused = engine.run("unicast", file, &["--rate", "1"]).unwrap_err();
    assert!(refused.contains("the file has no [pair]"), "{refused}");
}

/// Rooms and pairs, with numbers of one digit and of two, of a server that one of the files fits which are ready.
fn talk(address: &str, name: &str) {
    let file = format!("{}/servers/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let load = ["-n", "24", "--server", &file];
    for (scenario, options) in [
        ("room", &["--rooms", "12x2", "--outstanding", "1"][..]),
        ("room", &["--rooms", "12x2", "--rate", "100"]),
        ("unicast", &["--outstanding", "8"]),
        ("unicast", &["--rate", "100"]),
    ] {
        let (output, figures) = run_against(address, scenario, &[&load, options].concat());
        assert!(output.status.success(), "{name}: {output:?}");
        let figures = figures.unwrap_or_else(|| panic!("{name}: {output:?}"));
        let left = ["incomplete", "missing", "unexpected"].map(|name| &figures[name]);
        // The generator may be saturated, but all has to come.
        assert!(
            left.iter().all(|it| it.is_null() || **it == 0),
            "{name}: {figures}"
        );
        assert!(20 < figures["messages"].as_u64().unwrap(), "{figures}");
    }
}

#[test]
fn tokens_are_rooms_and_partners_of_the_ride_dialect() {
    let node = Node::start("tokens");
    talk(&node.public, "ride");
}

#[test]
fn what_is_posted_is_delivered_and_a_refusal_is_told_of() {
    let node = Node::start("posts");
    let file = node.folder.join("server.toml");
    let run = |key: &str| {
        let text = format!(
            "[client]\npath = \"/ws/?client_id=c{{i}}&token=c{{i}}\"\n[publish]\npost = \"/api/publish\"\n\
             headers = [\"Authorization: Bearer {key}\", \"Content-Type: application/json\"]\n\
             body = '{{\"to\":\"all\",\"event\":\"m\",\"data\":{{\"seq\":\"{{seq}}\",\"pad\":\"{{pad}}\"}}}}'\n"
        );
        fs::write(&file, text).unwrap();
        let options = [
            "--server",
            file.to_str().unwrap(),
            "--publish-to",
            &node.admin,
        ];
        let counted = ["--counted-bytes-min", "60", "--wait", "--patience", "5"];
        node.run("fanout", &[&options[..], &counted].concat())
    };
    let (output, figures) = run(KEY);
    let figures = figures.unwrap_or_else(|| panic!("{output:?}"));
    assert!(figures["deliveries"].as_u64().unwrap() > 100, "{figures}");
    assert_eq!(figures["unexpected"], 0);
    let (output, _) = run("a-key-of-32-characters-nobody-has");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("rejected with status 401"), "{told}");
}
