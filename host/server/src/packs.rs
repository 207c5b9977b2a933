//! The first-party components, built by `build.rs` before this crate and
//! embedded in it, so that the binary is complete by itself.

include!(concat!(env!("OUT_DIR"), "/packs.rs"));
