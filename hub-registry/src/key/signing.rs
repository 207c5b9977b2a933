//! What makes a signature. A private key is encrypted wherever it is kept
//! (PKCS#8 with PBES2: scrypt and AES-256-CBC), and wiped from memory when it is
//! no longer needed.

use std::fmt;

use ed25519_dalek::pkcs8::KeypairBytes;
use p256::ecdsa::signature::Signer as _;
use pkcs8::der::pem::decode_label;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use pkcs8::{
    DecodePrivateKey, EncodePrivateKey, EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument,
};
use zeroize::{Zeroize, Zeroizing};

use super::public::{Inner as Public, MAX_PEM, PublicKey};
use super::{Algorithm, KeyError, Work};

/// The most memory that opening a key may take: eight times what ours ask for.
const MAX_MEMORY: u64 = 128 << 20;

/// The most rounds that opening a key may take: ten times the 600,000 that OWASP
/// advises for PBKDF2 with SHA-256.
const MAX_ROUNDS: u64 = 6_000_000;

const DAMAGED: KeyError = KeyError::NotPrivate("this is damaged");

/// Both halves of a key pair. It has no `Debug` that shows them.
pub struct SigningKey {
    key: Inner,
    public: PublicKey,
}

/// Both kinds wipe themselves when they are dropped.
enum Inner {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// Makes a key pair from the system's randomness.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        loop {
            getrandom::fill(&mut *seed).map_err(|_| KeyError::Random)?;
            // Of all seeds for P-256, one in 2³² is no scalar of its group.
            if let Ok(key) = Self::from_seed(algorithm, &seed) {
                return Ok(key);
            }
        }
    }

    fn from_seed(algorithm: Algorithm, seed: &[u8; 32]) -> Result<Self, KeyError> {
        let key = match algorithm {
            Algorithm::EcdsaP256 => {
                let key = p256::ecdsa::SigningKey::from_slice(seed);
                Inner::P256(key.map_err(|_| KeyError::Unsupported)?)
            }
            Algorithm::Ed25519 => Inner::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)),
        };
        Self::new(key)
    }

    fn new(key: Inner) -> Result<Self, KeyError> {
        let public = PublicKey::new(match &key {
            Inner::P256(key) => Public::P256(*key.verifying_key()),
            Inner::Ed25519(key) => Public::Ed25519(key.verifying_key()),
        })?;
        Ok(Self { key, public })
    }

    /// Reads a private key: PKCS#8 in PEM, encrypted or not.
    ///
    /// # Errors
    /// When it is not one, is of an algorithm that is not ours, is encrypted and
    /// the passphrase is missing or wrong, or would take too much to open.
    pub fn from_pem(text: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.len() > MAX_PEM {
            return Err(KeyError::NotPrivate("this is far too long"));
        }
        let label = decode_label(text.as_bytes());
        let document = || SecretDocument::from_pem(text).map_err(|_| DAMAGED);
        match label.map_err(|_| KeyError::NotPrivate("this is no PEM"))? {
            "PRIVATE KEY" => Self::from_der(document()?.1.as_bytes()),
            "ENCRYPTED PRIVATE KEY" => {
                let (_, document) = document()?;
                let key = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
                let key = key.map_err(|_| DAMAGED)?;
                affordable(&key.encryption_algorithm)?;
                let passphrase = passphrase.ok_or(KeyError::NoPassphrase)?;
                let opened = key.decrypt(passphrase);
                let opened = opened.map_err(|_| KeyError::WrongPassphrase)?;
                Self::from_der(opened.as_bytes())
            }
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => Err(
                KeyError::NotPrivate("this is a private key in cosign's own form"),
            ),
            "EC PRIVATE KEY" => Err(KeyError::NotPrivate("this is a private key in SEC1 form")),
            "PUBLIC KEY" => Err(KeyError::NotPrivate("this is a public key")),
            _ => Err(KeyError::NotPrivate("this is PEM of something else")),
        }
    }

    fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
            return Self::new(Inner::P256(key));
        }
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(der);
        Self::new(Inner::Ed25519(key.map_err(|_| KeyError::Unsupported)?))
    }

    /// As PEM, encrypted with a passphrase; `openssl` opens it too.
    ///
    /// # Errors
    /// When the passphrase is empty, or the system gives no randomness.
    pub fn to_encrypted_pem(&self, passphrase: &str) -> Result<String, KeyError> {
        if passphrase.is_empty() {
            return Err(KeyError::EmptyPassphrase);
        }
        let pem = match &self.key {
            Inner::P256(key) => key.to_pkcs8_encrypted_pem(passphrase, LineEnding::LF),
            Inner::Ed25519(key) => {
                // Without the public half: with it, which is PKCS#8's second
                // version, older tools do not read it.
                let mut pair = KeypairBytes {
                    secret_key: key.to_bytes(),
                    public_key: None,
                };
                let pem = pair.to_pkcs8_encrypted_pem(passphrase, LineEnding::LF);
                pair.secret_key.zeroize();
                pem
            }
        };
        pem.map(|pem| pem.to_string()).map_err(|_| KeyError::Random)
    }

    /// The other half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature over a message: DER for ECDSA, 64 bytes for Ed25519. The
    /// same key and message give the same signature (RFC 6979, RFC 8032).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Inner::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                // Of the two that are valid, the one that counts as canonical.
                signature.normalize_s().to_der().as_bytes().to_vec()
            }
            Inner::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.public)
    }
}

/// Refuses a file whose own words ask for hours or gigabytes.
fn affordable(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Ok(());
    };
    let (memory, rounds) = match &parameters.kdf {
        Kdf::Pbkdf2(kdf) => (0, u64::from(kdf.iteration_count)),
        Kdf::Scrypt(kdf) => {
            let block = 128 * u64::from(kdf.block_size);
            let memory = kdf.cost_parameter.saturating_mul(block);
            let rounds = memory.saturating_mul(u64::from(kdf.parallelization)) / 1024;
            (memory, rounds)
        }
        _ => return Err(KeyError::NotPrivate("this is encrypted in an unknown way")),
    };
    for (asked, allowed) in [
        (Work::Memory(memory), Work::Memory(MAX_MEMORY)),
        (Work::Rounds(rounds), Work::Rounds(MAX_ROUNDS)),
    ] {
        if asked > allowed {
            return Err(KeyError::Dear {
                work: asked,
                limit: allowed,
            });
        }
    }
    Ok(())
}
