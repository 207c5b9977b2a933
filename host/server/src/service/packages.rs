//! Packages: what is installed, and taking it away.

use std::collections::BTreeMap;

use nebula_api::package::{
    Package, PackageAsk, PackageOptions, PackageTemplate, PackageVersion, PackagesQuery,
};
use nebula_api::{Page, Time};
use nebula_flow::ActionId;
use nebula_hub::PackageName;
use nebula_hub::fetch::{FetchError, Hub};
use nebula_hub::install::{Allowed, InstallError, Installer};
use nebula_hub::installed::{self, Ask, InstalledPackage};
use nebula_hub::package::Template;
use nebula_hub::reference::Registry;
use semver::Version;

use super::{Error, Result, actions, paging};
use crate::app::App;

/// A page of versions by name, the newest of each first.
pub(crate) async fn list(app: &App, query: PackagesQuery) -> Result<Page<Package>> {
    let limit = paging::limit(query.limit)?;
    let all = installed::list(&*app.records, &app.tenant, None).await?;
    let all: Vec<Package> = all.iter().map(wire).collect();
    let begin = match &query.cursor {
        Some(cursor) => {
            let at = all.iter().position(|package| key(package) == *cursor);
            at.map_or(all.len(), |at| at + 1)
        }
        None => 0,
    };
    let items = all.into_iter().skip(begin).take(limit + 1).collect();
    Ok(paging::page(items, limit, key))
}

fn key(package: &Package) -> String {
    format!("{}@{}", package.name, package.version)
}

/// The installed versions of a package, the newest first.
pub(crate) async fn get(app: &App, namespace: &str, name: &str) -> Result<Page<Package>> {
    let name = PackageName::new(namespace, name).map_err(|e| Error::PackageId(e.to_string()))?;
    let all = installed::list(&*app.records, &app.tenant, Some(&name)).await?;
    if all.is_empty() {
        return Err(InstallError::NotInstalled(name.to_string()).into());
    }
    Ok(Page {
        items: all.iter().map(wire).collect(),
        next_cursor: None,
    })
}

/// Forgets a version, or all of a package. What is deployed keeps its bytes.
pub(crate) async fn remove(
    app: &App,
    namespace: &str,
    name: &str,
    query: PackageVersion,
) -> Result<Page<Package>> {
    let name = PackageName::new(namespace, name).map_err(|e| Error::PackageId(e.to_string()))?;
    let version = query
        .version
        .as_deref()
        .map(|text| version(text, "version"));
    let version = version.transpose()?;
    let _one = app.packages.installing.lock().await;
    let installer = app.packages.installer(app, app.packages.hub_of(&[]).await?);
    let gone = installer.remove(&name, version.as_ref()).await?;
    Ok(Page {
        items: gone.iter().map(wire).collect(),
        next_cursor: None,
    })
}

/// What installs, over the registries that a request names or the node's own.
pub(super) async fn installer(app: &App, options: &PackageOptions) -> Result<Installer> {
    let named = options
        .registries
        .iter()
        .map(|text| text.parse::<Registry>());
    let named: Vec<_> = named
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::InvalidBody {
            pointer: "/options/registries".into(),
            message: error.to_string(),
        })?;
    let registries = if named.is_empty() {
        app.packages.registries()
    } else {
        &named[..]
    };
    let hub: Hub = match options.offline {
        true => app.packages.hub_of(&[]).await?,
        false if registries.is_empty() => {
            return Err(InstallError::from(FetchError::NoRegistry).into());
        }
        false => app.packages.offering(app, registries).await?,
    };
    Ok(app.packages.installer(app, hub))
}

/// What the operator allows.
pub(super) const fn allowed(options: &PackageOptions) -> Allowed {
    Allowed {
        older: options.allow_older,
        unsigned: options.allow_unsigned,
    }
}

/// A version in a request.
pub(super) fn version(text: &str, pointer: &str) -> Result<Version> {
    Version::parse(text).map_err(|error| Error::InvalidBody {
        pointer: pointer.into(),
        message: format!("not a version: {error}"),
    })
}

/// A version of a package as the wire has it.
pub(super) fn wire(package: &InstalledPackage) -> Package {
    let actions = package.components.iter().flat_map(|c| &c.actions);
    Package {
        name: package.name.to_string(),
        version: package.version.to_string(),
        description: package.description.clone(),
        digest: package.manifest.to_string(),
        origin: actions::origin(&package.origin).into(),
        key: package.key.clone(),
        registry: package.registry.clone(),
        installed_at: Time::from_millis(package.at.as_millis()),
        actions: actions
            .map(|action| ActionId::to_string(&action.id))
            .collect(),
        asks: package.agreed.iter().map(ask).collect(),
        dependencies: ranges(&package.dependencies),
        templates: package.templates.iter().map(template).collect(),
    }
}

pub(super) fn ranges(all: &BTreeMap<PackageName, semver::VersionReq>) -> BTreeMap<String, String> {
    let text =
        |(name, range): (&PackageName, &semver::VersionReq)| (name.to_string(), range.to_string());
    all.iter().map(text).collect()
}

pub(super) fn ask(ask: &Ask) -> PackageAsk {
    let (kind, name) = match ask {
        Ask::Host(name) => ("host", name),
        Ask::Credential(name) => ("credential", name),
        Ask::Capability(name) => ("capability", name),
    };
    PackageAsk {
        kind: kind.into(),
        name: name.clone(),
    }
}

pub(super) fn template(template: &Template) -> PackageTemplate {
    PackageTemplate {
        name: template.name.clone(),
        description: template.description.clone(),
        holes: serde_json::to_value(&template.holes).unwrap_or_default(),
        workflow: template.workflow.clone(),
    }
}
