//! The envelope and its bundle, made and read. After DSSE 1.0.2 (`protocol.md`,
//! `envelope.md`) and Sigstore's `bundle.proto`, version 0.3.

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::key::{KeyId, PublicKey, SigningKey};

/// The media type of a bundle.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The largest bundle that is read, bytes.
pub const MAX_BUNDLE: usize = 12 << 20;

/// A signed document whose signature has not been checked yet: see
/// [`Bundle::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    payload_type: String,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// The key that the bundle names.
    key: Option<KeyId>,
    /// Whether the bytes are those that [`make`] gives for these parts, to the
    /// last one.
    exact: bool,
}

/// Why some bytes are not a signed document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// Over the cap.
    #[error("it has {size} bytes; a bundle has at most {MAX_BUNDLE}")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
    },
    /// Not a bundle.
    #[error("it is not a bundle of version 0.3 with a DSSE envelope: {0}")]
    NotABundle(String),
    /// One signature is what the bundle's definition asks for.
    #[error("its envelope has {0} signatures; a bundle has one")]
    Signatures(usize),
    /// The signature is not this key's, or not over this document.
    #[error("its signature is not by key {0} over this document")]
    Signature(KeyId),
    /// The signature is right, but something that it does not cover is not as
    /// it was made.
    #[error("it was altered outside what its signature covers")]
    Altered,
}

/// Signs a document and puts it into a bundle, which is the same for the same
/// key and document.
#[must_use]
pub fn sign(key: &SigningKey, payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let signature = key.sign(&pae(payload_type, payload));
    make(key.public().id(), payload_type, payload, &signature)
}

/// The bundle around a signature.
fn make(key: KeyId, payload_type: &str, payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let bundle = Wire {
        media_type: BUNDLE.to_owned(),
        verification_material: Material {
            public_key: Some(Hint {
                hint: BASE64.encode(key.as_bytes()),
            }),
        },
        dsse_envelope: Envelope {
            payload: BASE64.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: vec![Signature {
                sig: BASE64.encode(signature),
            }],
        },
    };
    // Strings in structures always have a form in JSON.
    serde_json::to_vec(&bundle).unwrap_or_default()
}

/// What a signature is over: DSSE's pre-authentication encoding.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {payload_type} {} ",
        payload_type.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

impl Bundle {
    /// Reads a bundle, of ours or of another tool. Its signature is not checked
    /// yet.
    ///
    /// # Errors
    /// When it is too large, not a bundle, or has not exactly one signature.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_BUNDLE {
            return Err(EnvelopeError::TooLarge { size: bytes.len() });
        }
        let broken = |why: &str| EnvelopeError::NotABundle(why.to_owned());
        let wire: Wire = serde_json::from_slice(bytes).map_err(|e| broken(&e.to_string()))?;
        if wire.media_type != BUNDLE {
            return Err(broken("its mediaType is another"));
        }
        let envelope = wire.dsse_envelope;
        let [signature] = &envelope.signatures[..] else {
            return Err(EnvelopeError::Signatures(envelope.signatures.len()));
        };
        let decode = |text: &str| BASE64.decode(text.as_bytes());
        let payload = decode(&envelope.payload).map_err(|_| broken("its payload is no base64"))?;
        let signature = decode(&signature.sig).map_err(|_| broken("its signature is no base64"))?;
        let hint = wire.verification_material.public_key;
        let key = hint.and_then(|key| decode(&key.hint).ok());
        let key = key.and_then(|key| key.try_into().ok());
        let key = key.map(KeyId::from_bytes);
        let exact =
            key.is_some_and(|key| make(key, &envelope.payload_type, &payload, &signature) == bytes);
        Ok(Self {
            payload_type: envelope.payload_type,
            payload,
            signature,
            key,
            exact,
        })
    }

    /// The type of the document.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// The document, of which nothing is known yet.
    #[must_use]
    pub fn unverified(&self) -> &[u8] {
        &self.payload
    }

    /// Checks the signature, and gives the document that it covers. What stands
    /// around it (the key's hint, other material) is not looked at.
    ///
    /// # Errors
    /// When the signature is not this key's over this document.
    pub fn verify(&self, key: &PublicKey) -> Result<&[u8], EnvelopeError> {
        let message = pae(&self.payload_type, &self.payload);
        match key.verify(&message, &self.signature) {
            Ok(()) => Ok(&self.payload),
            Err(_) => Err(EnvelopeError::Signature(key.id())),
        }
    }

    /// As [`verify`](Self::verify), for documents of our own: the whole bundle
    /// must be what [`sign`] made, to the last byte.
    ///
    /// # Errors
    /// When the signature is not this key's over this document, or a byte of the
    /// bundle is another.
    pub fn verify_exact(&self, key: &PublicKey) -> Result<&[u8], EnvelopeError> {
        let payload = self.verify(key)?;
        if !self.exact || self.key != Some(key.id()) || !key.is_canonical(&self.signature) {
            return Err(EnvelopeError::Altered);
        }
        Ok(payload)
    }
}

/// Members that other tools add (log entries, time stamps) are left out.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    public_key: Option<Hint>,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    sig: String,
}
