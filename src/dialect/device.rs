//! The `device` dialect.
