//! Where the component comes from.

use std::path::Path;

use nebula_hub::reference::Wanted;
use nebula_sandbox::nebula_flow::{Component, Verified};
use serde_json::{Value, json};

use super::super::super::Context;
use super::super::super::hub::pull;
use super::super::{build, sandbox};
use super::Inspect;
use crate::error::{Error, Result};
use crate::output;

/// A component, and what it was found as.
pub(super) struct Found {
    pub(super) component: Verified<Component>,
    pub(super) source: String,
    /// Name, version and digest, if it is a package's.
    pub(super) package: Option<Value>,
}

pub(super) async fn find(context: &Context, args: &Inspect) -> Result<Found> {
    let path = Path::new(&args.what);
    if !path.exists() {
        return package(context, args).await;
    }
    if args.component.is_some() {
        return Err(Error::refused(format!(
            "`{}` is a file or folder, and --component chooses among those of a package",
            args.what
        ))
        .hint("leave --component out"));
    }
    let file = build::component(path).await?;
    Ok(Found {
        component: sandbox::check(&file)?,
        source: file.display().to_string(),
        package: None,
    })
}

async fn package(context: &Context, args: &Inspect) -> Result<Found> {
    let what = &args.what;
    let missing = |why: &str| Error::refused(format!("there is no file `{what}`{why}"));
    if Wanted::read(what, &args.places.namespace).is_err() {
        return Err(missing(", and no package can have that name")
            .hint("name a .wasm file, a folder with a Cargo.toml, or a package like greet@^1"));
    }
    if let Err(error) = args.places.registries(context) {
        return Err(missing(&format!(
            ", and a package of that name cannot be looked for: {error}"
        ))
        .hint("for a package add --registry host:port; for a file, look at its path"));
    }
    let pulled = pull::component(context, &args.places, what, args.component.as_deref()).await?;
    output::note("not verified: `nebula hub verify` says who signed the package");
    Ok(Found {
        component: pulled.component,
        source: format!("{} {}", pulled.package, pulled.version),
        package: Some(json!({
            "name": pulled.package, "version": pulled.version, "digest": pulled.manifest,
            "component": pulled.name, "registry": pulled.registry,
        })),
    })
}
