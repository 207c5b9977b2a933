//! `nebula hub show` and `search`: what registries have.

use std::collections::BTreeMap;
use std::process::ExitCode;

use nebula_hub::PackageName;
use nebula_hub::oci::Remote;
use nebula_hub::package::PackageDocument;
use semver::Version;
use serde_json::{Value, json};

use super::places::{Places, hub};
use super::trouble;
use crate::commands::Context;
use crate::error::{Error, Exit, Result};
use crate::output::{self, Show};

/// Look at a package in the registry: what it has, its versions
#[derive(Debug, clap::Args)]
pub(crate) struct ShowArgs {
    /// `name[@range]`
    package: String,
    #[command(flatten)]
    places: Places,
}

/// Look for packages by a text in their names or descriptions
#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// The text; without it, all packages are listed
    #[arg(default_value = "")]
    text: String,
    /// At most this many
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    limit: usize,
    #[command(flatten)]
    places: Places,
}

pub(crate) async fn show(context: &Context, args: ShowArgs) -> Result<ExitCode> {
    let wanted = args.places.wanted(&args.package)?;
    let hub = args.places.hub(context).await?;
    let said = |error| trouble::fetch(&error);
    let versions = hub.versions(&wanted.name).await.map_err(said)?;
    let fits = versions
        .iter()
        .find(|version| wanted.range.matches(version));
    let Some(version) = fits else {
        let there: Vec<_> = versions.iter().map(ToString::to_string).collect();
        return Err(Error::refused(format!(
            "no version of {} is in {}; it has {}",
            wanted.name,
            wanted.range,
            there.join(", ")
        ))
        .with_exit(Exit::NotFound));
    };
    let found = hub.find(&wanted.name, version, None).await.map_err(said)?;
    let document = &found.document;
    let answer = json!({
        "name": document.name, "version": document.version, "digest": found.manifest.digest,
        "registry": found.registry, "description": document.description,
        "license": document.license, "authors": document.authors,
        "repository": document.repository, "versions": versions,
        "components": document.components, "dependencies": document.dependencies,
        "templates": document.templates, "readme": document.readme,
    });
    if !context.format.is_for_people() {
        output::value(context.format, &answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    for line in lines(document, &answer) {
        output::line(&line)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn lines(document: &PackageDocument, answer: &Value) -> Vec<String> {
    let mut lines = vec![format!("{} {}", document.name, document.version)];
    let mut add = |what: &str, text: String| {
        if !text.is_empty() {
            lines.push(format!("  {what:<13}{}", output::one_line(&text)));
        }
    };
    let joined = |texts: Vec<String>| texts.join(", ");
    add("description", document.description.clone());
    add("license", document.license.clone());
    add("authors", document.authors.join(", "));
    add("source", document.repository.clone());
    add(
        "digest",
        answer["digest"].as_str().unwrap_or_default().into(),
    );
    add(
        "registry",
        answer["registry"].as_str().unwrap_or_default().into(),
    );
    let versions = answer["versions"].as_array().into_iter().flatten();
    add(
        "versions",
        joined(
            versions
                .filter_map(|v| v.as_str().map(str::to_owned))
                .collect(),
        ),
    );
    let components = document.components.iter();
    add(
        "components",
        joined(
            components
                .map(|c| format!("{} ({})", c.name, output::bytes(c.size)))
                .collect(),
        ),
    );
    let templates = document.templates.iter();
    add(
        "templates",
        joined(templates.map(|t| t.name.clone()).collect()),
    );
    let dependencies = document.dependencies.iter();
    add(
        "needs",
        joined(dependencies.map(|(n, r)| format!("{n}@{r}")).collect()),
    );
    if !document.readme.is_empty() {
        lines.push(String::new());
        let clean = |line: &str| line.chars().filter(|c| !c.is_control()).collect();
        lines.extend(document.readme.lines().map(clean));
    }
    lines
}

pub(crate) async fn search(context: &Context, args: Search) -> Result<ExitCode> {
    let mut rows: Vec<Value> = Vec::new();
    let wanted = args.text.to_lowercase();
    for remote in args.places.remotes(context).await? {
        let registry = remote.registry().to_string();
        for offer in offers(context, remote).await? {
            if rows.len() >= args.limit {
                break;
            }
            let words = format!("{} {}", offer.name, offer.description.to_lowercase());
            if words.contains(&wanted) {
                rows.push(json!({
                    "name": offer.name, "version": offer.version,
                    "description": offer.description, "registry": registry,
                }));
            }
        }
    }
    let answer = json!({ "items": rows });
    output::rows(
        context.format,
        &answer,
        &rows,
        &[
            ("PACKAGE", "/name", Show::Key),
            ("VERSION", "/version", Show::Key),
            ("DESCRIPTION", "/description", Show::Text),
            ("REGISTRY", "/registry", Show::Wide(&Show::Text)),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The newest version of a package, in a list.
struct Offer {
    name: PackageName,
    version: Version,
    description: String,
}

/// What a registry has: in the words of its signed index, if it has one.
async fn offers(context: &Context, remote: Remote) -> Result<Vec<Offer>> {
    let said = |error| trouble::registry(&error);
    let hub = hub(context, vec![remote]).await?;
    let Some(remote) = hub.remotes.first() else {
        return Ok(Vec::new());
    };
    if let Some(index) = hub.listing(remote).map_err(said)? {
        // In the order of name and version: the last one of a name is the newest.
        let newest: BTreeMap<_, _> = index
            .versions
            .iter()
            .map(|entry| (&entry.name, entry))
            .collect();
        let offers = newest.into_values().map(|entry| Offer {
            name: entry.name.clone(),
            version: entry.version.clone(),
            description: entry.description.clone(),
        });
        return Ok(offers.collect());
    }
    let mut offers = Vec::new();
    for name in remote.catalog().await.map_err(said)? {
        // One that does not read is not one that a person looks for.
        let Ok(versions) = hub.versions(&name).await else {
            continue;
        };
        let Some(newest) = versions.into_iter().next() else {
            continue;
        };
        let Ok(found) = hub.find(&name, &newest, None).await else {
            continue;
        };
        offers.push(Offer {
            name,
            version: newest,
            description: found.document.description,
        });
    }
    Ok(offers)
}
