//! `nebula.toml`: a package as its author writes it, in a folder beside the
//! components' crates.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use semver::{Version, VersionReq};
use serde::Deserialize;
use serde_json::Value;

use super::PackageError;
use super::document::{PackageDocument, check_version};
use super::name::PackageName;
use super::template::{Hole, HoleType, MAX_WORKFLOW, Template};

/// The file's name.
pub const FILE: &str = "nebula.toml";

const MAX_TOML: u64 = 256 << 10;
const MAX_README: u64 = 256 << 10;
const MAX_ICON: u64 = 64 << 10;

/// A package as its author writes it; nothing is built yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageManifest {
    /// Where the file is.
    pub folder: PathBuf,
    /// The name as it is written: bare, or with its namespace.
    pub name: String,
    /// Unless it is given when the package is published.
    pub version: Option<Version>,
    /// What is to be built: each a crate's folder or a `.wasm` file.
    pub components: Vec<(String, PathBuf)>,
    about: Package,
    templates: Vec<TemplateEntry>,
    dependencies: BTreeMap<PackageName, VersionReq>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    package: Package,
    #[serde(default)]
    component: Vec<ComponentEntry>,
    #[serde(default)]
    template: Vec<TemplateEntry>,
    #[serde(default)]
    dependencies: BTreeMap<PackageName, VersionReq>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Package {
    name: String,
    version: Option<String>,
    #[serde(default)]
    description: String,
    #[serde(default)]
    license: String,
    #[serde(default)]
    authors: Vec<String>,
    #[serde(default)]
    repository: String,
    readme: Option<PathBuf>,
    icon: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ComponentEntry {
    name: String,
    path: PathBuf,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateEntry {
    name: String,
    path: PathBuf,
    #[serde(default)]
    description: String,
    #[serde(default)]
    holes: BTreeMap<String, HoleEntry>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct HoleEntry {
    #[serde(rename = "type")]
    kind: HoleType,
    #[serde(default)]
    description: String,
    default: Option<Value>,
}

impl PackageManifest {
    /// Reads the `nebula.toml` of a folder.
    ///
    /// # Errors
    /// When there is none, or it says something that no package has.
    pub fn read(folder: &Path) -> Result<Self, PackageError> {
        let path = folder.join(FILE);
        let bytes = read(&path, MAX_TOML)?;
        let wrong = |what: String| PackageError::Manifest {
            path: path.display().to_string(),
            what,
        };
        let text = String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8".into()))?;
        let file: File =
            toml_edit::de::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let version = file.package.version.as_deref().map(Version::parse);
        let version = version
            .transpose()
            .map_err(|error| wrong(format!("`version` is not a semantic version: {error}")))?;
        if let Some(version) = &version {
            check_version(version)?;
        }
        let components = file.component.into_iter();
        let components = components
            .map(|entry| Ok((entry.name, within(folder, &entry.path)?)))
            .collect::<Result<_, PackageError>>()?;
        Ok(Self {
            folder: folder.to_owned(),
            name: file.package.name.clone(),
            version,
            components,
            about: file.package,
            templates: file.template,
            dependencies: file.dependencies,
        })
    }

    /// A package of the one component of a crate, named and described as its
    /// `Cargo.toml` says: what one action is published as.
    ///
    /// # Errors
    /// When that file cannot be read, or has no name.
    pub fn of_crate(folder: &Path) -> Result<Self, PackageError> {
        #[derive(Deserialize)]
        struct Cargo {
            package: CargoPackage,
        }
        #[derive(Deserialize)]
        struct CargoPackage {
            name: String,
            // Each may be inherited from a workspace, and is left out then.
            #[serde(default)]
            version: Value,
            #[serde(default)]
            description: Value,
            #[serde(default)]
            license: Value,
        }
        let path = folder.join("Cargo.toml");
        let wrong = |what: String| PackageError::Manifest {
            path: path.display().to_string(),
            what,
        };
        let text =
            String::from_utf8(read(&path, MAX_TOML)?).map_err(|_| wrong("is not UTF-8".into()))?;
        let Cargo { package } =
            toml_edit::de::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let version = package.version.as_str().map(Version::parse).transpose();
        let version = version.map_err(|error| wrong(format!("`version`: {error}")))?;
        let name = package.name.replace('_', "-");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            folder: folder.to_owned(),
            name: name.clone(),
            version,
            components: vec![(name, folder.to_owned())],
            about: Package {
                description: text(&package.description),
                license: text(&package.license),
                ..Package::default()
            },
            templates: Vec::new(),
            dependencies: BTreeMap::new(),
        })
    }

    /// The document, without its components; readme, icon and templates are read.
    ///
    /// # Errors
    /// When a file cannot be read, is outside of the folder or too large.
    pub fn document(
        &self,
        name: PackageName,
        version: Version,
    ) -> Result<PackageDocument, PackageError> {
        let mut document = PackageDocument::new(name, version, Vec::new());
        document.description.clone_from(&self.about.description);
        document.license.clone_from(&self.about.license);
        document.authors.clone_from(&self.about.authors);
        document.repository.clone_from(&self.about.repository);
        document.dependencies.clone_from(&self.dependencies);
        if let Some(readme) = &self.about.readme {
            document.readme = self.text(readme, MAX_README)?;
        }
        if let Some(icon) = &self.about.icon {
            document.icon = self.icon(icon)?;
        }
        for entry in &self.templates {
            let holes = entry.holes.iter();
            document.templates.push(Template {
                name: entry.name.clone(),
                description: entry.description.clone(),
                holes: holes
                    .map(|(name, hole)| (name.clone(), hole.clone().into()))
                    .collect(),
                workflow: self.text(&entry.path, MAX_WORKFLOW as u64)?,
            });
        }
        Ok(document)
    }

    fn text(&self, path: &Path, limit: u64) -> Result<String, PackageError> {
        let path = within(&self.folder, path)?;
        String::from_utf8(read(&path, limit)?).map_err(|_| PackageError::Manifest {
            path: path.display().to_string(),
            what: "is not UTF-8".into(),
        })
    }

    fn icon(&self, path: &Path) -> Result<String, PackageError> {
        let path = within(&self.folder, path)?;
        let extension = path.extension().and_then(|e| e.to_str());
        let media_type = match extension {
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            _ => {
                return Err(PackageError::Manifest {
                    path: path.display().to_string(),
                    what: "is neither .svg nor .png; an icon is one of them".into(),
                });
            }
        };
        let bytes = read(&path, MAX_ICON)?;
        let data = data_encoding::BASE64.encode(&bytes);
        Ok(format!("data:{media_type};base64,{data}"))
    }
}

impl From<HoleEntry> for Hole {
    fn from(entry: HoleEntry) -> Self {
        Self {
            kind: entry.kind,
            description: entry.description,
            default: entry.default,
        }
    }
}

/// A path within the folder: a manifest that came from elsewhere publishes no
/// file of its user's.
fn within(folder: &Path, path: &Path) -> Result<PathBuf, PackageError> {
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if path.components().all(inside) {
        return Ok(folder.join(path));
    }
    Err(PackageError::Manifest {
        path: folder.join(FILE).display().to_string(),
        what: format!("names `{}`, which is outside of its folder", path.display()),
    })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, PackageError> {
    let unreadable = |error| PackageError::Read {
        path: path.display().to_string(),
        error,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(PackageError::Manifest {
            path: path.display().to_string(),
            what: format!("has more than {limit} bytes"),
        });
    }
    Ok(bytes)
}
