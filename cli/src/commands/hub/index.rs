//! `nebula hub index …`: the signed list of what a registry has, so that it can
//! neither hide a new version nor show an old list for ever.

use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use nebula_hub::PackageName;
use nebula_hub::fetch::Hub;
use nebula_hub::index::{self, Index, LeftOut, gather};
use nebula_hub::oci::Remote;
use nebula_hub::serve::tokens::lifetime;
use serde_json::{Value, json};

use super::places::{Places, policy};
use super::{cache, now, signer, trouble};
use crate::commands::{Context, credential};
use crate::error::{Error, Exit, Result};
use crate::output::{self, Show};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexVerb {
    Publish(PublishIndex),
    Show(ShowIndex),
}

/// List what the registry has that this node would take, sign the list, and put it there
#[derive(Debug, clap::Args)]
pub(crate) struct PublishIndex {
    /// The key that signs, by its name
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// How long it counts, e.g. 12h or 30d; publish the next one before
    #[arg(long, value_name = "TIME", default_value = "7d")]
    expires_in: String,
    /// Only this package (repeatable), where the registry does not list what it has
    #[arg(long = "package", value_name = "NAME")]
    packages: Vec<String>,
    #[command(flatten)]
    places: Places,
}

/// Show the registry's signed index, checked as an install would
#[derive(Debug, clap::Args)]
pub(crate) struct ShowIndex {
    #[command(flatten)]
    places: Places,
}

pub(crate) async fn run(context: &Context, verb: IndexVerb) -> Result<ExitCode> {
    match verb {
        IndexVerb::Publish(args) => publish(context, args).await,
        IndexVerb::Show(args) => show(context, args).await,
    }
}

async fn publish(context: &Context, args: PublishIndex) -> Result<ExitCode> {
    let life = lifetime(&args.expires_in).map_err(|_| {
        Error::refused(format!(
            "`{}` is not how long an index counts",
            args.expires_in
        ))
        .hint("write `12h` or `30d`")
    })?;
    let key = signer::signer(args.key.as_deref())?;
    let remote = args.places.first(context).await?;
    let names = names(&remote, &args).await?;
    let source = remote.registry().to_string();
    // Not by an older index, which this one is to take the place of.
    let hub = Hub::new(cache::open(context)?, vec![remote]);
    let (index, left_out) = list(context, &hub, &names, (source, life)).await?;
    let signed = index.sign(&key);
    let signed = signed.map_err(|error| Error::refused(error.to_string()))?;
    for remote in &hub.remotes {
        index::push(remote, signed.clone())
            .await
            .map_err(|error| trouble::registry(&error))?;
    }
    let noted = hub.cache.saw(&index.source, index.serial);
    noted.map_err(cache::refused)?;
    let answer = json!({
        "source": index.source, "serial": index.serial, "expires": index.expires.to_string(),
        "versions": index.versions.len(), "left_out": left_out,
        "key": key.public().id().to_string(),
    });
    let text = format!(
        "the index of {} has {}, and counts until {}\n  signed by {}",
        index.source,
        output::things(index.versions.len(), "version"),
        index.expires,
        key.public().id()
    );
    credential::report(context, &answer, &text)
}

/// The packages that are looked at.
async fn names(remote: &Remote, args: &PublishIndex) -> Result<Vec<PackageName>> {
    if args.packages.is_empty() {
        let listed = remote.catalog().await;
        return listed.map_err(|error| trouble::registry(&error));
    }
    args.packages
        .iter()
        .map(|text| args.places.wanted(text).map(|wanted| wanted.name))
        .collect()
}

/// The index of a hub's only registry, which has this name and counts for so long;
/// and how many versions are not in it.
async fn list(
    context: &Context,
    hub: &Hub,
    names: &[PackageName],
    (source, life): (String, Duration),
) -> Result<(Index, usize)> {
    let (versions, left_out) = gather(hub, names, &policy(context)?, now())
        .await
        .map_err(|error| trouble::fetch(&error))?;
    for LeftOut {
        name,
        version,
        reason,
    } in &left_out
    {
        output::aside(&format!(
            "{name} {version} is left out: {}",
            output::one_line(reason)
        ));
    }
    // Serials count upwards with this machine's clock, or on from what was seen.
    let seen = hub.cache.seen(&source).map_err(cache::refused)?;
    let time = now();
    let index = Index {
        source,
        serial: time.as_millis().max(seen.map_or(0, |seen| seen + 1)),
        time,
        expires: time.plus(life),
        versions,
    };
    Ok((index, left_out.len()))
}

async fn show(context: &Context, args: ShowIndex) -> Result<ExitCode> {
    let hub = args.places.hub(context).await?;
    let mut rows: Vec<Value> = Vec::new();
    let mut indexes: Vec<Value> = Vec::new();
    for remote in &hub.remotes {
        let index = hub
            .listing(remote)
            .map_err(|error| trouble::registry(&error))?;
        let Some(index) = index else {
            let source = remote.registry();
            return Err(
                Error::refused(format!("nobody is trusted to sign an index of {source}"))
                    .hint(format!(
                        "say who may: nebula hub trust add NAMESPACE KEY.pub --index {source}"
                    ))
                    .with_exit(Exit::Untrusted),
            );
        };
        rows.extend(index.versions.iter().map(|entry| {
            json!({
                "name": entry.name, "version": entry.version, "digest": entry.manifest,
                "description": entry.description, "publisher": entry.publisher.to_string(),
            })
        }));
        indexes.push(json!({
            "source": index.source, "serial": index.serial, "expires": index.expires.to_string(),
        }));
        if context.format.is_for_people() {
            output::aside(&format!(
                "{}: serial {}, counts until {}",
                index.source, index.serial, index.expires
            ));
        }
    }
    let answer = json!({ "indexes": indexes, "items": rows });
    output::rows(
        context.format,
        &answer,
        &rows,
        &[
            ("PACKAGE", "/name", Show::Key),
            ("VERSION", "/version", Show::Key),
            ("DESCRIPTION", "/description", Show::Text),
            ("SIGNED BY", "/publisher", Show::Wide(&Show::Text)),
            ("DIGEST", "/digest", Show::Wide(&Show::Text)),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}
