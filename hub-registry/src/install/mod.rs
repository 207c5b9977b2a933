//! Installing: what would come is planned and shown, a person agrees, and then
//! the same is pulled, checked and recorded. A plan changes nothing; an install
//! trusts nothing that the plan said, and checks everything again.
//!
//! - `plan`: what would come, what it asks for, whose it is.
//! - `carry`: what was agreed to, carried out.
//! - `progress`: how far that has come.

use std::collections::BTreeSet;
use std::sync::Arc;

use nebula_flow::id::TenantId;
use nebula_flow::ports::{Clock, RecordError, Records, Runner};
use nebula_flow::{ActionId, Digest};
use semver::Version;

use crate::cache::CacheError;
use crate::error::HubError;
use crate::fetch::{Attached, FetchError, Found, Hub};
use crate::installed::{self, Ask, InstalledPackage};
use crate::package::PackageName;
use crate::resolve::SolveError;
use crate::statement::{StatedComponent, Unstated};
use crate::trust::{TrustError, TrustFile};
use crate::verify::{Evidence, Refusal, Report, Request, verify};

mod carry;
mod plan;
mod progress;

pub use carry::{Order, Ready};
pub use plan::{Plan, Planned, Signed};
pub use progress::{Progress, Stage, Watcher};

/// What installing needs.
pub struct Installer {
    /// Where packages are.
    pub hub: Arc<Hub>,
    /// Whom this node trusts.
    pub trust: TrustFile,
    /// Where it is recorded.
    pub records: Arc<dyn Records>,
    /// What compiles and describes components.
    pub runner: Arc<dyn Runner>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// On whose account.
    pub tenant: TenantId,
    /// Who is told how far it has come.
    pub watcher: Watcher,
}

/// What the operator allows beyond the rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// Older versions than the installed ones.
    pub older: bool,
    /// Packages without a signature, from a registry on loopback.
    pub unsigned: bool,
}

/// Why nothing was installed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// No versions go together.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A package could not be read.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A package is not what its author signed, or its author is not trusted.
    #[error("{name} {version}: {refusal}")]
    Refused {
        /// Which package.
        name: PackageName,
        /// Which version.
        version: Version,
        /// Why.
        refusal: Box<Refusal>,
    },
    /// The trust policy.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A component.
    #[error(transparent)]
    Component(#[from] HubError),
    /// A component asks for more than was stated.
    #[error("{name}: {unstated}")]
    Unstated {
        /// Which package.
        name: PackageName,
        /// What it is.
        unstated: Box<Unstated>,
    },
    /// Nobody agreed to something.
    #[error(
        "{name} {version} asks to {ask}, and nobody agreed to that; install it again and look at what it asks for"
    )]
    NotAgreed {
        /// Which package.
        name: PackageName,
        /// Which version.
        version: Version,
        /// To what.
        ask: Ask,
    },
    /// A name that belongs to somebody else.
    #[error(
        "{name} has the action `{action}`, but names that begin with `{segment}.` belong to {owner} on this node; an \
         operator may give them to {name} with --claim {segment}"
    )]
    Claimed {
        /// Which package.
        name: PackageName,
        /// Its action.
        action: ActionId,
        /// The first segment of that.
        segment: String,
        /// Whose it is.
        owner: String,
    },
    /// The version's manifest is another than the one that was agreed to.
    #[error("{name} {version} is {found} now, and {expected} was agreed to; look at it anew")]
    Changed {
        /// Which package.
        name: PackageName,
        /// Which version.
        version: Version,
        /// As it was shown.
        expected: Box<Digest>,
        /// As it is.
        found: Box<Digest>,
    },
    /// Others depend on it.
    #[error("{name} cannot be removed: {by} depends on it; remove that first")]
    Needed {
        /// Which package.
        name: PackageName,
        /// Who.
        by: String,
    },
    /// It is not installed.
    #[error("{0} is not installed; `nebula hub list` shows what is")]
    NotInstalled(String),
    /// The cache.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The store.
    #[error(transparent)]
    Records(#[from] RecordError),
}

