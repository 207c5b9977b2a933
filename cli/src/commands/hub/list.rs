//! `nebula hub list`, `tree` and `outdated`: what is installed.

use std::process::ExitCode;

use nebula_hub::reference::Registry;
use serde_json::{Value, json};

use super::consent::{items, text};
use super::places::{hub, remote};
use super::trouble;
use crate::client::Client;
use crate::commands::Context;
use crate::commands::list::{List, ListArgs};
use crate::error::{Error, Result};
use crate::output::{self, Column, Show};

const PATH: &str = "/api/v1/packages";

const COLUMNS: &[Column] = &[
    ("PACKAGE", "/name", Show::Key),
    ("VERSION", "/version", Show::Key),
    ("ORIGIN", "/origin", Show::Key),
    ("ACTIONS", "/actions", Show::Text),
    ("INSTALLED", "/installed_at", Show::Age),
    ("REGISTRY", "/registry", Show::Wide(&Show::Text)),
    ("DIGEST", "/digest", Show::Wide(&Show::Text)),
];

pub(crate) async fn list(context: &Context, args: &ListArgs) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let list = List::new(PATH, COLUMNS);
    let result = list.show(context, &node.client, args).await;
    node.close().await;
    result
}

/// All that is installed.
pub(super) async fn installed(context: &Context) -> Result<Vec<Value>> {
    let node = context.node.connect().await?;
    let all = all(&node.client).await;
    node.close().await;
    all
}

async fn all(client: &Client) -> Result<Vec<Value>> {
    let (mut packages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{PATH}?limit=200{cursor}")).await?;
        packages.extend(items(&page, "items").cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", crate::commands::segment(next)),
            None => return Ok(packages),
        }
    }
}

pub(crate) async fn tree(context: &Context) -> Result<ExitCode> {
    let packages = installed(context).await?;
    if !context.format.is_for_people() {
        output::value(context.format, &json!({ "items": packages }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let needed = |name: &str| {
        let mut others = packages.iter();
        others.any(|other| other["dependencies"].get(name).is_some())
    };
    let roots = packages
        .iter()
        .filter(|package| !needed(text(package, "name")));
    for root in roots {
        branch(&packages, root, 0)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// How deep a tree is drawn: packages may depend on each other in a ring.
const DEPTH: usize = 16;

fn branch(packages: &[Value], package: &Value, depth: usize) -> Result<()> {
    let indent = "  ".repeat(depth);
    output::line(&format!(
        "{indent}{} {}",
        text(package, "name"),
        text(package, "version")
    ))?;
    let dependencies = package["dependencies"].as_object().into_iter().flatten();
    for (name, range) in dependencies {
        let found = packages.iter().find(|other| text(other, "name") == name);
        match found {
            Some(found) if depth < DEPTH => branch(packages, found, depth + 1)?,
            _ => output::line(&format!(
                "{indent}  {name} {} (not shown)",
                range.as_str().unwrap_or_default()
            ))?,
        }
    }
    Ok(())
}

pub(crate) async fn outdated(context: &Context) -> Result<ExitCode> {
    let mut rows: Vec<Value> = Vec::new();
    for package in installed(context).await? {
        let Some(registry) = package["registry"].as_str() else {
            continue;
        };
        let name = text(&package, "name").to_owned();
        // Of several versions the newest counts.
        if rows.iter().any(|row| text(row, "name") == name) {
            continue;
        }
        let parsed: Registry = registry
            .parse()
            .map_err(|_| Error::node(format!("the node's registry `{registry}` does not read")))?;
        let hub = hub(context, vec![remote(context, parsed).await?]).await?;
        let id = name
            .parse()
            .map_err(|_| Error::node(format!("the node's package `{name}` does not read")))?;
        let versions = hub
            .versions(&id)
            .await
            .map_err(|error| trouble::fetch(&error))?;
        let newest = versions.iter().find(|version| version.pre.is_empty());
        let newest = newest.or(versions.first()).map(ToString::to_string);
        rows.push(json!({
            "name": name, "installed": package["version"], "newest": newest,
            "outdated": newest.as_deref() != package["version"].as_str(),
        }));
    }
    rows.retain(|row| row["outdated"] == true);
    if rows.is_empty() && context.format.is_for_people() {
        output::line("everything is the newest")?;
        return Ok(ExitCode::SUCCESS);
    }
    let answer = json!({ "items": rows });
    output::rows(
        context.format,
        &answer,
        &rows,
        &[
            ("PACKAGE", "/name", Show::Key),
            ("INSTALLED", "/installed", Show::Key),
            ("NEWEST", "/newest", Show::Key),
        ],
    )?;
    Ok(ExitCode::SUCCESS)
}
