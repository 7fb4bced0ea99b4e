//! Stores: where what must outlive the process is kept when there is no Redis, and the archive beside
//! it.

pub mod sqlite;
