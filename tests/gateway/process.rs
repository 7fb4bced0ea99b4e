//! The program as operators and scripts see it: verbs, exit codes, signals, the pid file.

mod restart;
mod secrets;

use std::fs;

use rustix::process::Signal;

use crate::support::{Client, Raw, client::code, http, process::Place, soon};

const KEYS: &str = "dialect.device.keys = [{ alg = \"HS256\", secret = \"0123456789abcdef\" }]\n\
                    dialect.room.keys = [{ alg = \"HS256\", secret = \"0123456789abcdef\" }]\n";

async fn ride(place: &Place) -> Client {
    let mut client = place.connect("/ws/?client_id=c&token=me").await;
    client.ping().await;
    client
}

#[tokio::test]
async fn a_daemon_is_started_shown_reloaded_and_stopped() {
    let place = Place::new("");
    for verb in ["status", "stop", "reload"] {
        assert!(place.ends(verb, 1).await.contains("no node runs here"));
    }
    let text = place.ends("start --daemon", 0).await;
    let pid = place.pid().unwrap();
    assert!(text.contains(&pid.to_string()), "{text}");
    soon("readiness", async {
        while place.status("state").await != "ready" {}
    })
    .await;
    assert_eq!(place.status("process").await, pid.to_string());
    // One node per pid file.
    for line in ["start --daemon", "start"] {
        let text = place.ends(line, 1).await;
        assert!(text.contains("runs already"), "{text}");
    }
    let mut client = ride(&place).await;
    assert!(place.status("sessions").await.contains("ride 1"));
    place.configure("limits.idle = \"30s\"\npresence.linger = \"3s\"\nruntime.shards = 7");
    let text = place.ends("reload", 0).await;
    assert!(text.contains("applied: limits.idle"), "{text}");
    assert!(text.contains("needs a restart: runtime.shards"), "{text}");
    place.configure("limits.idle = \"0s\"\nlimits.nonsense = 1");
    let text = place.ends("reload", 2).await;
    assert!(text.contains("limits.idle") && text.contains("limits.nonsense"));
    client.ping().await;
    // A mistake in the file keeps nobody from stopping it.
    let (text, closed) = tokio::join!(place.ends("stop", 0), client.closed());
    assert!(text.contains("has stopped"), "{text}");
    assert_eq!(closed, code(1012, "draining"));
    assert_eq!(place.pid(), None);
    place.ends("status", 1).await;
}

#[tokio::test]
async fn a_verb_means_the_node_of_its_file_and_no_other() {
    let place = Place::new("");
    let _node = place.start().await;
    // Another file's node is not the one with the usual pid file.
    fs::write(
        place.file("other.toml"),
        "pid_file = \"other.pid\"\n[limits",
    )
    .unwrap();
    for (verb, missing, other) in [("stop", 2, 1), ("status", 2, 1), ("reload", 2, 2)] {
        for (file, code) in [("missing.toml", missing), ("other.toml", other)] {
            let output = place.run(&format!("{verb} --config {file}")).await;
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{verb} {file}: {text}");
            let name = file.trim_end_matches(".toml");
            assert!(text.contains(name), "{verb} {file}: {text}");
        }
    }
    place.status("state").await;
    // Its own file names it, broken or not.
    place.configure("[limits");
    assert!(
        place
            .ends("reload", 2)
            .await
            .contains("tidegate.toml: line ")
    );
    place.status("state").await;
    place.ends("stop", 0).await;
}

#[tokio::test]
async fn a_restart_is_another_process_with_the_file_as_it_is_now() {
    let place = Place::new("");
    // Nothing runs: it starts.
    place.ends("restart", 0).await;
    let (pid, member) = (place.pid(), place.status("member").await);
    place.configure("dialect.ride.paths = [\"/elsewhere\"]");
    place.ends("restart", 0).await;
    assert_ne!(place.pid(), pid);
    assert_ne!(place.status("member").await, member);
    place
        .connect("/elsewhere?client_id=c&token=me")
        .await
        .ping()
        .await;
    // With a mistake it runs on.
    let pid = place.pid();
    place.configure("dialect.ride.paths = 7");
    let text = place.ends("restart", 2).await;
    assert!(
        text.contains("dialect.ride.paths") && text.contains("runs on"),
        "{text}"
    );
    assert_eq!(place.pid(), pid);
    place.ends("stop", 0).await;
}

