//! Installing what was planned and agreed to: pulled, checked again, granted,
//! recorded last.

use nebula_api::access::Grant;
use nebula_api::package::{
    InstallPackage, InstallPackages, InstalledPackages, NotGranted, PackageAsk,
};
use nebula_flow::{Digest, grant};
use nebula_hub::PackageName;
use nebula_hub::install::{Installer, Order, Watcher};
use nebula_hub::installed::{Ask, InstalledPackage};
use nebula_hub::key::KeyId;

use super::packages::{allowed, installer, version, wire};
use super::{Error, Result, grants};
use crate::app::App;

/// Versions that one request may install.
const MAX_PACKAGES: usize = 500;

/// Installs. A version is installed once this has recorded it, with all that it
/// depends on before it; whatever ends this earlier leaves the rest as it was. The
/// watcher is told how far it has come.
pub(crate) async fn install(
    app: &App,
    request: InstallPackages,
    watcher: Watcher,
) -> Result<InstalledPackages> {
    if request.packages.len() > MAX_PACKAGES {
        return Err(Error::InvalidBody {
            pointer: "/packages".into(),
            message: format!("at most {MAX_PACKAGES} are installed at once"),
        });
    }
    let orders = request
        .packages
        .iter()
        .map(order)
        .collect::<Result<Vec<_>>>()?;
    let allowed = allowed(&request.options);
    let _one = app.packages.installing.lock().await;
    let installer = Installer {
        watcher,
        ..installer(app, &request.options).await?
    };
    // All are checked before the first is recorded.
    let mut ready = Vec::new();
    for order in &orders {
        ready.push(installer.prepare(order, allowed).await?);
    }
    let mut answer = InstalledPackages {
        packages: Vec::new(),
        not_granted: Vec::new(),
    };
    for ready in ready {
        let denied = give_grants(app, ready.package()).await?;
        answer.not_granted.extend(denied);
        let package = installer.commit(ready).await?;
        tracing::info!(package = %package.name, version = %package.version, digest = %package.manifest, "a package is installed");
        answer.packages.push(wire(&package));
    }
    Ok(answer)
}

/// Grants each action the hosts that were agreed to, except where there is a
/// grant: an operator may have said more there.
async fn give_grants(app: &App, package: &InstalledPackage) -> Result<Vec<NotGranted>> {
    let mut denied = Vec::new();
    let actions = package.components.iter().flat_map(|c| &c.actions);
    for action in actions {
        let there = grant::list_grants(&*app.records, &app.tenant, Some(&action.id), None, 200);
        let there = there.await?;
        for host in action.hosts.iter().filter(|host| *host != "*") {
            if there.iter().any(|grant| grant::covers(host, &grant.host)) {
                continue;
            }
            let asked = Grant {
                action: action.id.to_string(),
                host: host.clone(),
                schemes: Vec::new(),
                at: None,
                methods: Vec::new(),
            };
            match grants::add(app, asked).await {
                Ok(_) => {}
                Err(Error::InvalidBody { message, .. }) => denied.push(NotGranted {
                    action: action.id.to_string(),
                    host: host.clone(),
                    reason: message,
                }),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(denied)
}

fn order(package: &InstallPackage) -> Result<Order> {
    let refuse = |message: String| Error::InvalidBody {
        pointer: "/packages".into(),
        message,
    };
    let name = package.name.parse::<PackageName>();
    let name = name.map_err(|error| refuse(error.to_string()))?;
    let manifest = package.digest.parse::<Digest>();
    let manifest = manifest.map_err(|error| refuse(error.to_string()))?;
    let trust = package.trust.as_deref().map(str::parse::<KeyId>);
    let trust = trust.transpose().map_err(|e| refuse(e.to_string()))?;
    let agreed = package.agreed.iter().map(agreed).collect::<Result<_>>()?;
    Ok(Order {
        name,
        version: version(&package.version, "/packages")?,
        manifest,
        agreed,
        trust,
        claims: package.claims.iter().cloned().collect(),
    })
}

fn agreed(ask: &PackageAsk) -> Result<Ask> {
    let name = ask.name.clone();
    match ask.kind.as_str() {
        "host" => Ok(Ask::Host(name)),
        "credential" => Ok(Ask::Credential(name)),
        "capability" => Ok(Ask::Capability(name)),
        kind => Err(Error::InvalidBody {
            pointer: "/packages".into(),
            message: format!("nothing is asked for by the kind `{kind}`"),
        }),
    }
}
