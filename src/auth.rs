//! Credentials: who their bearer is, and how they are made.

pub mod issue;
