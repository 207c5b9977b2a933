//! The API through HTTP, on a bound port: a real door, log and engine; the
//! actions are plain functions, so that each can be made to do what a test
//! needs.

mod access;
mod actions;
mod connections;
mod credentials;
mod door;
mod generated;
mod hostile;
mod house;
mod hub;
mod keys;
mod live;
mod metrics;
mod node;
mod openapi;
mod removals;
mod resolve;
mod restarts;
mod reveals;
mod signals;
mod triggers;
mod webhooks;
mod workflows;
