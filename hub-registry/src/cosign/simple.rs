//! The payload of "simple signing" (containers/image,
//! `docs/containers-signature.5.md`; sigstore/cosign, `specs/SIGNATURE_SPEC.md`)
//! and a signature over its bytes.

use nebula_flow::Digest;
use serde::{Deserialize, Serialize};

use super::CosignError;
use crate::key::{PublicKey, SigningKey};

/// What `critical.type` says.
const KIND: &str = "cosign container image signature";

/// The largest payload, bytes; cosign's own has some 250.
const MAX_PAYLOAD: usize = 64 << 10;

/// A payload and a signature over it, not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleSignature {
    /// The bytes that are signed.
    pub payload: Vec<u8>,
    /// As the key's algorithm has it.
    pub signature: Vec<u8>,
}

/// Signs the digest of a manifest. `reference` is where it is published
/// (`registry/repository`), which is for people: no tool checks it.
#[must_use]
pub fn sign(key: &SigningKey, reference: &str, manifest: Digest) -> SimpleSignature {
    let payload = Payload {
        critical: Critical {
            identity: Identity {
                reference: reference.to_owned(),
            },
            image: Image { manifest },
            kind: KIND.to_owned(),
        },
        optional: serde_json::Value::Null,
    };
    // Strings in structures always have a form in JSON.
    let payload = serde_json::to_vec(&payload).unwrap_or_default();
    SimpleSignature {
        signature: key.sign(&payload),
        payload,
    }
}

impl SimpleSignature {
    /// The digest of the manifest that the key signed.
    ///
    /// # Errors
    /// When the signature is not this key's, or over something else.
    pub fn verify(&self, key: &PublicKey) -> Result<Digest, CosignError> {
        if self.payload.len() > MAX_PAYLOAD {
            let size = self.payload.len();
            return Err(CosignError::Payload(format!(
                "it has {size} bytes; it has at most {MAX_PAYLOAD}"
            )));
        }
        key.verify(&self.payload, &self.signature)?;
        let payload: Payload = serde_json::from_slice(&self.payload)
            .map_err(|error| CosignError::Payload(error.to_string()))?;
        if payload.critical.kind != KIND {
            return Err(CosignError::Payload("its type is another".to_owned()));
        }
        Ok(payload.critical.image.manifest)
    }
}

#[derive(Serialize, Deserialize)]
struct Payload {
    critical: Critical,
    /// Whatever the signer added.
    #[serde(default)]
    optional: serde_json::Value,
}

/// What must be understood; a member that is not known is refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    manifest: Digest,
}
