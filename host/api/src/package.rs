//! Packages: what would be installed, installing it, what is installed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::Time;

/// Where packages are looked for, and what is allowed beyond the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PackageOptions {
    /// Registries in order, in place of the node's own list.
    pub registries: Vec<String>,
    /// Whether to ask no registry, and use only what the node has.
    pub offline: bool,
    /// Whether older versions than the installed ones will do.
    pub allow_older: bool,
    /// Whether packages without a signature will do, from a registry on loopback.
    pub allow_unsigned: bool,
}

/// What to plan for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanPackages {
    /// `name[@range]` each; a bare name is in the node's default namespace.
    pub wanted: Vec<String>,
    /// What a lock says: manifests that are known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locked: Vec<LockedPackage>,
    /// Where from.
    #[serde(default)]
    pub options: PackageOptions,
}

/// A version that a lock fixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedPackage {
    /// `namespace/name`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// Of the manifest, `sha256:…`.
    pub digest: String,
}

/// What would be installed, dependencies first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PackagePlan {
    /// In the order in which they are installed.
    pub packages: Vec<PlannedPackage>,
}

/// A version that would be installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PlannedPackage {
    /// `namespace/name`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// One or two sentences.
    pub description: String,
    /// Its manifest, `sha256:…`.
    pub digest: String,
    /// Where it was found; absent for the node's cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// Why it may run: `statement`, `cosign-only` or `unsigned`.
    pub origin: String,
    /// The key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The name under which that key is trusted; absent if it is met for the
    /// first time and would be trusted from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_as: Option<String>,
    /// Whether exactly this is installed already.
    pub is_installed: bool,
    /// Versions of it that are installed, the newest first.
    pub installed: Vec<String>,
    /// All that it asks for.
    pub asks: Vec<PackageAsk>,
    /// What of that nobody agreed to yet.
    pub new: Vec<PackageAsk>,
    /// First segments of its actions' ids that belong to somebody else.
    pub claimed: Vec<ClaimedSegment>,
    /// By name, its ranges.
    pub dependencies: BTreeMap<String, String>,
    /// The checks that were made.
    pub checks: Vec<PackageCheck>,
    /// Workflows to begin with.
    pub templates: Vec<PackageTemplate>,
}

/// Something that a package asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageAsk {
    /// `host`, `credential` or `capability`.
    pub kind: String,
    /// Which; `*` for hosts that come from its input.
    pub name: String,
}

/// A first segment of action ids, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClaimedSegment {
    /// For example `weather` of `weather.fetch`.
    pub segment: String,
    /// In words.
    pub owner: String,
}

/// A check and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackageCheck {
    /// What was checked.
    pub what: String,
    /// `passed`, `asked` or `failed`.
    pub outcome: String,
    /// What was found.
    pub detail: String,
}

/// A workflow to begin with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PackageTemplate {
    /// Within the package.
    pub name: String,
    /// One or two sentences.
    #[serde(default)]
    pub description: String,
    /// What is to be filled in, by name: type, description, default.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub holes: Value,
    /// The workflow document, YAML or JSON.
    pub workflow: String,
}

/// What to install: versions of a plan, and what was agreed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallPackages {
    /// In the order of the plan.
    pub packages: Vec<InstallPackage>,
    /// Where from.
    #[serde(default)]
    pub options: PackageOptions,
}

/// One version to install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InstallPackage {
    /// `namespace/name`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// Its manifest, as the plan says.
    pub digest: String,
    /// What was agreed to.
    #[serde(default)]
    pub agreed: Vec<PackageAsk>,
    /// The key to trust for its namespace from now on, if it is the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<String>,
    /// First segments of action ids to take from whoever has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
}

/// What was installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct InstalledPackages {
    /// All of them, those that were here already too.
    pub packages: Vec<Package>,
    /// Hosts that were agreed to and need an operator's word more, with why.
    pub not_granted: Vec<NotGranted>,
}

/// How far a component has come while its package is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InstallProgress {
    /// Of which package: `namespace/name`.
    pub package: String,
    /// Of which version.
    pub version: String,
    /// The component, as its package names it.
    pub component: String,
    /// `pulling`, `compiling` or `ready`.
    pub stage: String,
    /// Bytes that the node has.
    pub bytes: u64,
    /// Bytes that it has in all.
    pub size: u64,
}

/// A host that an action asks for and is not granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NotGranted {
    /// Which action.
    pub action: String,
    /// Which host.
    pub host: String,
    /// Why not.
    pub reason: String,
}

/// A version of a package that is installed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Package {
    /// `namespace/name`.
    pub name: String,
    /// Semver.
    pub version: String,
    /// One or two sentences.
    pub description: String,
    /// Its manifest, `sha256:…`.
    pub digest: String,
    /// Why it may run: `statement`, `cosign-only` or `unsigned`.
    pub origin: String,
    /// The key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Where it was pulled from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    /// When.
    pub installed_at: Time,
    /// Its actions.
    pub actions: Vec<String>,
    /// What it asks for, all of it agreed to.
    pub asks: Vec<PackageAsk>,
    /// By name, its ranges.
    pub dependencies: BTreeMap<String, String>,
    /// Workflows to begin with.
    pub templates: Vec<PackageTemplate>,
}

/// Which packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PackagesQuery {
    /// Where the page begins: `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// Items of a page, 1 to 200; 50 if absent.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Which version of a package; all of them if absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PackageVersion {
    /// Semver.
    pub version: Option<String>,
}
