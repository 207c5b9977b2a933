//! `database.query`, `database.insert` and `database.update`: rows of a database that
//! the operator configured.
//!
//! ```yaml
//! open:
//!   action: database.query
//!   resources: { db: orders }
//!   input:
//!     sql: SELECT id, total FROM orders WHERE city = $1
//!     parameters: ["${ $input.city }"]
//! ```
//!
//! Values are parameters, never a part of the statement, and names of tables and
//! columns are quoted: no input of a workflow can be read as SQL, but for `sql` itself,
//! which belongs into the workflow as it stands.
//!
//! - `row`: rows as JSON.
//! - `sql`: statements of names and values.
//! - `query`, `insert`, `update`: the actions.

#![no_std]

mod insert;
mod query;
mod row;
mod sql;
mod update;

#[cfg(test)]
mod tests;

pub use insert::Insert;
pub use query::Query;
pub use update::Update;

/// By which name the actions ask for their database.
const DB: &str = "db";

nebula_sdk::export!(Query, Insert, Update);
