//! `nebula hub install` and `update`: planned by the node, agreed to here,
//! carried out by the node, written to the lock.

use std::path::PathBuf;
use std::process::ExitCode;

use http::Method;
use nebula_hub::lock::{self, Lock, Locked};
use semver::VersionReq;
use serde_json::{Value, json};

use super::consent::{self, items, text};
use super::deploy::{self, TemplateArgs};
use super::places::Places;
use super::progress;
use crate::client::{Body, Client};
use crate::commands::Context;
use crate::error::{Error, Exit, Result};
use crate::output;

/// Install packages: shows what they ask for, and asks you first
#[derive(Debug, clap::Args)]
pub(crate) struct Install {
    /// `name[@range]` each; without any, what the lock says
    packages: Vec<String>,
    /// Install exactly what the lock says, or nothing
    #[arg(long)]
    locked: bool,
    #[command(flatten)]
    template: TemplateArgs,
    #[command(flatten)]
    how: How,
}

/// Install the newest versions that the ranges in the lock allow
#[derive(Debug, clap::Args)]
pub(crate) struct Update {
    /// Only these
    packages: Vec<String>,
    #[command(flatten)]
    how: How,
}

/// How, and what is allowed.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Ask no registry; use what the node has
    #[arg(long)]
    offline: bool,
    /// Agree to all that is asked for, and trust keys that are met for the first time
    #[arg(short, long)]
    yes: bool,
    /// Take an older version than the installed one
    #[arg(long)]
    allow_older: bool,
    /// Take packages without a signature, from a registry on this machine
    #[arg(long)]
    allow_unsigned: bool,
    /// Give the names of actions that begin with this to the package (repeatable)
    #[arg(long = "claim", value_name = "SEGMENT")]
    claims: Vec<String>,
    /// The lock file
    #[arg(long, value_name = "FILE", default_value = lock::FILE)]
    lock_file: PathBuf,
    #[command(flatten)]
    places: Places,
}

/// What is asked of the node, and what becomes of the lock.
struct Ask<'a> {
    wanted: Vec<String>,
    lock: Lock,
    kept: Vec<&'a Locked>,
    is_locked: bool,
}

pub(crate) async fn install(context: &Context, args: Install) -> Result<ExitCode> {
    let how = &args.how;
    let lock = read_lock(how)?;
    if args.locked && lock.is_none() {
        let file = how.lock_file.display();
        return Err(Error::refused(format!(
            "there is no {file} to install from"
        )));
    }
    let lock = lock.unwrap_or_default();
    let there = lock.clone();
    let mut wanted = Vec::new();
    for package in &args.packages {
        let one = how.places.wanted(package)?;
        let is_locked = there.packages.iter().any(|locked| locked.name == one.name);
        if args.locked && !is_locked {
            return Err(Error::refused(format!("{} is not in the lock", one.name))
                .hint("leave --locked away to add it"));
        }
        wanted.push(one.to_string());
    }
    if args.locked || wanted.is_empty() {
        let chosen = there.packages.iter().filter(|locked| {
            args.packages.is_empty() || wanted.iter().any(|w| w.starts_with(locked.name.as_str()))
        });
        // Exactly these versions; what they depend on is in the lock too.
        wanted = chosen
            .map(|locked| format!("{}@{}", locked.name, locked.version))
            .collect();
    }
    if wanted.is_empty() {
        return Err(Error::refused("no package is named, and the lock has none")
            .hint("name one: nebula hub install acme/weather"));
    }
    let ask = Ask {
        wanted,
        kept: there.packages.iter().collect(),
        lock,
        is_locked: args.locked || args.packages.is_empty(),
    };
    go(context, ask, how, Some(&args.template)).await
}

pub(crate) async fn update(context: &Context, args: Update) -> Result<ExitCode> {
    let how = &args.how;
    let lock = read_lock(how)?.unwrap_or_default();
    let names: Vec<_> = args
        .packages
        .iter()
        .map(|package| how.places.wanted(package).map(|wanted| wanted.name))
        .collect::<Result<_>>()?;
    let there = lock.clone();
    if let Some(name) = names
        .iter()
        .find(|name| there.packages.iter().all(|l| l.name != **name))
    {
        return Err(Error::refused(format!("{name} is not in the lock"))
            .hint(format!("nebula hub install {name}"))
            .with_exit(Exit::NotFound));
    }
    let goes = |locked: &&Locked| names.is_empty() || names.contains(&locked.name);
    let roots = there
        .packages
        .iter()
        .filter(|locked| locked.wanted.is_some());
    let wanted: Vec<_> = roots.map(range_of).collect();
    if wanted.is_empty() {
        return Err(Error::refused("the lock has nothing to update")
            .hint("install something first: nebula hub install acme/weather"));
    }
    let ask = Ask {
        wanted,
        kept: there
            .packages
            .iter()
            .filter(|locked| !goes(locked))
            .collect(),
        lock,
        is_locked: false,
    };
    go(context, ask, how, None).await
}

