//! What the host holds for guests and shares between calls. An operator configures
//! it ([`ResourceConfig`]), a node of a workflow binds it to the name by which its
//! action asks for it, and the sandbox takes it from [`Held`].
//!
//! What an operator configures is trusted, and connects by its own client: its
//! address is the permission to reach it. What a guest says is not: it gives
//! statements whose values are bound, messages whose headers are checked, and keys that
//! are its tenant's; and whatever it asks has bounds, and a connection that it gives back
//! whatever becomes of it.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`config`]: what an operator says.
//! - [`held`]: what there is, and for whom.
//! - `sql`: databases.
//! - [`smtp`]: mail servers.
//! - [`kv`]: small values by key.

pub mod config;
pub mod held;
pub mod kv;
pub mod smtp;
mod sql;

pub use config::{
    DatabaseUrl, InvalidUrl, MysqlUrl, PostgresUrl, ResourceConfig, ResourceKind, SqlConfig,
};
pub use held::Held;
pub use kv::{KvConfig, KvUrl};
pub use smtp::{Party, SmtpConfig, SmtpUrl};
pub use sql::{InvalidScript, make_sqlite};
