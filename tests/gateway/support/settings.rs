//! What a node of a test is told in its file of settings.

use std::path::PathBuf;

use super::{machine::Folder, redis::Redis};

/// What a test does not say itself. In development mode, so that it says only what it is about.
const BASE: &[(&str, &str)] = &[
    ("development", "true"),
    ("listen.public", "\"127.0.0.1:0\""),
    ("listen.admin", "\"127.0.0.1:0\""),
    ("drain.delay", "\"0s\""),
    (STORE, "\"sqlite::memory:\""),
];

/// Where a node keeps things.
const STORE: &str = "store.url";
/// What makes it one of a cluster.
pub(super) const REDIS: &str = "cluster.redis";

/// A store that several nodes have in common: a file on their machine.
const SHARED_STORE: &str = "store.db";

/// The file of settings in the folder, and what stands in it for one node or for those of a cluster.
pub(super) fn settings(
    folder: &Folder,
    toml: &str,
    is_cluster: bool,
    redis: Option<&Redis>,
) -> (PathBuf, String) {
    let mut toml = toml.to_owned();
    let has_redis = is_cluster || toml.contains(REDIS);
    if has_redis && !toml.contains(STORE) {
        let store = folder.path().join(SHARED_STORE);
        toml += &format!("\nstore.url = \"sqlite://{}\"\n", store.display());
    }
    if let Some(redis) = redis {
        toml += &format!("\ncluster.redis = \"{}\"\n", redis.url());
    }
    (folder.path().join("tidegate.toml"), complete(&toml))
}

/// The settings of a test with those it leaves out.
pub(crate) fn complete(toml: &str) -> String {
    let mut text = String::new();
    for (key, value) in BASE {
        if *key == STORE && toml.contains(REDIS) && !toml.contains(key) {
            // A node of a cluster has none in memory. This one is where the program runs.
            text += &format!("{STORE} = \"sqlite://{SHARED_STORE}\"\n");
        } else if !toml.contains(key) {
            text += &format!("{key} = {value}\n");
        }
    }
    text + toml
}
