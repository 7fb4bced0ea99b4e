//! What the tests of whole scenarios share.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const LOADTEST: &str = env!("CARGO_BIN_EXE_loadtest");

/// The gateway's program, which Cargo puts beside this package's; built if nobody has done so.
pub(crate) fn gateway() -> PathBuf {
    let folder = Path::new(LOADTEST).parent().unwrap();
    let program = folder.join("tidegate");
    if !program.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--bin", "tidegate", "--target-dir"]);
        build.arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let status = build.current_dir(root).status().unwrap();
        assert!(status.success(), "the gateway cannot be built");
    }
    program
}
