//! What is asked for, and what was fetched.

use std::collections::BTreeSet;

use nebula_flow::{Digest, Timestamp};
use semver::Version;

use crate::cosign::SimpleSignature;
use crate::key::KeyId;
use crate::package::PackageName;

/// What is to be installed, and what the operator said of it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Which package.
    pub name: &'a PackageName,
    /// Which version, as the tag or the lock says.
    pub version: &'a Version,
    /// The digest of its top manifest, as the registry resolved the tag or the
    /// lock says.
    pub manifest: Digest,
    /// The components that the manifest names, by the digests of their bytes.
    pub components: &'a BTreeSet<Digest>,
    /// The version that is installed now.
    pub installed: Option<&'a Installed>,
    /// Whether an older version than the installed one was asked for.
    pub allow_older: bool,
    /// Whether it may be unsigned, if its registry is on loopback.
    pub allow_unsigned: bool,
    /// Whether its registry is on loopback.
    pub loopback: bool,
    /// The time now.
    pub now: Timestamp,
}

/// A version of a package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// Which version.
    pub version: Version,
    /// Its manifest.
    pub manifest: Digest,
    /// The serial of its statement, if it has one.
    pub serial: Option<u64>,
    /// The key that signed it, if one did.
    pub key: Option<KeyId>,
}

/// What was fetched. None of it is trusted.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The bytes of the top manifest.
    pub manifest: &'a [u8],
    /// The bundles that refer to it.
    pub bundles: &'a [Vec<u8>],
    /// The signatures under cosign's tag.
    pub simple: &'a [SimpleSignature],
}
