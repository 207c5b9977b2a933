//! Why a package is refused: what happened, to which thing, and what to do next.

use nebula_flow::{Digest, Timestamp};
use semver::Version;

use super::MAX_MANIFEST;
use crate::key::KeyId;
use crate::package::PackageName;
use crate::statement::StatementError;

/// Why a package is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Over the cap.
    #[error("the manifest has {size} bytes; one has at most {MAX_MANIFEST}")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
    },
    /// Not the bytes that were asked for.
    #[error(
        "the registry gave other bytes than were asked for: manifest {actual} instead of {expected}; try another registry"
    )]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// More than is looked at.
    #[error(
        "{count} signatures hang on the manifest, more than are looked at; ask the registry's operator to remove those that are none"
    )]
    TooManySignatures {
        /// How many.
        count: usize,
    },
    /// The statement or its signature.
    #[error("{0}; ask its publisher to publish it anew, or try another registry")]
    Statement(StatementError),
    /// A statement about something else.
    #[error(
        "the statement is about {stated}, not about {asked}: someone hung it on the wrong package"
    )]
    OtherPackage {
        /// Package and version in the statement.
        stated: String,
        /// Package and version that were asked for.
        asked: String,
    },
    /// A statement about other bytes.
    #[error(
        "the statement is about manifest {stated}, not about {fetched}: what is signed is not what was fetched"
    )]
    OtherManifest {
        /// In the statement.
        stated: Digest,
        /// What was fetched.
        fetched: Digest,
    },
    /// The components are not those that were stated.
    #[error(
        "component {component} is {}; ask its publisher to publish it anew",
        if *stated { "stated, but not in the manifest" } else { "in the manifest, but not stated" }
    )]
    Components {
        /// One that is only in one of both.
        component: Digest,
        /// In which.
        stated: bool,
    },
    /// No key is trusted for the namespace, and none is to be pinned.
    #[error(
        "no key is trusted for `{namespace}`; if {key} is its publisher's, run nebula hub trust add {namespace} FILE with \
         the public key that the publisher gave you"
    )]
    UnknownKey {
        /// The namespace.
        namespace: String,
        /// The key that signed.
        key: KeyId,
    },
    /// The namespace belongs to another key.
    #[error(
        "{key} signed it, but `{namespace}` belongs to {}; if its publisher has a new key, run nebula hub trust rotate",
        names(trusted)
    )]
    OtherKey {
        /// The namespace.
        namespace: String,
        /// The key that signed.
        key: KeyId,
        /// The names of the keys that may.
        trusted: Vec<String>,
    },
    /// A trusted key, but not for this.
    #[error(
        "key `{label}` signed it, but may not sign for {name}; if it should, add this to its namespaces in trust.toml"
    )]
    KeyNotAllowed {
        /// The key's name.
        label: String,
        /// The package.
        name: PackageName,
    },
    /// The namespace may be taken for another.
    #[error(
        "`{namespace}` looks like `{known}`, which is known here: did you mean that? If not, run nebula hub trust add \
         {namespace} FILE with the public key that its publisher gave you"
    )]
    LooksLike {
        /// The namespace that was asked for.
        namespace: String,
        /// The one that it may be taken for.
        known: String,
    },
    /// Nothing that the key ever signed counts.
    #[error(
        "key `{label}`, which signed it, is revoked: {reason}; wait until its publisher signs it with another"
    )]
    Revoked {
        /// The key's name.
        label: String,
        /// Why.
        reason: String,
    },
    /// What the key signed does not count any more.
    #[error(
        "key `{label}`, which signed it, counted until {not_after}; its publisher is to sign it with a newer one"
    )]
    Expired {
        /// The key's name.
        label: String,
        /// Until when.
        not_after: Timestamp,
    },
    /// A statement that was replaced.
    #[error(
        "its statement has serial {serial}, but only {minimum} and later ones count: someone offers an old one"
    )]
    OldSerial {
        /// Of the statement.
        serial: u64,
        /// The lowest that counts.
        minimum: u64,
    },
    /// Older than what is installed.
    #[error(
        "version {offered} is older than {installed}, which is installed; ask for the older one with `--allow-older` if it is meant"
    )]
    Older {
        /// What is offered.
        offered: Version,
        /// What is installed.
        installed: Version,
    },
    /// The same version, but other bytes.
    #[error(
        "version {version} was {installed} when it was installed, and is {offered} now: a version never changes, so that \
         one of both is not its publisher's"
    )]
    Moved {
        /// The version.
        version: Version,
        /// Its manifest when it was installed.
        installed: Digest,
        /// Its manifest now.
        offered: Digest,
    },
    /// Signed, but by no key that may.
    #[error(
        "{count} plain cosign signatures hang on it, none of them by a key that may sign for `{namespace}`, and no statement"
    )]
    UnknownSigner {
        /// The namespace.
        namespace: String,
        /// How many signatures.
        count: usize,
    },
    /// Validly signed, but nothing says what it is.
    #[error(
        "{name} is validly signed by `{label}`, but only with cosign: no statement says its name, its version and what it \
         may reach. Ask its publisher for `nebula hub publish`, or write `cosign_only = true` at this key in trust.toml"
    )]
    CosignOnly {
        /// The package.
        name: PackageName,
        /// The key's name.
        label: String,
    },
    /// Not signed at all.
    #[error("{name} is not signed; ask its publisher to publish it with `nebula hub publish`")]
    Unsigned {
        /// The package.
        name: PackageName,
    },
    /// Not signed, and not from here.
    #[error(
        "{name} is not signed, and `--allow-unsigned` is only for a registry on loopback, for development"
    )]
    UnsignedElsewhere {
        /// The package.
        name: PackageName,
    },
}

fn names(labels: &[String]) -> String {
    let quoted: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
    quoted.join(", ")
}
