//! What a publisher signs: which bytes a version of a package is, and what its
//! components may reach. Trust comes from this, never from where it was found.

use std::collections::BTreeSet;

use nebula_flow::{ActionId, ActionMetadata, Component, Digest, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::envelope::bundle::{self, Bundle, EnvelopeError};
use crate::envelope::in_toto::{IN_TOTO, InToto};
use crate::error::Fault;
use crate::instant;
use crate::key::{KeyId, PublicKey, SigningKey};
use crate::package::PackageName;
use crate::structure;

/// The type of the predicate, by which a statement of ours is known.
pub const PREDICATE: &str = "nebula:hub/statement/v1";

/// The largest statement, bytes.
pub const MAX_STATEMENT: usize = 1 << 20;

/// What a publisher signs about one version of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Which package.
    pub name: PackageName,
    /// Which version of it; without build metadata, which no tag can have.
    pub version: Version,
    /// The digest of its top manifest, and so of all that this one names: the
    /// package document, templates, components.
    pub manifest: Digest,
    /// Its components, each once.
    pub components: BTreeSet<StatedComponent>,
    /// The key that signs.
    pub publisher: PublicKey,
    /// When it was signed, by the publisher's clock.
    #[serde(with = "instant")]
    pub time: Timestamp,
    /// Counts this publisher's statements, upwards.
    pub serial: u64,
}

/// What a statement says about one component: its bytes, and what it may reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedComponent {
    /// SHA-256 of the binary.
    pub digest: Digest,
    /// The contract that it is built for, e.g. `nebula:action/action@0.1.0`.
    pub world: String,
    /// The interfaces that it imports, each a capability.
    pub imports: BTreeSet<String>,
    /// The actions that it has.
    pub actions: BTreeSet<ActionId>,
    /// Hosts that its actions ask for; `*` when they come from an input.
    pub hosts: BTreeSet<String>,
    /// Credentials that its actions ask for, by the names in their code.
    pub credentials: BTreeSet<String>,
}

/// Why something cannot be stated, or is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// The signature or the envelope.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// Over the cap.
    #[error("the statement has {size} bytes; it has at most {MAX_STATEMENT}")]
    TooLarge {
        /// Bytes that it has.
        size: usize,
    },
    /// Not a statement of ours.
    #[error("it is not a statement about a package: {0}")]
    NotAStatement(String),
    /// It could be read in more than one way.
    #[error(
        "the statement is not in its one canonical form, so that others may read something else in it"
    )]
    NotCanonical,
    /// The version has build metadata.
    #[error(
        "version {0} has build metadata, which no tag can have; publish it as {major}.{minor}.{patch}",
        major = .0.major, minor = .0.minor, patch = .0.patch
    )]
    BuildMetadata(Version),
    /// The key that is to sign is not the one that the statement names.
    #[error("the statement names key {0} as its publisher's, so that only this key can sign it")]
    OtherKey(KeyId),
    /// A component stands in it twice, with different words.
    #[error("the statement has component {0} twice")]
    Twice(Digest),
}

/// What a component asks for, although its publisher did not state it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "component {component} {what} `{thing}`, which its publisher did not state; tell the publisher"
)]
pub struct Unstated {
    /// The component.
    pub component: Digest,
    /// What it does with the thing.
    pub what: &'static str,
    /// An interface, an action, a host or a credential.
    pub thing: String,
}

impl StatedComponent {
    /// What is to be stated about a component: from its bytes, and from what its
    /// actions say of themselves.
    ///
    /// # Errors
    /// When the bytes are not a component of ours.
    pub fn of(component: &Component, actions: &[ActionMetadata]) -> Result<Self, Fault> {
        let shape = structure::check(component.bytes())?;
        let flat = |list: fn(&ActionMetadata) -> &Vec<String>| {
            actions.iter().flat_map(list).cloned().collect()
        };
        Ok(Self {
            digest: component.digest(),
            world: shape.world,
            imports: shape.imports.into_iter().collect(),
            actions: actions.iter().map(|action| action.id.clone()).collect(),
            hosts: flat(|action| &action.hosts),
            credentials: flat(|action| &action.credentials),
        })
    }

