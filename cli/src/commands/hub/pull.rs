//! One component of a package in a registry, to be looked at.

use nebula_hub::PackageName;
use nebula_sandbox::nebula_flow::component::Origin;
use nebula_sandbox::nebula_flow::{Component, Digest, Verified};
use semver::Version;

use super::places::Places;
use super::{trouble, verify};
use crate::commands::Context;
use crate::error::{Error, Result};

/// A component, and where it was.
pub(in crate::commands) struct Pulled {
    pub(in crate::commands) component: Verified<Component>,
    /// Its name in the package.
    pub(in crate::commands) name: String,
    pub(in crate::commands) package: PackageName,
    pub(in crate::commands) version: Version,
    /// Of the package's manifest.
    pub(in crate::commands) manifest: Digest,
    /// None if it was in the cache.
    pub(in crate::commands) registry: Option<String>,
}

/// Pulls the package's component, or the one of this name. Whoever signed it is not
/// asked: it is as good as a file that a person names.
pub(in crate::commands) async fn component(
    context: &Context,
    places: &Places,
    package: &str,
    name: Option<&str>,
) -> Result<Pulled> {
    let wanted = places.wanted(package)?;
    let hub = places.hub(context).await?;
    let found = verify::newest(&hub, &wanted).await?;
    let document = &found.document;
    let names = || {
        let names: Vec<_> = document
            .components
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        names.join(", ")
    };
    let whole = format!("{} {}", document.name, document.version);
    let index = match (name, document.components.as_slice()) {
        (Some(name), components) => {
            components
                .iter()
                .position(|c| c.name == name)
                .ok_or_else(|| {
                    Error::refused(format!("{whole} has no component `{name}`"))
                        .hint(format!("it has: {}", names()))
                })?
        }
        (None, [_]) => 0,
        (None, []) => return Err(Error::refused(format!("{whole} has no component"))),
        (None, _) => {
            return Err(Error::refused(format!("{whole} has several components"))
                .hint(format!("choose one with --component: {}", names())));
        }
    };
    let (entry, layer) = (&document.components[index], &found.layers[index].component);
    let bytes = hub.component(&document.name, layer).await;
    let bytes = bytes.map_err(|error| trouble::fetch(&error))?;
    let component = nebula_hub::stored(bytes, layer.digest, Origin::Local);
    Ok(Pulled {
        component: component.map_err(|error| Error::refused(error.to_string()))?,
        name: entry.name.clone(),
        package: document.name.clone(),
        version: document.version.clone(),
        manifest: found.manifest.digest,
        registry: found.registry.clone(),
    })
}
