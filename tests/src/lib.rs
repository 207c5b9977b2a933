//! What the whole-house tests and programs share.

pub mod client;
pub mod examples;
pub mod figures;
pub mod guest;
pub mod mariadb;
pub mod postgres;
pub mod smtp;
pub mod station;

/// The root of the checkout.
#[must_use]
pub fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
