//! The memory of Nebula: back ends of [`EventLog`] and [`Records`].
//!
//! A back end only stores. Whatever is a rule (deduplication, fences, expected
//! versions, what an append may do) is decided above it, once for all of them:
//! a batch of requests and the rows they touch go in, the rows to write and one
//! verdict for each request come out.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`open`]: the store of a [`url`].
//! - [`log`]: the ports over any back end; [`doors`] gives them to each store.
//! - [`request`]: what a caller asks of the writer, and how it is answered.
//! - [`rows`]: what is stored, and what a batch reads and writes of it.
//! - [`rules`]: what may happen: a batch and facts in, writes and verdicts out.
//! - [`over`]: what is removed, and why that is safe.
//! - [`batch`]: one batch from its facts to its answers.
//! - [`fail_points`]: where tests end the process.
//! - [`early`]: a bug that tests plant.
//! - [`queue`]: where requests wait for the writer, and when it must not wait.
//! - [`figures`]: what the writer does, in numbers.
//! - [`feeds`]: arrivals and changes.
//! - [`codec`]: bodies as bytes; [`cells`]: values as SQL keeps them.
//! - [`trouble`]: what a store can suffer from.
//! - [`migrations`], [`pool`], [`folder`]: what the back ends on disk have in common.
//! - [`memory`], [`sqlite`], [`postgres`]: the back ends.
//!
//! [`EventLog`]: nebula_flow::ports::EventLog
//! [`Records`]: nebula_flow::ports::Records

#![allow(
    rustdoc::private_intra_doc_links,
    reason = "the floor plan names the private rooms"
)]

#[macro_use]
mod cells;
#[macro_use]
mod doors;

mod batch;
mod codec;
mod early;
mod fail_points;
mod feeds;
mod figures;
mod folder;
mod log;
mod lost;
mod memory;
mod migrations;
mod open;
mod over;
mod pool;
mod postgres;
mod queue;
mod request;
mod rows;
mod rules;
mod slots;
mod sqlite;
mod trouble;
mod url;

pub use self::url::{InvalidUrl, StoreUrl};
pub use figures::Figures;
pub use folder::FolderLock;
pub use lost::Lost;
pub use memory::Memory;
pub use open::{OpenError, Opened, open};
pub use postgres::{Postgres, PostgresUrl};
pub use sqlite::Sqlite;