    /// Checks that the binary is built for the stated contract and imports just
    /// what is stated.
    ///
    /// # Errors
    /// When it is another contract, or it imports more or less.
    pub fn covers_binary(&self, shape: &structure::Shape) -> Result<(), Unstated> {
        if shape.world != self.world {
            return Err(self.unstated("is built for", &shape.world));
        }
        let imports: BTreeSet<_> = shape.imports.iter().cloned().collect();
        if let Some(import) = imports.difference(&self.imports).next() {
            return Err(self.unstated("imports", import));
        }
        match self.imports.difference(&imports).next() {
            Some(import) => Err(self.unstated("does not import", import)),
            None => Ok(()),
        }
    }

    /// Checks that what the actions of the component say of themselves, once it
    /// is compiled, is not more than what was stated and agreed to beforehand.
    ///
    /// # Errors
    /// When there is an action, a host or a credential that was not stated.
    pub fn covers_actions(&self, actions: &[ActionMetadata]) -> Result<(), Unstated> {
        for action in actions {
            if !self.actions.contains(&action.id) {
                return Err(self.unstated("has the action", action.id.as_str()));
            }
            let host = action.hosts.iter().find(|host| !self.hosts.contains(*host));
            if let Some(host) = host {
                return Err(self.unstated("asks for the host", host));
            }
            let names = &self.credentials;
            let name = action
                .credentials
                .iter()
                .find(|name| !names.contains(*name));
            if let Some(name) = name {
                return Err(self.unstated("asks for the credential", name));
            }
        }
        Ok(())
    }

    fn unstated(&self, what: &'static str, thing: &str) -> Unstated {
        Unstated {
            component: self.digest,
            what,
            thing: thing.chars().take(200).collect(),
        }
    }
}

impl Statement {
    /// Signs the statement, and puts it into a bundle.
    ///
    /// # Errors
    /// When it cannot be stated: it names another key, has build metadata, a
    /// component twice, or too many bytes.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, StatementError> {
        if self.publisher != *key.public() {
            return Err(StatementError::OtherKey(self.publisher.id()));
        }
        Ok(bundle::sign(key, IN_TOTO, &self.encode()?))
    }

    /// The statement in a bundle, once the signature by the key that it names is
    /// checked. Whether that key may sign for the package is not looked at here.
    ///
    /// # Errors
    /// When the bundle or the statement is not exactly as its publisher made it.
    pub fn verify(bundle: &Bundle) -> Result<Self, StatementError> {
        let statement = Self::decode(bundle.unverified())?;
        bundle.verify_exact(&statement.publisher)?;
        Ok(statement)
    }

    /// Its one form as bytes.
    fn encode(&self) -> Result<Vec<u8>, StatementError> {
        if !self.version.build.is_empty() {
            return Err(StatementError::BuildMetadata(self.version.clone()));
        }
        let mut digests = BTreeSet::new();
        for component in &self.components {
            if !digests.insert(component.digest) {
                return Err(StatementError::Twice(component.digest));
            }
        }
        let name = Some(self.name.as_str());
        let document = InToto::new(self.manifest, name, PREDICATE, self);
        let bytes = serde_json::to_vec(&document)
            .map_err(|error| StatementError::NotAStatement(error.to_string()))?;
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::TooLarge { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads a statement, if it is in that form.
    fn decode(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::TooLarge { size: bytes.len() });
        }
        let document: InToto<Self> = serde_json::from_slice(bytes)
            .map_err(|error| StatementError::NotAStatement(error.to_string()))?;
        let statement = document.predicate;
        // This holds the subject, the type and every byte to what it says.
        if statement.encode()? != bytes {
            return Err(StatementError::NotCanonical);
        }
        Ok(statement)
    }
}
