//! `check`: whether a cluster delivers every message once and in order, and says so when it does not.

pub mod outcome;
pub mod verdict;
