//! The files of `deploy/` as values, and the tools that read them.

use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

/// Reads YAML documents, and writes them as one JSON list.
const TO_JSON: &str =
    "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";

/// A file of the repository, by its path from the top.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The text of a file of the repository.
pub(crate) fn text(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A tool from the environment of `scripts/requirements.txt`.
pub(crate) fn tool(name: &str) -> Command {
    let python = env::var("TG_TEST_PYTHON").expect("TG_TEST_PYTHON is set by scripts/test");
    Command::new(Path::new(&python).with_file_name(name))
}

/// Runs a command that has to succeed. Gives what it says, errors included.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let (succeeded, text) = attempt(command);
    assert!(succeeded, "{command:?}:\n{text}");
    text
}

/// Runs a command. Gives whether it succeeds, and what it says.
pub(crate) fn attempt(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    let text = [stdout, stderr].concat();
    (status.success(), String::from_utf8(text).unwrap())
}

/// The documents of a YAML text.
pub(crate) fn yaml(text: &str) -> Vec<Value> {
    let mut child = tool("python")
        .args(["-c", TO_JSON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The text of an overlay as Kubernetes gets it.
pub(crate) fn rendered(overlay: &str) -> String {
    let folder = path("deploy/kubernetes/overlays").join(overlay);
    run(tool("kubectl").arg("kustomize").arg(folder))
}
