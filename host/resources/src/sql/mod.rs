//! Databases.
//!
//! - `statement`: what a guest asks, checked.
//! - `cell`: values, from MessagePack and back.
//! - `parts`: rows, gathered under their bounds.
//! - `pool`: connections.
//! - `session`: sessions with a server.
//! - `sqlite`, `postgres`, `mysql`: those that there are.
//! - `script`: files that a script makes.

mod cell;
mod mysql;
mod parts;
mod pool;
mod postgres;
mod script;
mod session;
mod sqlite;
mod statement;

pub(crate) use pool::Pool;
pub use script::{InvalidScript, make_sqlite};
pub(crate) use session::Database;
pub(crate) use sqlite::Sqlite;

/// Parts of rows that are made before the guest has taken the one before.
const AHEAD: usize = 1;
