//! The package document: what a package is and has, in one JSON text that its
//! publisher's signature covers.

use std::collections::BTreeMap;

use nebula_flow::Digest;
use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

use super::PackageError;
use super::name::PackageName;
use super::template::Template;

/// Bytes of a document: a few times what a readme, an icon and a dozen
/// templates have, and well within the 4 MiB that registries take as a manifest.
pub const MAX_DOCUMENT: usize = 1 << 20;
/// Components of one package.
pub const MAX_COMPONENTS: usize = 64;
/// Dependencies of one package.
pub const MAX_DEPENDENCIES: usize = 256;

/// The highest number of a range; arithmetic with it never overflows.
const MAX_NUMBER: u64 = 1 << 53;

const API_VERSION: &str = "nebula/v1";
const KIND: &str = "Package";

/// What a package is and has. A field that is not known is refused: a document
/// says nothing that its reader would pass over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PackageDocument {
    api_version: String,
    kind: String,
    /// `namespace/name`.
    pub name: PackageName,
    /// Of the package; the range of a workflow's `id@range` is compared with it.
    pub version: Version,
    /// One or two sentences.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// An SPDX expression.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub license: String,
    /// `Name <address>` each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
    /// Where its source is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// Markdown.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub readme: String,
    /// A `data:` URL of an SVG or PNG.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// In the order of `nebula.toml`.
    pub components: Vec<ComponentEntry>,
    /// Workflows to begin with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// Packages whose actions the templates use, by range.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dependencies: BTreeMap<PackageName, VersionReq>,
}

/// A component of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentEntry {
    /// Within the package, after the rule for names of packages.
    pub name: String,
    /// Of its bytes.
    pub digest: Digest,
    /// Bytes that it has.
    pub size: u64,
}

impl PackageDocument {
    /// A document with these components and nothing else to say.
    #[must_use]
    pub fn new(name: PackageName, version: Version, components: Vec<ComponentEntry>) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            name,
            version,
            description: String::new(),
            license: String::new(),
            authors: Vec::new(),
            repository: String::new(),
            readme: String::new(),
            icon: String::new(),
            components,
            templates: Vec::new(),
            dependencies: BTreeMap::new(),
        }
    }

    /// Reads a document that may be anybody's.
    ///
    /// # Errors
    /// When it is too large, is not a document of this version, or breaks a rule.
    pub fn read(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(PackageError::Document(format!(
                "has {} bytes; a package document has at most {MAX_DOCUMENT}",
                bytes.len()
            )));
        }
        let document: Self = serde_json::from_slice(bytes)
            .map_err(|error| PackageError::Document(format!("does not read: {error}")))?;
        document.check()?;
        Ok(document)
    }

    /// The one text of this document: the same content gives the same bytes.
    ///
    /// # Errors
    /// When it breaks a rule.
    pub fn write(&self) -> Result<Vec<u8>, PackageError> {
        self.check()?;
        let bytes = serde_json::to_vec(self)
            .map_err(|error| PackageError::Document(format!("cannot be written: {error}")))?;
        if bytes.len() > MAX_DOCUMENT {
            return Err(PackageError::Document(format!(
                "has {} bytes with its readme, icon and templates; a package document has at most {MAX_DOCUMENT}",
                bytes.len()
            )));
        }
        Ok(bytes)
    }

    fn check(&self) -> Result<(), PackageError> {
        let broken = |what: String| Err(PackageError::Document(what));
        if self.api_version != API_VERSION || self.kind != KIND {
            return broken(format!(
                "is `{}` of `{}`; this program reads `{KIND}` of `{API_VERSION}`",
                self.kind, self.api_version
            ));
        }
        check_version(&self.version)?;
        if self.components.is_empty() && self.templates.is_empty() {
            return broken("lists neither a component nor a template".into());
        }
        if self.components.len() > MAX_COMPONENTS {
            return broken(format!("lists more than {MAX_COMPONENTS} components"));
        }
        if self.dependencies.len() > MAX_DEPENDENCIES {
            return broken(format!("lists more than {MAX_DEPENDENCIES} dependencies"));
        }
        if self.dependencies.contains_key(&self.name) {
            return broken("depends on itself".into());
        }
        let too_high = |range: &VersionReq| {
            let high = |number: u64| number > MAX_NUMBER;
            range
                .comparators
                .iter()
                .any(|c| high(c.major) || c.minor.is_some_and(high) || c.patch.is_some_and(high))
        };
        if let Some((name, _)) = self.dependencies.iter().find(|(_, range)| too_high(range)) {
            return broken(format!("depends on {name} in versions that none has"));
        }
        let names = self.components.iter().map(|c| &c.name);
        let names = names.chain(self.templates.iter().map(|t| &t.name));
        let mut seen = std::collections::BTreeSet::new();
        for name in names {
            if !super::name::is_part(name) {
                return broken(format!(
                    "names a part `{}`; write words of a-z and 0-9 joined by `-`",
                    name.escape_debug()
                ));
            }
            if !seen.insert(name) {
                return broken(format!("names two parts `{name}`"));
            }
        }
        self.templates.iter().try_for_each(Template::check)
    }
}

/// Whether a version can be published: OCI tags have no `+`, and two versions
/// that differ only in build metadata are equal to semver.
///
/// # Errors
/// When it has build metadata.
pub fn check_version(version: &Version) -> Result<(), PackageError> {
    if version.build.is_empty() {
        return Ok(());
    }
    Err(PackageError::Version {
        version: version.to_string(),
        reason: "has build metadata, which a tag cannot have; leave the part from `+` on away"
            .into(),
    })
}

/// A version as people write it: a leading `v` is accepted.
///
/// # Errors
/// When it is not semver, or has build metadata.
pub fn read_version(text: &str) -> Result<Version, PackageError> {
    let version = Version::parse(text.strip_prefix('v').unwrap_or(text)).map_err(|error| {
        PackageError::Version {
            version: text.chars().take(60).collect(),
            reason: format!("is not a semantic version ({error}); write e.g. 1.0.0"),
        }
    })?;
    check_version(&version)?;
    Ok(version)
}
