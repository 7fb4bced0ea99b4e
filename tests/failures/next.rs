//! The node as the release after this one.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// This release.
pub(crate) fn this() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tidegate"))
}

/// The next one, which knows one more version of the bus. It is built with the libraries of this run: an
/// example is the only kind of program that is built with the same features of them as tests are.
pub(crate) fn next() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = this().parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--locked", "--workspace", "--quiet"])
            .args(["--features", "tidegate/next-wire"])
            .args(["--example", "tidegate-next"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("CARGO_TARGET_DIR", folder.parent().unwrap());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success(), "it cannot be built");
        folder.join("examples").join("tidegate-next")
    })
}
