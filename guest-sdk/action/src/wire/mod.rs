//! Typed values to MessagePack and back, by the rules of JSON: structs are maps
//! by field name, map keys are text, a whole number may be written as a float,
//! and unknown fields are left alone. An error names the place.
//!
//! The SDK has its own codec because it must be small inside a component,
//! forgiving about numbers that came out of jq, and exact about places.

mod decode;
mod encode;
mod error;
mod key;

pub use decode::decode;
pub use encode::{EncodeError, encode};
pub use error::DecodeError;

#[cfg(test)]
mod tests;
