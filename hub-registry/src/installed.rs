//! What is installed: a record per version of a package, and one per first
//! segment of action ids, which says whose it is. Components are blobs of the
//! store. A version is installed once its record is there; everything that it
//! needs was written before.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use nebula_flow::component::Origin;
use nebula_flow::id::TenantId;
use nebula_flow::ports::{Expect, Kind, Record, RecordError, Records, ResolvedAction};
use nebula_flow::{ActionId, ActionMetadata, Digest, Effect, Timestamp};
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use crate::key::KeyId;
use crate::package::{PackageName, Template};

/// Versions of packages that one tenant has.
const MAX_INSTALLED: usize = 10_000;

/// A version of a package, as it was installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Which package.
    pub name: PackageName,
    /// Which version; ranges of workflows are compared with it.
    pub version: Version,
    /// One or two sentences.
    #[serde(default)]
    pub description: String,
    /// Its top manifest.
    pub manifest: Digest,
    /// Why its components may run.
    pub origin: Origin,
    /// The key that signed it.
    #[serde(default)]
    pub key: Option<String>,
    /// The serial of its statement.
    #[serde(default)]
    pub serial: Option<u64>,
    /// Where it was pulled from.
    #[serde(default)]
    pub registry: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What it depends on.
    #[serde(default)]
    pub dependencies: BTreeMap<PackageName, VersionReq>,
    /// Its components.
    pub components: Vec<InstalledComponent>,
    /// What was agreed to.
    #[serde(default)]
    pub agreed: BTreeSet<Ask>,
    /// Workflows to begin with.
    #[serde(default)]
    pub templates: Vec<Template>,
}

/// A component of an installed package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstalledComponent {
    /// Within the package.
    pub name: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Bytes that it has.
    pub size: u64,
    /// Known from its imports.
    pub effect: Effect,
    /// Its actions, as it describes them.
    pub actions: Vec<ActionMetadata>,
}

/// Something that a package asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "kebab-case")]
pub enum Ask {
    /// To send requests to this host; `*` when hosts come from its input.
    Host(String),
    /// To use a credential of this name.
    Credential(String),
    /// To use what the host has: `http`, `credentials`.
    Capability(String),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) if host == "*" => {
                f.write_str("reach hosts that its input names, each by a grant")
            }
            Self::Host(host) => write!(f, "reach {host}"),
            Self::Credential(name) => write!(f, "use the credential `{name}`"),
            Self::Capability(name) => write!(f, "use {name}"),
        }
    }
}

/// Who a first segment of action ids belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The publisher's namespace, whose keys the trust policy names.
    pub namespace: String,
    /// The key that signed the package by which it was claimed.
    #[serde(default)]
    pub key: Option<String>,
}

impl InstalledPackage {
    /// The action of this id, under the package's version.
    #[must_use]
    pub fn action(&self, id: &ActionId) -> Option<ResolvedAction> {
        self.components.iter().find_map(|component| {
            let metadata = component.actions.iter().find(|action| action.id == *id)?;
            Some(self.resolved(component, metadata))
        })
    }

    /// All of its actions.
    pub fn actions(&self) -> impl Iterator<Item = (ActionId, ResolvedAction)> {
        self.components.iter().flat_map(|component| {
            let resolved =
                |action: &ActionMetadata| (action.id.clone(), self.resolved(component, action));
            component.actions.iter().map(resolved)
        })
    }

    fn resolved(&self, component: &InstalledComponent, action: &ActionMetadata) -> ResolvedAction {
        let mut metadata = action.clone();
        // What a range is compared with is what is shown.
        metadata.version = self.version.clone();
        ResolvedAction {
            digest: component.digest,
            effect: component.effect,
            metadata: Arc::new(metadata),
            origin: self.origin.clone(),
        }
    }

    /// The first segments of its actions' ids.
    #[must_use]
    pub fn segments(&self) -> BTreeSet<String> {
        let ids = self.components.iter().flat_map(|c| &c.actions);
        ids.map(|action| segment(&action.id).to_owned()).collect()
    }

    /// What is compared with what is offered later.
    #[must_use]
    pub fn as_verified(&self) -> crate::verify::Installed {
        crate::verify::Installed {
            version: self.version.clone(),
            manifest: self.manifest,
            serial: self.serial,
            key: self
                .key
                .as_deref()
                .and_then(|text| text.parse::<KeyId>().ok()),
        }
    }

    fn record_key(&self) -> String {
        record_key(&self.name, &self.version)
    }
}

/// The first segment of an action's id.
#[must_use]
pub fn segment(id: &ActionId) -> &str {
    id.as_str().split('.').next().unwrap_or_default()
}

fn record_key(name: &PackageName, version: &Version) -> String {
    format!("{name}/{version}")
}

/// All versions of all packages, or of one.
///
/// # Errors
/// When the records cannot be read.
pub async fn list(
    records: &dyn Records,
    tenant: &TenantId,
    name: Option<&PackageName>,
) -> Result<Vec<InstalledPackage>, RecordError> {
    let prefix = name.map(|name| format!("{name}/")).unwrap_or_default();
    let found = records
        .list(Kind::Package, tenant, &prefix, None, MAX_INSTALLED)
        .await?;
    let mut all: Vec<InstalledPackage> = found
        .iter()
        .map(|(_, record)| read(record))
        .collect::<Result<_, _>>()?;
    all.sort_by(|one, other| (&one.name, &other.version).cmp(&(&other.name, &one.version)));
    Ok(all)
}

/// Records a version as installed. Once it returns, that is on disk.
///
/// # Errors
/// When the records are not available.
pub async fn put(
    records: &dyn Records,
    tenant: &TenantId,
    package: &InstalledPackage,
) -> Result<(), RecordError> {
    let key = package.record_key();
    let value = write(package)?;
    records
        .put(Kind::Package, tenant, &key, value, Expect::Any)
        .await
        .map(drop)
}

/// Forgets a version; whether it was installed. What is deployed keeps its
/// bytes.
///
/// # Errors
/// When the records are not available.
pub async fn remove(
    records: &dyn Records,
    tenant: &TenantId,
    name: &PackageName,
    version: &Version,
) -> Result<bool, RecordError> {
    let key = record_key(name, version);
    records.remove(Kind::Package, tenant, &key).await
}

/// Whose a first segment is, if it is anybody's.
///
/// # Errors
/// When the records cannot be read.
pub async fn claim(
    records: &dyn Records,
    tenant: &TenantId,
    segment: &str,
) -> Result<Option<Claim>, RecordError> {
    let record = records.get(Kind::Claim, tenant, segment).await?;
    record.as_ref().map(read).transpose()
}

/// Gives a first segment to a publisher; `expect` says whether it may be
/// somebody's already.
///
/// # Errors
/// When the records are not available, or somebody else was faster.
pub async fn put_claim(
    records: &dyn Records,
    tenant: &TenantId,
    segment: &str,
    claim: &Claim,
    expect: Expect,
) -> Result<(), RecordError> {
    let value = write(claim)?;
    records
        .put(Kind::Claim, tenant, segment, value, expect)
        .await
        .map(drop)
}

fn write<T: Serialize>(value: &T) -> Result<bytes::Bytes, RecordError> {
    serde_json::to_vec(value)
        .map(Into::into)
        .map_err(|error| RecordError::Damaged(error.to_string()))
}

fn read<T: for<'de> Deserialize<'de>>(record: &Record) -> Result<T, RecordError> {
    serde_json::from_slice(&record.value).map_err(|error| RecordError::Damaged(error.to_string()))
}
