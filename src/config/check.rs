//! Rules between keys, and bounds of single ones.

use super::{Config, Mistake};

pub(super) fn check(config: &Config, mistakes: &mut Vec<Mistake>) {
    let _ = (config, mistakes);
}

pub(super) fn warnings(config: &Config) -> Vec<String> {
    let _ = config;
    Vec::new()
}
