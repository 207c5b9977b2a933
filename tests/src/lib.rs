//! What the whole-house tests and programs share.

pub mod client;
pub mod station;
