//! The cell: runs components that strangers wrote. Every call gets a fresh
//! store that is dropped after it; fuel, epochs, a time-out and a limiter over
//! the whole store bound what it may cost; only the imports of `wit/` and what
//! a Rust standard library needs are linked; every connection goes through
//! `nebula-egress`.
//!
//! Modules in the order a newcomer should read them:
//!
//! - [`sandbox`](Sandbox): the [`Runner`](nebula_flow::ports::Runner): prepare and run.
//! - `profile`: how wasmtime is configured, and why.
//! - `structure`: what is refused before anything is compiled; effect from imports.
//! - `load`: compile or take from the cache, describe, keep.
//! - `compile`: the process that compiles, and what its end means.
//! - `compiled`: compiled components and refusals on disk, under a MAC.
//! - `describe`: what a component says about itself, checked.
//! - `slots`: whose turn it is; what a tenant's calls take together.
//! - `call`: one call from its fresh store to its report.
//! - `outcome`: what an answer or an error of the guest means.
//! - `credential`: what is bound to a call, as the egress carries it.
//! - `limits`: figures, and the limiter that sums over a store.
//! - `charge`: what host calls cost a guest, in fuel.
//! - `meter`: the CPU time of a call.
//! - `samples`: where a call that is profiled burns its fuel.
//! - `value`: whether bytes are a payload.
//! - `ticker`: the thread that moves epochs while calls run.
//! - `state`: what a store holds.
//! - `host`: the imports: ours, time, randomness, stdio.
//! - `http`: from `wasi:http` to the egress policy of the call.
//! - `keep`: blobs and states of a call.
//! - [`resources`]: what the host holds for guests, as a call sees it.
//! - `lines`: what a call logs, capped.

mod bindings;
mod call;
mod charge;
mod compile;
mod compiled;
mod credential;
mod describe;
mod host;
mod http;
mod keep;
mod limits;
mod lines;
mod load;
mod meter;
mod outcome;
mod profile;
pub mod resources;
mod samples;
mod sandbox;
mod slots;
mod state;
mod structure;
mod ticker;

#[cfg(test)]
mod tests;

pub use compile::{Compiler, compile_child};
/// The way out of a call, for whoever stands in between.
pub use nebula_egress;
/// The words of the [`Runner`](nebula_flow::ports::Runner) that a [`Sandbox`] is.
pub use nebula_flow;
pub use profile::{Allocation, SandboxError};
pub use samples::Profile;
pub use sandbox::{Sandbox, SandboxConfig};
pub use structure::is_effect;
