//! What an author publishes.
//!
//! - [`name`]: `namespace/name`, and which names a person may confuse.

pub mod name;

pub use name::{InvalidName, PackageName};
