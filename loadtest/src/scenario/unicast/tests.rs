use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::{cli, handshake, scenario};

/// Streams of clients, by the name they gave.
type Streams = Arc<Mutex<HashMap<String, TcpStream>>>;

/// A server that hands every message on to its target. Of each client's messages it swallows the first `deaf`.
fn serve(deaf: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let streams = Streams::default();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, streams) = (stream.unwrap(), Arc::clone(&streams));
            thread::spawn(move || relay(stream, &streams, deaf));
        }
    });
    address
}

fn relay(mut stream: TcpStream, streams: &Streams, deaf: usize) {
    let mut head = Vec::new();
    while handshake::head_len(&head).is_none() {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let (path, answer) = handshake::respond(&head).unwrap();
    stream.write_all(answer.as_bytes()).unwrap();
    let name = path.rsplit_once('=').unwrap().1.to_owned();
    let twin = stream.try_clone().unwrap();
    streams.lock().unwrap().insert(name, twin);
    let mut number = 0;
    while let Some(text) = read(&mut stream) {
        number += 1;
        let frame: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let target = frame["target_token"].as_str().unwrap();
        if number <= deaf {
            continue;
        }
        if let Some(target) = streams.lock().unwrap().get_mut(target) {
            let mut out = vec![0x81, 126, 0, u8::try_from(text.len()).unwrap()];
            out.extend_from_slice(&text);
            // It may be gone: the run is over.
            let _ = target.write_all(&out);
        }
    }
}

/// The text of a frame of 126 to 255 bytes; `None` at the end.
fn read(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 8];
    stream.read_exact(&mut head).ok()?;
    assert_eq!(head[..3], [0x81, 0x80 | 126, 0]);
    let mut text = vec![0; usize::from(head[3])];
    stream.read_exact(&mut text).ok()?;
    for (index, byte) in text.iter_mut().enumerate() {
        *byte ^= head[4 + index % 4];
    }
    Some(text)
}

fn unicast(line: &str) -> Result<serde_json::Value, RunError> {
    static RUNS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let run = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let process = std::process::id();
    let json = std::env::temp_dir().join(format!("tidegate-unicast-{process}-{run}.json"));
    let line = format!(
        "loadtest unicast --warmup 0.1 --json {} {line}",
        json.display()
    );
    let Ok(cli::Command::Unicast(arguments)) = cli::parse(line.split(' ').map(Into::into)) else {
        panic!("{line}");
    };
    run_and_read(&arguments, &json)
}

fn run_and_read(
    arguments: &UnicastArgs,
    json: &std::path::Path,
) -> Result<serde_json::Value, RunError> {
    scenario::run(arguments)?;
    let figures = std::fs::read(json).unwrap();
    std::fs::remove_file(json).unwrap();
    Ok(serde_json::from_slice(&figures).unwrap())
}

#[test]
fn the_open_loop_keeps_its_rate() {
    let (one, other) = (serve(0), serve(0));
    // Both ends of a pair have to meet on one of these, so that they are given in pairs.
    let line = format!("--to {one},{one},{other},{other} -n 8 --rate 200 --secs 1");
    let figures = unicast(&line).unwrap();
    let messages = figures["messages"].as_u64().unwrap();
    assert!((150..=250).contains(&messages), "{figures}");
    assert_eq!(
        (&figures["missing"], &figures["unexpected"]),
        (&0.into(), &0.into())
    );
    assert!(figures["latency"]["p50_ms"].as_f64().unwrap() < 500.0);
}

#[test]
fn the_closed_loop_has_so_many_under_way() {
    let line = format!("--to {} -n 2 --outstanding 6 --secs 0.3", serve(0));
    let figures = unicast(&line).unwrap();
    assert!(6 < figures["messages"].as_u64().unwrap(), "{figures}");
    assert_eq!(figures["missing"], 0, "{figures}");
    assert_eq!(figures["outstanding"], 6);
}

#[test]
fn partners_that_hear_late_are_waited_for() {
    let line = format!("--to {} -n 4 --rate 100 --secs 0.2", serve(2));
    let figures = unicast(&line).unwrap();
    assert_eq!(figures["missing"], 0, "{figures}");
}

#[test]
fn partners_that_never_hear_are_told_of() {
    let line = format!(
        "--to {} -n 2 --rate 100 --secs 0.2 --patience 3",
        serve(usize::MAX)
    );
    let error = unicast(&line).unwrap_err().to_string();
    assert!(error.contains("2 clients do not receive"), "{error}");
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |line: &str| matches!(unicast(line), Err(RunError::Usage(_)));
    assert!(refused("--to 127.0.0.1:1 -n 3 --rate 1"));
    assert!(refused("--to 127.0.0.1:1 -n 2 --rate 1 --bytes 10"));
}
