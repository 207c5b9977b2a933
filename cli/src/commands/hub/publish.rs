//! `nebula hub publish`: built, checked in the sandbox, signed, pushed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use nebula_hub::PackageName;
use nebula_hub::artifact::{Part, build};
use nebula_hub::package::{PackageDocument, PackageManifest, manifest, read_version};
use nebula_hub::publish::{Publication, publish};
use nebula_hub::statement::StatedComponent;
use nebula_sandbox::nebula_flow::definition::Document;
use nebula_sandbox::nebula_flow::ports::Runner;
use serde_json::json;

use super::places::Places;
use super::{now, signer, trouble};
use crate::commands::{Context, action, credential};
use crate::error::{Error, Result};
use crate::output;

/// Build, sign and publish a package: `nebula hub publish my-actions-pack v1.0.0`
#[derive(Debug, clap::Args)]
pub(crate) struct Publish {
    /// The package's folder, with its nebula.toml; or the crate of one action
    path: PathBuf,
    /// The version, if nebula.toml does not say it; a leading `v` is accepted
    version: Option<String>,
    /// The key that signs, by its name
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Build and check everything, and push nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    places: Places,
}

pub(crate) async fn run(context: &Context, args: Publish) -> Result<ExitCode> {
    let manifest = read(&args.path)?;
    let name = PackageName::within(&args.places.namespace, &manifest.name);
    let name = name.map_err(|error| Error::refused(error.to_string()))?;
    let version = version(&manifest, args.version.as_deref())?;
    let document = manifest
        .document(name, version)
        .map_err(|error| Error::refused(error.to_string()))?;
    check_templates(&document)?;
    let key = signer::signer(args.key.as_deref())?;
    let (parts, stated) = components(&manifest).await?;
    let artifact = build(document, &parts).map_err(|error| Error::refused(error.to_string()))?;
    let document = &artifact.document;
    let digest = artifact.top.digest();
    if args.dry_run {
        let answer =
            json!({ "name": document.name, "version": document.version, "digest": digest });
        let text = format!("{} {} would be {digest}", document.name, document.version);
        return credential::report(context, &answer, &text);
    }
    let remote = args.places.first(context).await?;
    let published = publish(Publication {
        remote: &remote,
        artifact: &artifact,
        stated,
        key: &key,
        now: now(),
    })
    .await
    .map_err(|error| trouble::publish(&error))?;
    let answer = json!({
        "name": published.name, "version": published.version, "digest": published.manifest,
        "repository": published.repository, "key": key.public().id().to_string(),
        "serial": published.serial,
    });
    let text = format!(
        "{} {} is published: {}:{}\n  {}\n  signed by {}",
        published.name,
        published.version,
        published.repository,
        published.version,
        published.manifest,
        key.public().id(),
    );
    credential::report(context, &answer, &text)
}

/// The folder's `nebula.toml`, or the crate of one action.
fn read(path: &Path) -> Result<PackageManifest> {
    let read = if path.join(manifest::FILE).is_file() {
        PackageManifest::read(path)
    } else if path.join("Cargo.toml").is_file() {
        PackageManifest::of_crate(path)
    } else {
        return Err(Error::refused(format!(
            "`{}` has neither a nebula.toml nor a Cargo.toml",
            path.display()
        ))
        .hint("name the folder of a package; docs/hub.md says what its nebula.toml has"));
    };
    read.map_err(|error| Error::refused(error.to_string()))
}

/// The version of the folder, of the command line, or of both if they agree.
fn version(manifest: &PackageManifest, given: Option<&str>) -> Result<semver::Version> {
    let given = given.map(read_version).transpose();
    let given = given.map_err(|error| Error::refused(error.to_string()))?;
    match (&manifest.version, given) {
        (Some(written), Some(given)) if *written != given => Err(Error::refused(format!(
            "the package is version {written}, and {given} was asked for"
        ))
        .hint("make the two the same, or leave the version out of one place")),
        (Some(written), _) => Ok(written.clone()),
        (None, Some(given)) => Ok(given),
        (None, None) => Err(Error::refused("no version is given")
            .hint("add one, e.g. v1.0.0, or write `version` in nebula.toml")),
    }
}

/// A template that is no workflow would only be found by who installs it.
fn check_templates(document: &PackageDocument) -> Result<()> {
    for template in &document.templates {
        let read = Document::parse(&template.workflow).and_then(|parsed| parsed.definition());
        if let Err(diagnostics) = read {
            let first = diagnostics.first().map(|d| d.message.clone());
            let first = first.unwrap_or_default();
            let name = &template.name;
            return Err(Error::refused(format!(
                "the template `{name}` is not a workflow: {first}"
            ))
            .hint("`nebula workflow validate FILE` names every mistake"));
        }
    }
    Ok(())
}

/// Builds the components, and asks each in the sandbox what it is.
async fn components(manifest: &PackageManifest) -> Result<(Vec<Part>, Vec<StatedComponent>)> {
    let sandbox = action::sandbox::start(None, None)?;
    let (mut parts, mut stated) = (Vec::new(), Vec::new());
    for (name, path) in &manifest.components {
        let file = action::build::component(path).await?;
        let refused = |error: String| Error::refused(format!("component `{name}`: {error}"));
        let component = nebula_hub::local(&file).map_err(|error| refused(error.to_string()))?;
        let prepared = sandbox.prepare(&component).await;
        let prepared = prepared.map_err(|failure| refused(failure.to_string()))?;
        if prepared.actions.is_empty() {
            return Err(refused("it describes no action".into())
                .hint("list its actions in `nebula_sdk::export!`"));
        }
        let one = StatedComponent::of(&component, &prepared.actions);
        stated.push(one.map_err(|fault| refused(fault.to_string()))?);
        parts.push(Part {
            name: name.clone(),
            bytes: component.bytes().clone(),
        });
    }
    if stated.is_empty() && manifest.components.is_empty() {
        output::note("the package has templates only");
    }
    Ok((parts, stated))
}
