//! Signatures that `cosign verify --key` accepts, made and checked. Both say no
//! more than "this key signed this digest": no name, no version.
//!
//! - [`simple`]: the payload of "simple signing", which cosign 2 looks for.
//! - [`sign`]: a bundle with the predicate `sign/v1`, which cosign 3 looks for.
//! - [`attach`]: the OCI manifests in which signatures hang on an artifact.

pub mod attach;
pub mod sign;
pub mod simple;

#[cfg(test)]
mod tests;

pub use attach::Attachment;
pub use simple::SimpleSignature;

use crate::envelope::EnvelopeError;
use crate::key::BadSignature;

/// Why a signature of cosign's says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignError {
    /// The bundle or its signature.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The signature over a simple-signing payload.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// It is signed, but says something else.
    #[error("what is signed is not a cosign signature of an artifact: {0}")]
    Payload(String),
    /// The manifest around it.
    #[error("what hangs on the artifact is not a manifest of signatures: {0}")]
    Manifest(String),
}
