//! Every connection whose address a guest, a workflow or a package chooses.
//! Deny by default: a request goes out only to a host that a rule names, only
//! to an address on the public internet (or to the one address that an operator
//! wrote down for that host), over HTTP/1.1, within time and size limits.
//!
//! It follows no redirect and tries nothing again: whoever does so calls
//! [`Egress::send`] for each hop, and each hop is checked like the first.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`policy`]: what one call may reach, and which secrets it may carry where.
//! - [`host`]: the one spelling of a host, and the spellings that are refused.
//! - [`address`]: which addresses are on the public internet.
//! - `header`: the headers that a guest may not set, and secrets in their place.
//! - [`resolve`]: names to addresses, once for each request.
//! - `connect`: TCP and TLS to exactly those addresses.
//! - [`body`]: bodies with caps in bytes, in chunks and in time.
//! - [`send`]: the request's way through all of this.
//! - [`error`]: why a request did not go out, or did not come back.

pub mod address;
pub mod body;
mod connect;
pub mod error;
mod header;
pub mod host;
pub mod policy;
pub mod resolve;
pub mod send;

#[cfg(test)]
mod tests;

pub use body::ResponseBody;
pub use error::{EgressError, Kind};
pub use policy::{HostRule, InvalidRule, Policy, SecretRule, Target};
pub use resolve::Resolver;
pub use send::{Egress, EgressConfig, Roots, Timeouts};
