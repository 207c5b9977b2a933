//! HTTP in, HTTP out: routes, checks at the door, translation. What is asked
//! for is done in [`service`](crate::service).
//!
//! - [`routes`]: every route and its OpenAPI document, in one place.
//! - [`door`]: what every request passes.
//! - [`guard`]: who sends it, and whether its route is for them.
//! - [`extract`], [`reply`]: bodies and queries in, answers and problems out.
//! - [`workflows`], [`executions`], [`control`], [`live`], [`triggers`],
//!   [`hooks`],
//!   [`actions`], [`packages`], [`access`], [`keys`], [`node`]: the handlers.

pub(crate) mod access;
pub(crate) mod actions;
pub(crate) mod control;
pub(crate) mod door;
pub(crate) mod executions;
pub(crate) mod extract;
pub(crate) mod guard;
pub(crate) mod hooks;
mod installing;
pub(crate) mod keys;
pub(crate) mod live;
pub(crate) mod node;
mod package_problem;
pub(crate) mod packages;
pub(crate) mod reply;
pub(crate) mod routes;
pub(crate) mod triggers;
pub(crate) mod workflows;

pub(crate) use routes::configure_routes;
