//! What was agreed to, carried out: pulled, checked again, compiled, kept, and
//! recorded last.

use std::collections::BTreeSet;

use nebula_flow::ports::Expect;
use nebula_flow::{Component, Digest};
use semver::Version;

use super::{Allowed, InstallError, Installer, Progress, Stage, asks};
use crate::HubError;
use crate::catalog::RESERVED;
use crate::fetch::{Attached, Found};
use crate::installed::{self, Ask, Claim, InstalledComponent, InstalledPackage, segment};
use crate::key::KeyId;
use crate::package::PackageName;
use crate::statement::StatedComponent;
use crate::trust::{Scope, edit};
use crate::verify::{Accepted, Verdict};

/// One version to be installed, and what was agreed to for it.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which package.
    pub name: PackageName,
    /// Which version.
    pub version: Version,
    /// The manifest that was shown.
    pub manifest: Digest,
    /// What was agreed to.
    pub agreed: BTreeSet<Ask>,
    /// The key to trust for the namespace from now on, if it is the first.
    pub trust: Option<KeyId>,
    /// First segments of action ids to take from whoever has them.
    pub claims: BTreeSet<String>,
}

/// A version of which everything is here and checked; only its record is not.
#[derive(Debug)]
pub struct Ready {
    package: InstalledPackage,
    claims: BTreeSet<String>,
    found: Found,
    attached: Attached,
}

impl Ready {
    /// As it will be recorded.
    #[must_use]
    pub const fn package(&self) -> &InstalledPackage {
        &self.package
    }
}

impl Installer {
    /// Pulls and checks one version. Nothing says yet that it is installed.
    ///
    /// # Errors
    /// When it is not what was agreed to, or any check fails.
    pub async fn prepare(&self, order: &Order, allowed: Allowed) -> Result<Ready, InstallError> {
        let (name, version) = (&order.name, &order.version);
        let found = self.hub.find(name, version, Some(order.manifest)).await?;
        if found.manifest.digest != order.manifest {
            return Err(InstallError::Changed {
                name: name.clone(),
                version: version.clone(),
                expected: Box::new(order.manifest),
                found: Box::new(found.manifest.digest),
            });
        }
        let attached = self.hub.attached(&found).await?;
        let installed = self.installed(name).await?;
        let accepted = self.accept(order, &found, &attached, &installed, allowed)?;
        let stated = match accepted.statement() {
            Some(statement) => statement.components.iter().cloned().collect(),
            None => self.described(&found).await?,
        };
        let asks = asks(&stated);
        let agreed = installed.iter().flat_map(|package| &package.agreed);
        let agreed: BTreeSet<_> = agreed.chain(&order.agreed).cloned().collect();
        if let Some(ask) = asks.iter().find(|ask| !agreed.contains(*ask)) {
            return Err(InstallError::NotAgreed {
                name: name.clone(),
                version: version.clone(),
                ask: ask.clone(),
            });
        }
        self.own(order, &stated).await?;
        let components = self.components(&found, &accepted).await?;
        let document = &found.document;
        let package = InstalledPackage {
            name: name.clone(),
            version: version.clone(),
            description: document.description.clone(),
            manifest: found.manifest.digest,
            origin: accepted.origin().clone(),
            key: accepted.key().map(|key| key.to_string()),
            serial: accepted.statement().map(|statement| statement.serial),
            registry: found.registry.clone(),
            at: self.clock.now(),
            dependencies: document.dependencies.clone(),
            components,
            agreed: asks,
            templates: document.templates.clone(),
        };
        Ok(Ready {
            package,
            claims: order.claims.clone(),
            found,
            attached,
        })
    }

    /// Records a version: from now on it is installed.
    ///
    /// # Errors
    /// When the store is not available, or somebody took a name meanwhile.
    pub async fn commit(&self, ready: Ready) -> Result<InstalledPackage, InstallError> {
        let package = ready.package;
        self.hub.keep(&ready.found, &ready.attached)?;
        for segment in package.segments() {
            let claim = Claim {
                namespace: package.name.namespace().to_owned(),
                key: package.key.clone(),
            };
            let there = installed::claim(&*self.records, &self.tenant, &segment).await?;
            let expect = match there {
                Some(there) if there.namespace == claim.namespace => continue,
                Some(_) if ready.claims.contains(&segment) => Expect::Any,
                _ => Expect::Absent,
            };
            installed::put_claim(&*self.records, &self.tenant, &segment, &claim, expect).await?;
        }
        installed::put(&*self.records, &self.tenant, &package).await?;
        Ok(package)
    }

