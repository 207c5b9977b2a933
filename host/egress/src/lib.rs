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
//! - [`credential`]: secrets, and how requests carry them.
//! - `header`: the headers that a guest may not set.
//! - `secret`: secrets in the place of what guests hold, and those that the host adds.
//! - `token`: those that the host must get first.
//! - [`resolve`]: names to addresses, once for each request.
//! - `connect`: TCP and TLS to exactly those addresses.
//! - [`body`]: bodies with caps in bytes, in chunks and in time.
//! - `route`: the rule that lets a request pass.
//! - [`send`]: the request's way through all of this.
//! - `redirect`: the further hops of a request.
//! - `carry`: the credentials on that way.
//! - [`ledger`]: what was reached and refused, counted.
//! - [`error`]: why a request did not go out, or did not come back.

pub mod address;
pub mod body;
mod carry;
pub mod config;
mod connect;
pub mod credential;
pub mod error;
mod header;
pub mod host;
pub mod ledger;
pub mod policy;
mod redirect;
pub mod resolve;
mod route;
mod secret;
pub mod send;
mod token;

#[cfg(test)]
mod tests;

pub use body::ResponseBody;
pub use config::{EgressConfig, Roots, Timeouts};
pub use credential::{Cover, Credential, Identity, InvalidIdentity, Learned, SecretRule};
pub use error::{EgressError, Kind};
pub use ledger::Ledger;
pub use policy::{Caller, HostRule, InvalidRule, Policy, Target};
pub use resolve::Resolver;
pub use send::Egress;
pub use token::{InvalidEndpoint, TokenSource};
