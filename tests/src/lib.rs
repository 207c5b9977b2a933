//! What the whole-house tests and programs share.

pub mod client;
pub mod examples;
pub mod guest;
pub mod mariadb;
pub mod postgres;
pub mod station;