    /// The checks; a key that is the first for its namespace is pinned if that
    /// was agreed to, and then everything is checked again.
    fn accept(
        &self,
        order: &Order,
        found: &Found,
        attached: &Attached,
        installed: &[InstalledPackage],
        allowed: Allowed,
    ) -> Result<Accepted, InstallError> {
        let refused = |refusal| InstallError::Refused {
            name: order.name.clone(),
            version: order.version.clone(),
            refusal: Box::new(refusal),
        };
        let report = self.check(found, attached, installed, allowed)?;
        if let Verdict::FirstUse(first) = &report.verdict
            && order.trust == Some(first.key.id())
        {
            let namespace = order.name.namespace();
            let scope: Scope = namespace.parse().map_err(|_| {
                refused(crate::verify::Refusal::UnknownKey {
                    namespace: namespace.to_owned(),
                    key: first.key.id(),
                })
            })?;
            self.trust
                .change(|text, file| edit::pin(text, file, &scope, &BTreeSet::new(), &first.key))?;
            let report = self.check(found, attached, installed, allowed)?;
            return report.accepted().map_err(refused);
        }
        report.accepted().map_err(refused)
    }

    /// Whether the actions' first segments are free, or this publisher's.
    async fn own(&self, order: &Order, stated: &[StatedComponent]) -> Result<(), InstallError> {
        let namespace = order.name.namespace();
        for action in stated.iter().flat_map(|component| &component.actions) {
            let segment = segment(action);
            let owner = if RESERVED.contains(&segment) {
                "Nebula itself".to_owned()
            } else {
                let claim = installed::claim(&*self.records, &self.tenant, segment).await?;
                match claim {
                    Some(claim)
                        if claim.namespace != namespace && !order.claims.contains(segment) =>
                    {
                        format!("`{}`", claim.namespace)
                    }
                    _ => continue,
                }
            };
            return Err(InstallError::Claimed {
                name: order.name.clone(),
                action: action.clone(),
                segment: segment.to_owned(),
                owner,
            });
        }
        Ok(())
    }

    /// Pulls the components, has them compiled and described, and keeps their
    /// bytes in the store.
    async fn components(
        &self,
        found: &Found,
        accepted: &Accepted,
    ) -> Result<Vec<InstalledComponent>, InstallError> {
        let name = &found.document.name;
        let mut components = Vec::new();
        for (entry, layer) in found.document.components.iter().zip(&found.layers) {
            let size = layer.component.size;
            let tell = |stage, bytes| {
                self.watcher.tell(Progress {
                    package: name.clone(),
                    version: found.document.version.clone(),
                    component: entry.name.clone(),
                    stage,
                    bytes,
                    size,
                });
            };
            let pulled = |bytes| tell(Stage::Pulling, bytes);
            let bytes = self
                .hub
                .watched_component(name, &layer.component, &pulled)
                .await?;
            let verified = accepted.component(bytes)?;
            tell(Stage::Compiling, size);
            let prepared = self.runner.prepare(&verified).await;
            tell(Stage::Ready, size);
            let prepared = prepared.map_err(|failure| HubError::Prepare {
                name: format!("`{}` of {name}", entry.name),
                failure,
            })?;
            if prepared.actions.is_empty() {
                return Err(HubError::NoActions {
                    name: format!("`{}` of {name}", entry.name),
                }
                .into());
            }
            if let Some(stated) = accepted.stated(verified.digest()) {
                let covered = stated.covers_actions(&prepared.actions);
                covered.map_err(|unstated| InstallError::Unstated {
                    name: name.clone(),
                    unstated: Box::new(unstated),
                })?;
            }
            let component: &Component = &verified;
            self.records.put_blob(component.bytes().clone()).await?;
            components.push(InstalledComponent {
                name: entry.name.clone(),
                digest: component.digest(),
                size: entry.size,
                effect: prepared.effect,
                actions: prepared.actions,
            });
        }
        Ok(components)
    }
}
