//! Databases.
//!
//! - `statement`: what a guest asks, checked.
//! - `cell`: values, from MessagePack and back.
//! - `parts`: rows, gathered under their bounds.
//! - `pool`: connections.
//! - `sqlite`, `postgres`: the two that there are.
//! - `script`: files that a script makes.

mod cell;
mod parts;
mod pool;
mod postgres;
mod script;
mod sqlite;
mod statement;

pub(crate) use postgres::Postgres;
pub use script::{InvalidScript, make_sqlite};
pub(crate) use sqlite::Sqlite;

/// Parts of rows that are made before the guest has taken the one before.
const AHEAD: usize = 1;
