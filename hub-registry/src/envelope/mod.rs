//! The form in which signed documents travel: a DSSE envelope, in a bundle of
//! Sigstore's version 0.3 that names the key. What is signed is the type of the
//! payload and its bytes, so that a signature over a document of one kind is
//! none over a document of another.
//!
//! - [`bundle`]: the envelope and its bundle, made and read.
//! - [`in_toto`]: what a signed document about an artifact says of it.

pub mod bundle;
pub mod in_toto;

pub use bundle::{BUNDLE, Bundle, EnvelopeError};
pub use in_toto::InToto;