/// A package and the range that a person asked for.
fn range_of(locked: &Locked) -> String {
    match &locked.wanted {
        Some(range) if *range != VersionReq::STAR => format!("{}@{range}", locked.name),
        _ => locked.name.to_string(),
    }
}

fn read_lock(how: &How) -> Result<Option<Lock>> {
    Lock::read(&how.lock_file).map_err(|error| Error::refused(error.to_string()))
}

async fn go(
    context: &Context,
    ask: Ask<'_>,
    how: &How,
    template: Option<&TemplateArgs>,
) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let result = with_node(context, &node.client, ask, how, template).await;
    node.close().await;
    result
}

async fn with_node(
    context: &Context,
    client: &Client,
    ask: Ask<'_>,
    how: &How,
    template: Option<&TemplateArgs>,
) -> Result<ExitCode> {
    let plan = plan(client, &ask, how).await?;
    if ask.is_locked {
        as_locked(&plan, &ask.lock)?;
    }
    let orders = consent::agree(&plan, &how.claims, how.yes)?;
    let body = json!({ "packages": orders, "options": options(how) });
    let answer = progress::install(client, &body, context.format.is_for_people()).await?;
    let lock = locked(ask, &plan, how)?;
    lock.write(&how.lock_file)
        .map_err(|error| Error::refused(error.to_string()))?;
    report(context, &answer)?;
    if let Some(template) = template {
        deploy::deploy(context, client, &answer, template).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn plan(client: &Client, ask: &Ask<'_>, how: &How) -> Result<Value> {
    let kept = ask.kept.iter().map(
        |locked| json!({ "name": locked.name, "version": locked.version, "digest": locked.digest }),
    );
    let body = json!({
        "wanted": ask.wanted,
        "locked": kept.collect::<Vec<_>>(),
        "options": options(how),
    });
    if how.places.named().is_empty() && !how.offline {
        output::note("asking the node's own registries");
    }
    client
        .call(Method::POST, "/api/v1/packages/plan", Body::json(&body))
        .await
}

fn options(how: &How) -> Value {
    json!({
        "registries": how.places.named(),
        "offline": how.offline,
        "allow_older": how.allow_older,
        "allow_unsigned": how.allow_unsigned,
    })
}

/// Whether a plan is what the lock says, all of it.
fn as_locked(plan: &Value, lock: &Lock) -> Result<()> {
    for package in items(plan, "packages") {
        let same = lock.packages.iter().any(|locked| {
            text(package, "name") == locked.name.as_str()
                && text(package, "digest") == locked.digest.to_string()
        });
        if !same {
            return Err(Error::refused(format!(
                "{} {} is not what the lock says",
                text(package, "name"),
                text(package, "version")
            ))
            .hint("install it by its name to write the lock anew")
            .with_exit(Exit::Altered));
        }
    }
    Ok(())
}

/// The lock with what the plan brought.
fn locked(ask: Ask<'_>, plan: &Value, how: &How) -> Result<Lock> {
    let odd = |what: &str| Error::node(format!("the node's plan has an odd {what}"));
    let mut lock = ask.lock.clone();
    for package in items(plan, "packages") {
        let name: nebula_hub::PackageName =
            text(package, "name").parse().map_err(|_| odd("name"))?;
        let asked = ask
            .wanted
            .iter()
            .filter_map(|wanted| how.places.wanted(wanted).ok());
        let asked = asked
            .filter(|wanted| wanted.name == name)
            .map(|w| w.range)
            .next();
        let before = ask.lock.packages.iter().find(|locked| locked.name == name);
        let kept = before.and_then(|locked| locked.wanted.clone());
        lock.put(Locked {
            version: text(package, "version")
                .parse()
                .map_err(|_| odd("version"))?,
            digest: text(package, "digest").parse().map_err(|_| odd("digest"))?,
            key: package["key"].as_str().map(str::to_owned),
            wanted: if ask.is_locked { kept } else { asked.or(kept) },
            name,
        });
    }
    Ok(lock)
}

fn report(context: &Context, answer: &Value) -> Result<()> {
    if !context.format.is_for_people() {
        return output::value(context.format, answer);
    }
    if items(answer, "packages").next().is_none() {
        return output::line("everything is installed already");
    }
    for package in items(answer, "packages") {
        let actions: Vec<_> = items(package, "actions")
            .filter_map(Value::as_str)
            .collect();
        output::line(&format!(
            "{} {} is installed: {}",
            text(package, "name"),
            text(package, "version"),
            actions.join(", ")
        ))?;
    }
    for denied in items(answer, "not_granted") {
        output::aside(&format!(
            "{} is not granted {}: {}",
            text(denied, "action"),
            text(denied, "host"),
            text(denied, "reason")
        ));
    }
    Ok(())
}