impl Installer {
    /// All checks of what was found, against the policy as it is now.
    fn check(
        &self,
        found: &Found,
        attached: &Attached,
        installed: &[InstalledPackage],
        allowed: Allowed,
    ) -> Result<Report, InstallError> {
        let document = &found.document;
        let same = |other: &&InstalledPackage| other.version == document.version;
        // The same version must be the same; else the newest counts.
        let installed = installed.iter().find(same).or(installed.first());
        let installed = installed.map(InstalledPackage::as_verified);
        let components = found.components();
        let request = Request {
            name: &document.name,
            version: &document.version,
            manifest: found.manifest.digest,
            components: &components,
            installed: installed.as_ref(),
            allow_older: allowed.older,
            allow_unsigned: allowed.unsigned,
            loopback: self.hub.is_loopback(found),
            now: self.clock.now(),
        };
        let evidence = Evidence {
            manifest: &found.manifest.bytes,
            bundles: &attached.bundles,
            simple: &attached.simple,
        };
        Ok(verify(&request, &evidence, &self.trust.policy()?))
    }

    /// What is installed of a package, the newest first.
    async fn installed(&self, name: &PackageName) -> Result<Vec<InstalledPackage>, InstallError> {
        Ok(installed::list(&*self.records, &self.tenant, Some(name)).await?)
    }

    /// Forgets a version, or all of a package. What is deployed keeps its bytes.
    ///
    /// # Errors
    /// When it is not installed, or others depend on it.
    pub async fn remove(
        &self,
        name: &PackageName,
        version: Option<&Version>,
    ) -> Result<Vec<InstalledPackage>, InstallError> {
        let all = installed::list(&*self.records, &self.tenant, None).await?;
        let goes =
            |p: &InstalledPackage| p.name == *name && version.is_none_or(|v| *v == p.version);
        let (gone, stay): (Vec<_>, Vec<_>) = all.into_iter().partition(goes);
        if gone.is_empty() {
            let version = version.map(|v| format!(" {v}")).unwrap_or_default();
            return Err(InstallError::NotInstalled(format!("{name}{version}")));
        }
        for other in &stay {
            let Some(range) = other.dependencies.get(name) else {
                continue;
            };
            let has = |p: &InstalledPackage| p.name == *name && range.matches(&p.version);
            if gone.iter().any(has) && !stay.iter().any(has) {
                return Err(InstallError::Needed {
                    name: name.clone(),
                    by: format!("{} {}", other.name, other.version),
                });
            }
        }
        for package in &gone {
            installed::remove(
                &*self.records,
                &self.tenant,
                &package.name,
                &package.version,
            )
            .await?;
        }
        Ok(gone)
    }
}

/// What stated components ask for.
fn asks<'a>(stated: impl IntoIterator<Item = &'a StatedComponent>) -> BTreeSet<Ask> {
    let mut asks = BTreeSet::new();
    for component in stated {
        asks.extend(component.hosts.iter().cloned().map(Ask::Host));
        asks.extend(component.credentials.iter().cloned().map(Ask::Credential));
        let names = component
            .imports
            .iter()
            .filter_map(|import| capability(import));
        asks.extend(names.map(|name| Ask::Capability(name.to_owned())));
    }
    asks
}

/// The capability that an import is, if it has an effect.
fn capability(import: &str) -> Option<&'static str> {
    let interface = import.split('@').next().unwrap_or_default();
    match interface {
        "wasi:http/outgoing-handler" => Some("http"),
        "nebula:action/credentials" => Some("credentials"),
        "nebula:action/blobs" => Some("blobs"),
        "nebula:action/state" => Some("state"),
        "nebula:action/resources" => Some("resources"),
        _ => None,
    }
}
