//! The real tools of others: what we sign, they verify, and the reverse.
//!
//! They are looked for in the folder that `NEBULA_CLIENTS` names, in the user's
//! cache (where `scripts/clients` puts them), and on the path. A test whose tool
//! is missing says so on standard error and passes; what the tool once made is
//! recorded beside it (`tests/fixtures/cosign`) and replayed everywhere.

#![expect(
    clippy::unwrap_used,
    reason = "all of this is tests, their helpers too"
)]

mod cosign;
mod library;
mod own;
mod publish;
mod recorded;
mod registry;
mod tools;
mod wkg;
