//! Databases.
//!
//! - `statement`: what a guest asks, checked.
//! - `cell`: values, from MessagePack and back.
//! - `parts`: rows, gathered under their bounds.
//! - `pool`: connections.
//! - `sqlite`, `postgres`: the two that there are.

mod cell;
mod parts;
mod pool;
mod postgres;
mod sqlite;
mod statement;

pub(crate) use postgres::Postgres;
pub(crate) use sqlite::Sqlite;

/// Parts of rows that are made before the guest has taken the one before.
const AHEAD: usize = 1;
