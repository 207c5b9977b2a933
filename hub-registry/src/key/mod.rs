//! Keys: those that sign, and those that check what was signed. ECDSA P-256
//! with SHA-256 and Ed25519, which `cosign` and `openssl` read and write too.
//!
//! - [`public`]: what checks a signature, and what a key is called by.
//! - [`signing`]: what makes one; encrypted wherever it is kept.
//! - [`store`]: a folder of key pairs.

pub mod public;
pub mod signing;
pub mod store;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use nebula_flow::Digest;
use serde::{Deserialize, Serialize};

pub use public::{BadSignature, PublicKey};
pub use signing::SigningKey;
pub use store::{KeptKey, KeyStore, StoreError};

/// Characters of the name that a person gives a key.
const MAX_NAME: usize = 63;

/// Whether `text` may name a key, here or in `trust.toml`: words of a-z and 0-9,
/// joined by single hyphens, at most 63 characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let word = |word: &str| !word.is_empty() && word.bytes().all(letter);
    text.len() <= MAX_NAME && text.split('-').all(word)
}

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256; a signature is ASN.1 DER.
    EcdsaP256,
    /// Ed25519 after RFC 8032; a signature is 64 bytes.
    Ed25519,
}

impl Algorithm {
    /// As people write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a key is called by: the SHA-256 of its public half as
/// `SubjectPublicKeyInfo` in DER, so that no two keys share one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(Digest);

impl KeyId {
    /// The id of a key in this encoding.
    fn of(spki: &[u8]) -> Self {
        Self(Digest::of(spki))
    }

    pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self).map_err(|_| KeyError::NotAnId)
    }
}

/// Why something is not a key, or could not be opened. Never says what was
/// given, since that may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a public key.
    #[error(
        "{0}, not a public key: that is PEM and begins with `-----BEGIN PUBLIC KEY-----`, as `nebula hub key export` and \
         `cosign public-key` print it"
    )]
    NotPublic(&'static str),
    /// Not a private key.
    #[error(
        "{0}, not a private key that can be read here: that is PKCS#8 in PEM and begins with `-----BEGIN PRIVATE KEY-----` \
         or `-----BEGIN ENCRYPTED PRIVATE KEY-----`; `openssl pkcs8 -topk8` makes it of another form"
    )]
    NotPrivate(&'static str),
    /// A key, but of another kind.
    #[error("the key is neither ECDSA P-256 nor Ed25519; make one with `nebula hub key generate`")]
    Unsupported,
    /// Not the id of a key.
    #[error(
        "what was given is not the id of a key: it is `sha256:` and 64 hex digits, as `nebula hub key list` shows it"
    )]
    NotAnId,
    /// It is encrypted, and nothing was given to open it.
    #[error(
        "the private key is encrypted: give its passphrase in NEBULA_HUB_PASSPHRASE or at the prompt"
    )]
    NoPassphrase,
    /// What was given does not open it.
    #[error("the passphrase does not open the private key")]
    WrongPassphrase,
    /// A key that nothing protects is not kept.
    #[error("an empty passphrase protects nothing; choose one")]
    EmptyPassphrase,
    /// Opening it would take more than an honest key asks for.
    #[error(
        "to open the private key would take {work}, more than the {limit} that are allowed; encrypt it anew with \
         `openssl pkcs8 -topk8`"
    )]
    Dear {
        /// What it asks for.
        work: Work,
        /// What is allowed.
        limit: Work,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness, so that no key can be made")]
    Random,
}

/// What it takes to open an encrypted key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// scrypt's memory, bytes.
    Memory(u64),
    /// PBKDF2's iterations, or scrypt's rounds over its memory.
    Rounds(u64),
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "{} MiB of memory", bytes >> 20),
            Self::Rounds(rounds) => write!(f, "{rounds} rounds"),
        }
    }
}
