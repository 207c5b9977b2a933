//! `nebula hub remove`: what is deployed keeps its components.

use std::path::PathBuf;
use std::process::ExitCode;

use http::Method;
use nebula_hub::PackageName;
use nebula_hub::lock::{self, Lock};
use nebula_hub::package::read_version;

use super::consent::{items, text};
use crate::client::Body;
use crate::commands::{Context, credential};
use crate::error::{Error, Result};

/// Remove a package; workflows that are deployed go on
#[derive(Debug, clap::Args)]
pub(crate) struct Remove {
    /// `name`, or `name@version` for one version
    package: String,
    /// The lock file
    #[arg(long, value_name = "FILE", default_value = lock::FILE)]
    lock_file: PathBuf,
    /// The namespace of a bare name
    #[arg(
        long,
        env = "NEBULA_PACKAGES_NAMESPACE",
        value_name = "NAME",
        default_value = "local"
    )]
    namespace: String,
}

pub(crate) async fn run(context: &Context, args: Remove) -> Result<ExitCode> {
    let refused = |error: &dyn std::fmt::Display| Error::refused(error.to_string());
    let (name, version) = match args.package.split_once('@') {
        Some((name, version)) => (name, Some(read_version(version).map_err(|e| refused(&e))?)),
        None => (args.package.as_str(), None),
    };
    let name = PackageName::within(&args.namespace, name).map_err(|e| refused(&e))?;
    let query = version
        .as_ref()
        .map(|version| format!("?version={version}"));
    let path = format!(
        "/api/v1/packages/{}/{}{}",
        name.namespace(),
        name.name(),
        query.unwrap_or_default()
    );
    let mut lock = Lock::read(&args.lock_file).map_err(|e| refused(&e))?;
    let node = context.node.connect().await?;
    let answer = node
        .client
        .call(Method::DELETE, &path, Body::default())
        .await;
    node.close().await;
    let answer = answer?;
    if let Some(lock) = &mut lock {
        let gone = |package: &serde_json::Value| {
            let mut locked = lock.packages.iter();
            locked.any(|l| l.name == name && l.version.to_string() == text(package, "version"))
        };
        if items(&answer, "items").any(gone) && lock.remove(&name) {
            lock.write(&args.lock_file).map_err(|e| refused(&e))?;
        }
    }
    let gone: Vec<_> = items(&answer, "items")
        .map(|p| text(p, "version"))
        .collect();
    let text = format!("{name} {} is removed", gone.join(", "));
    credential::report(context, &answer, &text)
}
