//! What checks a signature, and what a key is called by.

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::VerifyingKey as Ed25519;
use p256::ecdsa::VerifyingKey as P256;
use p256::ecdsa::signature::Verifier as _;
use pkcs8::der::pem::decode_label;
use pkcs8::{DecodePublicKey, Document, EncodePublicKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Algorithm, KeyError, KeyId};

/// Characters of a PEM file; a key of ours has some 200.
pub(super) const MAX_PEM: usize = 16 << 10;

/// The label that PEM gives a public key.
const LABEL: &str = "PUBLIC KEY";

/// The public half of a key pair.
#[derive(Clone)]
pub struct PublicKey {
    key: Inner,
    /// `SubjectPublicKeyInfo` in DER: the one encoding by which keys are equal.
    spki: Vec<u8>,
    id: KeyId,
}

#[derive(Clone)]
pub(super) enum Inner {
    P256(P256),
    Ed25519(Ed25519),
}

/// A signature that was not made over these bytes by this key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not by this key over these bytes")]
pub struct BadSignature;

impl PublicKey {
    pub(super) fn new(key: Inner) -> Result<Self, KeyError> {
        let spki = match &key {
            Inner::P256(key) => key.to_public_key_der(),
            Inner::Ed25519(key) => key.to_public_key_der(),
        };
        let spki = spki.map_err(|_| KeyError::Unsupported)?.into_vec();
        let id = KeyId::of(&spki);
        Ok(Self { key, spki, id })
    }

    /// Reads a public key in PEM.
    ///
    /// # Errors
    /// When it is not one, or of an algorithm that is not ours.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.len() > MAX_PEM {
            return Err(KeyError::NotPublic("this is far too long"));
        }
        let label = decode_label(text.as_bytes());
        match label.map_err(|_| KeyError::NotPublic("this is no PEM"))? {
            LABEL => {
                let document = Document::from_pem(text);
                let (_, document) = document.map_err(|_| KeyError::NotPublic("this is damaged"))?;
                Self::from_spki(document.as_bytes())
            }
            label if label.contains("PRIVATE") => Err(KeyError::NotPublic("this is a private key")),
            _ => Err(KeyError::NotPublic("this is PEM of something else")),
        }
    }

    /// Reads a public key as `SubjectPublicKeyInfo` in DER.
    ///
    /// # Errors
    /// When it is not one, or of an algorithm that is not ours.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = P256::from_public_key_der(der) {
            return Self::new(Inner::P256(key));
        }
        let key = Ed25519::from_public_key_der(der).map_err(|_| KeyError::Unsupported)?;
        // Of small order: signatures that anyone can make would pass.
        if key.is_weak() {
            return Err(KeyError::Unsupported);
        }
        Self::new(Inner::Ed25519(key))
    }

    /// `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// As PEM, with a line end after its last line.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let body = BASE64.encode(&self.spki);
        let mut pem = format!("-----BEGIN {LABEL}-----\n");
        for line in body.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem + &format!("-----END {LABEL}-----\n")
    }

    /// What it is called by.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.key {
            Inner::P256(_) => Algorithm::EcdsaP256,
            Inner::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Checks a signature over a message.
    ///
    /// # Errors
    /// When it is not this key's over these bytes.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        match &self.key {
            Inner::P256(key) => {
                let signature = p256::ecdsa::Signature::from_der(signature);
                let signature = signature.map_err(|_| BadSignature)?;
                key.verify(message, &signature).map_err(|_| BadSignature)
            }
            Inner::Ed25519(key) => {
                let signature = ed25519_dalek::Signature::from_slice(signature);
                let signature = signature.map_err(|_| BadSignature)?;
                let verified = key.verify_strict(message, &signature);
                verified.map_err(|_| BadSignature)
            }
        }
    }

    /// Whether a right signature is the only one that anybody can make of it: of
    /// one by ECDSA everybody can make a second, by negating its second half.
    /// Other tools make either, so that only documents of our own are held to it.
    pub(crate) fn is_canonical(&self, signature: &[u8]) -> bool {
        match &self.key {
            Inner::P256(_) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| signature.normalize_s() == signature),
            Inner::Ed25519(_) => true,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.algorithm(), self.id)
    }
}

/// In documents: `SubjectPublicKeyInfo` in base64, on one line.
impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64.encode(&self.spki))
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        let not_one = || de::Error::custom("not a public key in base64");
        if text.len() > MAX_PEM {
            return Err(not_one());
        }
        let spki = BASE64.decode(text.as_bytes()).map_err(|_| not_one())?;
        let key = Self::from_spki(&spki).map_err(de::Error::custom)?;
        // One encoding only, so that what is signed reads in one way.
        if key.spki != spki {
            return Err(not_one());
        }
        Ok(key)
    }
}
