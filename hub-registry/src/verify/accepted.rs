//! What passed, and the components that may run by it.

use std::collections::BTreeSet;

use nebula_flow::component::Origin;
use nebula_flow::{Component, Digest, Verified};
use semver::Version;

use super::Request;
use crate::error::HubError;
use crate::key::{KeyId, PublicKey};
use crate::package::PackageName;
use crate::source;
use crate::statement::{StatedComponent, Statement};

/// A version of a package that passed every check but those of its components'
/// bytes, which [`component`](Self::component) makes.
#[derive(Debug, Clone)]
pub struct Accepted {
    name: PackageName,
    version: Version,
    manifest: Digest,
    origin: Origin,
    /// The key that signed, and the name under which it is trusted.
    signer: Option<(String, PublicKey)>,
    statement: Option<Statement>,
    components: BTreeSet<Digest>,
}

impl Accepted {
    pub(super) fn by_statement(statement: Statement, label: String) -> Self {
        Self {
            name: statement.name.clone(),
            version: statement.version.clone(),
            manifest: statement.manifest,
            origin: Origin::Statement,
            signer: Some((label, statement.publisher.clone())),
            components: statement.components.iter().map(|c| c.digest).collect(),
            statement: Some(statement),
        }
    }

    pub(super) fn without_statement(
        request: &Request<'_>,
        origin: Origin,
        signer: Option<(String, PublicKey)>,
    ) -> Self {
        Self {
            name: request.name.clone(),
            version: request.version.clone(),
            manifest: request.manifest,
            origin,
            signer,
            statement: None,
            components: request.components.clone(),
        }
    }

    /// Which package.
    #[must_use]
    pub const fn name(&self) -> &PackageName {
        &self.name
    }

    /// Which version.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Its top manifest.
    #[must_use]
    pub const fn manifest(&self) -> Digest {
        self.manifest
    }

    /// Why its components may run.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The key that signed.
    #[must_use]
    pub fn key(&self) -> Option<KeyId> {
        self.signer.as_ref().map(|(_, key)| key.id())
    }

    /// The name under which that key is trusted.
    #[must_use]
    pub fn trusted_as(&self) -> Option<&str> {
        self.signer.as_ref().map(|(label, _)| label.as_str())
    }

    /// What its publisher stated.
    #[must_use]
    pub const fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    /// What is stated about one of its components; nothing where there is no
    /// statement.
    #[must_use]
    pub fn stated(&self, component: Digest) -> Option<&StatedComponent> {
        let mut stated = self.statement.iter().flat_map(|s| &s.components);
        stated.find(|stated| stated.digest == component)
    }

    /// Vouches for a component of the package, after the checks of its bytes:
    /// digest, structure, and imports as stated.
    ///
    /// # Errors
    /// When it is not one of the package's, not a component of ours, or imports
    /// other than what was stated.
    pub fn component(&self, bytes: bytes::Bytes) -> Result<Verified<Component>, HubError> {
        let component = Component::new(bytes);
        let digest = component.digest();
        if !self.components.contains(&digest) {
            return Err(HubError::Foreign {
                package: format!("{} {}", self.name, self.version),
                digest,
            });
        }
        let origin = self.origin.clone();
        source::packaged(&self.name, component, self.stated(digest), origin)
    }
}
