//! The signed list of what a hub offers. A registry can hide a new version, or
//! show an old list for ever; this document can do neither unnoticed, since it
//! has a serial that only grows, and expires.

//!
//! - `gather`: the versions that go into one.
//! - `place`: where it is in a registry.

mod gather;
mod place;
#[cfg(test)]
mod tests;

pub use gather::{LeftOut, gather};
pub use place::{pull, push};

use std::collections::BTreeSet;

use nebula_flow::{Digest, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::envelope::bundle::{self, Bundle, EnvelopeError};
use crate::instant;
use crate::key::{KeyId, SigningKey};
use crate::package::PackageName;
use crate::trust::Policy;
use crate::verify::Refusal;

/// The type of the document.
pub const INDEX: &str = "application/vnd.nebula.hub.index.v1+json";

/// The largest index, bytes: some 20,000 versions.
pub const MAX_INDEX: usize = 8 << 20;

/// What a hub offers, as its operator signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// Which hub: `registry/path`, as installs name it.
    pub source: String,
    /// Counts the indexes of this hub, upwards.
    pub serial: u64,
    /// When it was signed.
    #[serde(with = "instant")]
    pub time: Timestamp,
    /// Until when it counts.
    #[serde(with = "instant")]
    pub expires: Timestamp,
    /// The versions that there are, by name and version.
    pub versions: BTreeSet<IndexEntry>,
}

/// One version of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexEntry {
    /// Which package.
    pub name: PackageName,
    /// Which version.
    pub version: Version,
    /// Its top manifest.
    pub manifest: Digest,
    /// One or two sentences about it.
    pub description: String,
    /// The key that signed its statement.
    pub publisher: KeyId,
}

/// Why an index is refused, or cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IndexError {
    /// The signature or the envelope.
    #[error("the index is not as it was signed: {0}")]
    Envelope(#[from] EnvelopeError),
    /// Not an index.
    #[error("what was signed is not an index: {0}")]
    NotAnIndex(String),
    /// There is none.
    #[error(
        "it has none, although somebody is trusted to sign it; its operator makes one with `nebula hub index publish`"
    )]
    Missing,
    /// Over the cap.
    #[error("the index has {size} bytes; it has at most {MAX_INDEX}")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
    },
    /// One version is in it twice.
    #[error("the index has {0} {1} twice")]
    Twice(PackageName, Version),
    /// No key that may sign it did.
    #[error(
        "no key that may sign the index of {source_name} signed it; write `indexes = [\"{source_name}\"]` at its \
         operator's key in trust.toml"
    )]
    Key {
        /// The hub.
        source_name: String,
    },
    /// The key does not count.
    #[error(transparent)]
    Refused(Refusal),
    /// The index of another hub.
    #[error("the index is that of {stated}, not of {asked}")]
    OtherSource {
        /// In the index.
        stated: String,
        /// What was asked for.
        asked: String,
    },
    /// Nobody signed a new one in time.
    #[error(
        "the index counted until {0}: its hub is not kept up, or someone shows an old list; ask its operator"
    )]
    Expired(Timestamp),
    /// Older than one that was seen.
    #[error("the index has serial {serial}, but {seen} was seen before: someone shows an old list")]
    Old {
        /// Of this one.
        serial: u64,
        /// The highest that was seen.
        seen: u64,
    },
}

impl Index {
    /// What it says of a version.
    #[must_use]
    pub fn entry(&self, name: &PackageName, version: &Version) -> Option<&IndexEntry> {
        let mut entries = self.versions.iter();
        entries.find(|entry| entry.name == *name && entry.version == *version)
    }

    /// The versions of a package, the newest first.
    #[must_use]
    pub fn versions_of(&self, name: &PackageName) -> Vec<Version> {
        let of_it = self.versions.iter().filter(|entry| entry.name == *name);
        // They are in the order of name and version.
        of_it.rev().map(|entry| entry.version.clone()).collect()
    }

    /// Signs it, and puts it into a bundle.
    ///
    /// # Errors
    /// When it is too large, or has a version twice.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, IndexError> {
        Ok(bundle::sign(key, INDEX, &self.encode()?))
    }

    /// The index of the hub `source`, if a key that may sign it did, it still
    /// counts, and none with a higher serial was seen.
    ///
    /// # Errors
    /// Which of these does not hold.
    pub fn verify(
        bytes: &[u8],
        source: &str,
        policy: &Policy,
        seen: Option<u64>,
        now: Timestamp,
    ) -> Result<Self, IndexError> {
        let bundle = Bundle::parse(bytes)?;
        let signer = policy
            .keys
            .iter()
            .filter(|(_, trusted)| trusted.indexes.contains(source))
            .find(|(_, trusted)| bundle.verify(&trusted.key).is_ok());
        let (label, trusted) = signer.ok_or_else(|| IndexError::Key {
            source_name: source.to_owned(),
        })?;
        trusted.usable(label, now).map_err(IndexError::Refused)?;
        let payload = bundle.verify_exact(&trusted.key)?;
        if bundle.payload_type() != INDEX {
            return Err(IndexError::NotAnIndex("its type is another".to_owned()));
        }
        let index = Self::decode(payload)?;
        if index.source != source {
            return Err(IndexError::OtherSource {
                stated: index.source,
                asked: source.to_owned(),
            });
        }
        if now > index.expires {
            return Err(IndexError::Expired(index.expires));
        }
        match seen {
            Some(seen) if index.serial < seen => Err(IndexError::Old {
                serial: index.serial,
                seen,
            }),
            _ => Ok(index),
        }
    }

    fn encode(&self) -> Result<Vec<u8>, IndexError> {
        let mut names = BTreeSet::new();
        for IndexEntry { name, version, .. } in &self.versions {
            if !names.insert((name, version)) {
                return Err(IndexError::Twice(name.clone(), version.clone()));
            }
        }
        let bytes =
            serde_json::to_vec(self).map_err(|error| IndexError::NotAnIndex(error.to_string()))?;
        if bytes.len() > MAX_INDEX {
            return Err(IndexError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    fn decode(bytes: &[u8]) -> Result<Self, IndexError> {
        if bytes.len() > MAX_INDEX {
            return Err(IndexError::TooLarge { size: bytes.len() });
        }
        let index: Self = serde_json::from_slice(bytes)
            .map_err(|error| IndexError::NotAnIndex(error.to_string()))?;
        if index.encode()? != bytes {
            return Err(IndexError::NotAnIndex(
                "it is not in its one canonical form".to_owned(),
            ));
        }
        Ok(index)
    }
}
