//! The root file system of the image, made of the Dockerfile by buildah, without an engine and without
//! the stage that compiles.
//!
//! The program in it is the one under test, which is not static: the libraries that it wants come along.
//! `TG_TEST_IMAGE_PROGRAM` names a static one to run instead.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;

use crate::files::{attempt, path, run};

const PROGRAM: &str = "usr/bin/tidegate";

/// An image that was made.
pub(crate) struct Image {
    /// The files in it.
    pub(crate) files: PathBuf,
    /// What it says of itself: `User`, `Entrypoint`, `Cmd`, `Healthcheck` and so on.
    pub(crate) config: Value,
    /// Libraries that the program wants; a static one wants none.
    libraries: Vec<PathBuf>,
}

/// The image; the first one who wants it makes it.
pub(crate) fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(Image::make)
}

fn buildah(folder: &Path) -> Command {
    let mut buildah = Command::new("buildah");
    buildah.args(["--storage-driver", "vfs", "--root"]);
    buildah.arg(folder.join("storage"));
    buildah.arg("--runroot").arg(folder.join("run"));
    buildah.env("BUILDAH_ISOLATION", "chroot");
    buildah
}

// === impl Image ===

impl Image {
    fn make() -> Self {
        // It outlives the process, and is made anew by the next one.
        let at = Path::new(env!("CARGO_TARGET_TMPDIR")).join("image");
        let _ = fs::remove_dir_all(&at);
        let at = at.as_path();
        let built = at.join("built/out");
        fs::create_dir_all(built.join("state")).unwrap();
        let program = env::var_os("TG_TEST_IMAGE_PROGRAM")
            .map_or_else(|| env!("CARGO_BIN_EXE_tidegate").into(), PathBuf::from);
        fs::copy(&program, built.join("tidegate")).unwrap();

        let stage = format!("build={}", at.join("built").display());
        let mut build = buildah(at);
        build.args(["build", "--format", "docker", "--tag", "tidegate:test"]);
        build.args([
            "--build-context",
            &stage,
            "--file",
            "deploy/Dockerfile",
            ".",
        ]);
        run(build.current_dir(path("")));
        let inspect = ["inspect", "--type", "image", "tidegate:test"];
        let said: Value = serde_json::from_str(&run(buildah(at).args(inspect))).unwrap();
        let container = run(buildah(at).args(["from", "--pull-never", "tidegate:test"]));
        let mounted = run(buildah(at).args(["mount", container.trim()]));
        Self {
            files: mounted.trim().into(),
            config: said["Docker"]["config"].clone(),
            libraries: libraries(&program),
        }
    }

    /// The words of a list in what the image says of itself.
    pub(crate) fn words(&self, pointer: &str) -> Vec<String> {
        let list = self.config.pointer(pointer).unwrap().as_array().unwrap();
        let words = list.iter().map(|word| word.as_str().unwrap().to_owned());
        words.collect()
    }

    /// A copy of its files, for a container to be run in. The program is shared.
    pub(crate) fn unpack(&self, into: &Path) {
        link_all(&self.files, into);
        for library in &self.libraries {
            let copy = into.join(library.strip_prefix("/").unwrap());
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(library, copy).unwrap();
        }
    }

    /// Paths of everything that is no folder, from its root.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        collect(&self.files, &self.files, &mut names);
        names.sort();
        names
    }
}

/// What the program loads, by what its loader says.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let (_, text) = attempt(Command::new("ldd").arg(program));
    let words = text.split_whitespace();
    words
        .filter(|word| word.starts_with('/') && !word.ends_with(':'))
        .map(PathBuf::from)
        .collect()
}

fn link_all(from: &Path, into: &Path) {
    fs::create_dir_all(into).unwrap();
    let metadata = fs::metadata(from).unwrap();
    let mode = metadata.permissions().mode() | 0o200;
    fs::set_permissions(into, fs::Permissions::from_mode(mode)).unwrap();
    std::os::unix::fs::chown(into, Some(uid(&metadata)), Some(uid(&metadata))).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copy = into.join(path.file_name().unwrap());
        if path.is_dir() {
            link_all(&path, &copy);
        } else if path.ends_with(PROGRAM) {
            fs::hard_link(&path, &copy).unwrap();
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

fn uid(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(metadata)
}

fn collect(root: &Path, folder: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, names);
        } else {
            let name = path.strip_prefix(root).unwrap();
            names.push(name.to_str().unwrap().to_owned());
        }
    }
}
