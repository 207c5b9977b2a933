//! Every connection whose address a guest, a workflow or a package chooses.
//! Deny by default: a request goes out only to a host that a rule names, only
//! to an address on the public internet (or to the one address that an operator
//! wrote down for that host), over HTTP/1.1, within time and size limits.
//!
//! [`Egress::send`] follows no redirect and tries nothing again;
//! [`Egress::follow`] sends each hop by it, so that each is checked like the
//! first.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`policy`]: what one call may reach, and which secrets it may carry where.
//! - [`config`]: what every request is held to, and how long it may take.
//! - [`host`]: the one spelling of a host, and the spellings that are refused.
//! - [`address`]: which addresses are on the public internet.
//! - `header`: the headers that a guest may not set, and secrets in their place.
//! - [`resolve`]: names to addresses, once for each request.
//! - `connect`: TCP and TLS to exactly those addresses.
//! - [`body`]: bodies with caps in bytes, in chunks and in time.
//! - `route`: the rule that lets a request pass.
//! - [`send`]: the request's way through all of this.
//! - `redirect`: the further hops of a request.
//! - [`ledger`]: what was reached and refused, counted.
//! - [`error`]: why a request did not go out, or did not come back.

pub mod address;
pub mod body;
pub mod config;
mod connect;
pub mod error;
mod header;
pub mod host;
pub mod ledger;
pub mod policy;
mod redirect;
pub mod resolve;
mod route;
pub mod send;

#[cfg(test)]
mod tests;

pub use body::ResponseBody;
pub use config::{EgressConfig, Roots, Timeouts};
pub use error::{EgressError, Kind};
pub use ledger::Ledger;
pub use policy::{Caller, HostRule, InvalidRule, Policy, SecretRule, Target};
pub use resolve::Resolver;
pub use send::Egress;
