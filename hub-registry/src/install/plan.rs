//! What would come, what it asks for, whose it is. Nothing is kept.

use std::collections::BTreeSet;

use nebula_flow::component::Origin;
use nebula_flow::{Component, Digest};

use super::{Allowed, InstallError, Installer, asks};
use crate::fetch::{Attached, Found};
use crate::installed::{self, Ask, InstalledPackage};
use crate::key::PublicKey;
use crate::resolve::{Question, solve};
use crate::source;
use crate::statement::StatedComponent;
use crate::verify::{Check, Verdict};

/// What would come, dependencies first.
#[derive(Debug)]
pub struct Plan {
    /// In the order in which they would be installed.
    pub packages: Vec<Planned>,
}

/// A version of a package that would come.
#[derive(Debug)]
pub struct Planned {
    /// What was found.
    pub found: Found,
    /// The checks that were made, each with its result.
    pub checks: Vec<Check>,
    /// Who vouches for it.
    pub signed: Signed,
    /// All that it asks for.
    pub asks: BTreeSet<Ask>,
    /// What of that nobody agreed to yet.
    pub new: BTreeSet<Ask>,
    /// The versions of it that are installed, the newest first.
    pub installed: Vec<InstalledPackage>,
    /// First segments of its actions that belong to somebody else.
    pub claimed: Vec<(String, String)>,
}

/// Who vouches for a version.
#[derive(Debug, Clone)]
pub enum Signed {
    /// A key that is trusted, under this name.
    Trusted(PublicKey, String),
    /// A key that is met for the first time.
    First(PublicKey),
    /// Nobody, or no statement, where the policy allows it.
    Otherwise(Origin, Option<String>),
}

impl Planned {
    /// Whether exactly this is installed.
    #[must_use]
    pub fn is_installed(&self) -> bool {
        let same = |p: &InstalledPackage| p.manifest == self.found.manifest.digest;
        self.installed.iter().any(same)
    }
}

impl Installer {
    /// Plans: resolves, reads and checks all that would come.
    ///
    /// # Errors
    /// When something does not go together, cannot be read or is refused.
    pub async fn plan(&self, question: Question, allowed: Allowed) -> Result<Plan, InstallError> {
        let found = solve(self.hub.clone(), question).await?;
        let mut packages = Vec::new();
        for found in found {
            packages.push(self.look(found, allowed).await?);
        }
        Ok(Plan { packages })
    }

    /// The checks of one version, with their results, whatever they are.
    ///
    /// # Errors
    /// When what hangs on it cannot be read.
    pub async fn explain(
        &self,
        found: &Found,
        allowed: Allowed,
    ) -> Result<crate::verify::Report, InstallError> {
        let attached = self.hub.attached(found).await?;
        self.check(found, &attached, &[], allowed)
    }

    async fn look(&self, found: Found, allowed: Allowed) -> Result<Planned, InstallError> {
        let attached = self.hub.attached(&found).await?;
        let installed = self.installed(&found.document.name).await?;
        let report = self.check(&found, &attached, &installed, allowed)?;
        let checks = report.checks;
        let (signed, stated) = match report.verdict {
            Verdict::Refused(refusal) => {
                return Err(InstallError::Refused {
                    name: found.document.name.clone(),
                    version: found.document.version.clone(),
                    refusal: Box::new(refusal),
                });
            }
            Verdict::FirstUse(first) => {
                let stated = self.stated_by(&attached, found.manifest.digest);
                (Signed::First(first.key), stated)
            }
            Verdict::Accepted(accepted) => match accepted.statement() {
                Some(statement) => {
                    let label = accepted.trusted_as().unwrap_or_default().to_owned();
                    let signed = Signed::Trusted(statement.publisher.clone(), label);
                    (signed, statement.components.iter().cloned().collect())
                }
                None => {
                    let origin = accepted.origin().clone();
                    let label = accepted.trusted_as().map(str::to_owned);
                    let stated = self.described(&found).await?;
                    (Signed::Otherwise(origin, label), stated)
                }
            },
        };
        let asks = asks(&stated);
        let agreed = installed.iter().flat_map(|package| &package.agreed);
        let agreed: BTreeSet<_> = agreed.cloned().collect();
        let new = asks.difference(&agreed).cloned().collect();
        let claimed = self.claimed(&found, &stated).await?;
        Ok(Planned {
            found,
            checks,
            signed,
            asks,
            new,
            installed,
            claimed,
        })
    }

    /// What a statement says whose key is not trusted yet; its signature was
    /// checked.
    fn stated_by(&self, attached: &Attached, manifest: Digest) -> Vec<StatedComponent> {
        let bundles = attached.bundles.iter();
        let statements = bundles.filter_map(|bytes| {
            let bundle = crate::envelope::Bundle::parse(bytes).ok()?;
            crate::statement::Statement::verify(&bundle).ok()
        });
        let mut of_it = statements.filter(|statement| statement.manifest == manifest);
        let components = of_it.next().map(|statement| statement.components);
        components.into_iter().flatten().collect()
    }

    /// What components without a statement say of themselves, in the sandbox.
    pub(super) async fn described(
        &self,
        found: &Found,
    ) -> Result<Vec<StatedComponent>, InstallError> {
        let mut stated = Vec::new();
        for layer in &found.layers {
            let name = &found.document.name;
            let bytes = self.hub.component(name, &layer.component).await?;
            let component = Component::new(bytes);
            let origin = Origin::Unsigned;
            let verified = source::packaged(name, component.clone(), None, origin)?;
            let prepared = self.runner.prepare(&verified).await;
            let prepared = prepared.map_err(|failure| crate::HubError::Prepare {
                name: name.to_string(),
                failure,
            })?;
            let one = StatedComponent::of(&component, &prepared.actions);
            stated.push(one.map_err(|fault| crate::HubError::Structure {
                name: name.to_string(),
                fault,
            })?);
        }
        Ok(stated)
    }

    async fn claimed(
        &self,
        found: &Found,
        stated: &[StatedComponent],
    ) -> Result<Vec<(String, String)>, InstallError> {
        let actions = stated.iter().flat_map(|component| &component.actions);
        let segments: BTreeSet<_> = actions.map(installed::segment).collect();
        let namespace = found.document.name.namespace();
        let mut claimed = Vec::new();
        for segment in segments {
            if crate::catalog::RESERVED.contains(&segment) {
                claimed.push((segment.to_owned(), "Nebula itself".to_owned()));
                continue;
            }
            let claim = installed::claim(&*self.records, &self.tenant, segment).await?;
            if let Some(claim) = claim
                && claim.namespace != namespace
            {
                claimed.push((segment.to_owned(), format!("`{}`", claim.namespace)));
            }
        }
        Ok(claimed)
    }
}