#[tokio::test]
async fn a_configuration_is_checked_line_by_line() {
    let place = Place::new(KEYS);
    assert!(
        place
            .ends("check", 0)
            .await
            .contains("configuration is fine")
    );
    place.configure("limits.idle = \"soon\"\nlimits.nonsense = 1\nlisten.origins = [\"app\"]");
    for verb in ["check", "start", "start --daemon"] {
        let text = place.ends(verb, 2).await;
        assert_eq!(text.trim().lines().count(), 3, "{text}");
        for key in ["limits.idle", "limits.nonsense", "listen.origins"] {
            assert!(text.lines().any(|line| line.starts_with(key)), "{text}");
        }
    }
    let missing = place.run("check --config missing.toml").await;
    assert_eq!(missing.status.code(), Some(2));
}

#[tokio::test]
async fn wrong_usage_is_told_from_failure() {
    let place = Place::new("");
    for (line, expect) in [("--help", 0), ("--version", 0), ("fly", 2), ("stop now", 2)] {
        let output = place.run(line).await;
        assert_eq!(output.status.code(), Some(expect), "{line}");
    }
    let long = format!("token device --user 1 --room {}", "r".repeat(101));
    for (line, option) in [
        ("token device --user=", "--user"),
        ("token device --user 1 --publish news", "--publish"),
        ("token ride --client-id c", "--token"),
        (long.as_str(), "--room"),
    ] {
        let text = place.ends(line, 2).await;
        assert!(text.starts_with(&format!("{option}: ")), "{line}: {text}");
    }
    let version = String::from_utf8(place.run("--version").await.stdout).unwrap();
    assert_eq!(
        version.trim(),
        format!("tidegate {}", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn development_is_for_the_loopback_only() {
    let place = Place::new("listen.public = \"0.0.0.0:0\"");
    let text = place.ends("start", 2).await;
    assert!(
        text.starts_with("listen.public") && text.contains("loopback"),
        "{text}"
    );
    assert_eq!(place.pid(), None);
}

#[tokio::test]
async fn the_environment_goes_before_the_file() {
    let place = Place::new("dialect.ride.paths = [\"/file\"]");
    let mut command = place.command("--config tidegate.toml");
    command.env("TIDEGATE_DIALECT__RIDE__PATHS", "/environment");
    let _node = place.spawn(command).await;
    place
        .connect("/environment?client_id=c&token=me")
        .await
        .ping()
        .await;
}

#[tokio::test]
async fn a_token_of_the_command_line_is_accepted() {
    let place = Place::new(KEYS);
    let mut node = place.start().await;
    let token = place.ends("token device --user 42 --device d1", 0).await;
    let mut client = place.connect("/ws").await;
    let auth = format!(r#"{{"type":"auth","data":{{"token":"{}"}}}}"#, token.trim());
    client.send(auth).await;
    assert!(client.text().await.contains(r#""status":"ok""#));
    let token = place.ends("token room --user 42 --room news", 0).await;
    let path = format!("/room/news/?token={}", token.trim());
    let mut client = place.connect(&path).await;
    client.send("x").await;
    client.text().await;
    let query = place.ends("token ride --client-id c1 --token me", 0).await;
    place
        .connect(&format!("/ws/?{}", query.trim()))
        .await
        .ping()
        .await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(0));
}

#[tokio::test]
async fn throw_away_tokens_are_made_by_the_node_that_accepts_them() {
    let place = Place::new("");
    let text = place.ends("token device --user 42", 1).await;
    assert!(text.contains("no node runs here"), "{text}");
    place.ends("start --daemon", 0).await;
    let token = place.ends("token device --user 42", 0).await;
    let mut client = place.connect("/ws").await;
    let auth = format!(r#"{{"type":"auth","data":{{"token":"{}"}}}}"#, token.trim());
    client.send(auth).await;
    assert!(client.text().await.contains(r#""status":"ok""#));
}

#[tokio::test]
async fn a_signal_drains_and_the_exit_is_a_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new("");
        let mut node = place.start().await;
        let mut client = ride(&place).await;
        node.signal(signal);
        assert_eq!(client.closed().await, code(1012, "draining"));
        assert_eq!(node.ended().await.code(), Some(0));
        assert_eq!(place.pid(), None);
    }
}

#[tokio::test]
async fn a_second_signal_ends_at_once_and_is_a_failure() {
    let place = Place::new("drain.delay = \"60s\"\ndrain.grace = \"120s\"");
    let mut node = place.start().await;
    let _client = ride(&place).await;
    let admin = place.admin();
    node.signal(Signal::TERM);
    soon("the drain", async {
        while http::call(admin, "GET", "/readyz", &[], "").await.status == 200 {}
    })
    .await;
    node.signal(Signal::TERM);
    assert_eq!(node.ended().await.code(), Some(1));
    assert_eq!(place.pid(), None);
}

#[tokio::test]
async fn a_hang_up_reloads() {
    let place = Place::new("");
    let node = place.start().await;
    let mut client = ride(&place).await;
    place.configure("listen.origins = [\"https://app.example\"]");
    node.signal(Signal::HUP);
    let address = place.public().await;
    soon("the reload", async {
        loop {
            let mut raw = Raw::open(address).await;
            let headers = [("origin", "https://other.example")];
            raw.write(crate::support::raw::request("/ws/", &headers).as_bytes())
                .await;
            if raw.response().await.status == 403 {
                return;
            }
        }
    })
    .await;
    client.ping().await;
}

#[tokio::test]
async fn the_pid_file_of_a_process_that_is_gone_is_replaced() {
    let place = Place::new("");
    let mut node = place.start().await;
    let pid = node.id();
    node.signal(Signal::KILL);
    node.ended().await;
    assert_eq!(place.pid(), Some(pid));
    assert!(place.ends("status", 1).await.contains("no node runs here"));
    place.ends("start --daemon", 0).await;
    assert_ne!(place.pid(), Some(pid));
    // Its secret controls the node.
    let mode = fs::metadata(place.file("tidegate.pid")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o600);
    place.ends("stop", 0).await;
    fs::write(place.file("tidegate.pid"), "not a pid file").unwrap();
    place.ends("start --daemon", 0).await;
    place.ends("stop", 0).await;
}

#[tokio::test]
async fn a_taken_port_is_a_failure_that_names_the_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let place = Place::new(&format!("listen.public = \"{address}\""));
    for verb in ["start", "start --daemon"] {
        let text = place.ends(verb, 1).await;
        assert!(text.contains("listen.public") && text.contains(&address.to_string()));
        assert_eq!(place.pid(), None);
    }
}

#[tokio::test]
async fn without_open_files_it_waits_and_goes_on() {
    let place = Place::new("runtime.shards = 1\nlimits.handshake_timeout = \"60s\"");
    let _node = place
        .spawn(place.shell("ulimit -n 64", "--config tidegate.toml"))
        .await;
    let address = place.public().await;
    let mut waiting = Vec::new();
    for _ in 0..100 {
        waiting.push(Raw::open(address).await);
    }
    // Those at the end of the queue cannot be accepted; when others leave, they are.
    let mut last = waiting.pop().unwrap();
    let request = crate::support::raw::request("/ws/?client_id=c&token=me", &[]);
    last.write(request.as_bytes()).await;
    drop(waiting);
    assert_eq!(last.response().await.status, 101);
    last.ping_ride().await;
    let errors = http::metric(place.admin(), "tidegate_accept_errors_total", "").await;
    assert!(0.0 < errors, "{errors}");
}
