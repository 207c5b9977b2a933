//! What authors of actions and workflows can test, by the doors that they use.

#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(unreachable_pub, reason = "actions as their authors write them")]

mod actions;
mod components;
mod docs;
mod embedded;
mod faults;
mod http;
mod native;
mod recorded;
mod requests;
mod resources;
mod seed;
mod snapshots;
mod suites;
mod time;
mod workflows;
