//! A bundle with the predicate `sign/v1`: what `cosign sign` makes since its
//! version 3.

use nebula_flow::Digest;
use serde::{Deserialize, Serialize};

use super::CosignError;
use crate::envelope::bundle::{self, Bundle};
use crate::envelope::in_toto::{IN_TOTO, InToto};
use crate::key::{PublicKey, SigningKey};

/// The type of the predicate.
pub const PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The predicate says nothing; members that a signer added are left out.
#[derive(Serialize, Deserialize)]
struct Nothing {}

/// Signs the digest of a manifest.
#[must_use]
pub fn sign(key: &SigningKey, manifest: Digest) -> Vec<u8> {
    let document = InToto::new(manifest, None, PREDICATE, Nothing {});
    // Strings in structures always have a form in JSON.
    let payload = serde_json::to_vec(&document).unwrap_or_default();
    bundle::sign(key, IN_TOTO, &payload)
}

/// The digest of the manifest that the key signed.
///
/// # Errors
/// When the signature is not this key's, or over something else.
pub fn verify(bundle: &Bundle, key: &PublicKey) -> Result<Digest, CosignError> {
    let payload = bundle.verify(key)?;
    if bundle.payload_type() != IN_TOTO {
        return Err(CosignError::Payload("its type is another".to_owned()));
    }
    let document: InToto<Nothing> =
        serde_json::from_slice(payload).map_err(|error| CosignError::Payload(error.to_string()))?;
    let subject = document.subject(PREDICATE).map(|(digest, _)| digest);
    subject.ok_or_else(|| CosignError::Payload("it is about something else".to_owned()))
}
