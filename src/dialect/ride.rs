//! The `ride` dialect.
