//! Deploying the templates of a package, their holes filled.

use std::collections::BTreeMap;

use http::Method;
use nebula_hub::package::Template;
use nebula_sandbox::nebula_flow::definition::Document;
use serde_json::Value;

use super::consent::{items, text};
use crate::client::{Body, Client};
use crate::commands::Context;
use crate::error::{Error, Result};
use crate::output;

/// Which templates to deploy, and with what.
#[derive(Debug, clap::Args)]
pub(crate) struct TemplateArgs {
    /// Deploy this workflow template of the package
    #[arg(long = "template", value_name = "NAME")]
    template: Option<String>,
    /// A value for a hole of the template (repeatable)
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "template")]
    set: Vec<String>,
    /// What to call the workflow, if not as in the template
    #[arg(long = "as", value_name = "NAME", requires = "template")]
    name: Option<String>,
}

/// Deploys the template that is asked for, if one is.
pub(super) async fn deploy(
    context: &Context,
    client: &Client,
    answer: &Value,
    args: &TemplateArgs,
) -> Result<()> {
    let Some(wanted) = &args.template else {
        return mention(context, answer);
    };
    let mut there = Vec::new();
    for package in items(answer, "packages") {
        for template in items(package, "templates") {
            if text(template, "name") == wanted.as_str() {
                return one(context, client, template, args).await;
            }
            there.push(text(template, "name"));
        }
    }
    Err(
        Error::refused(format!("no template `{wanted}` was installed"))
            .hint(format!("there are: {}", there.join(", "))),
    )
}

/// Says which templates there are.
fn mention(context: &Context, answer: &Value) -> Result<()> {
    if !context.format.is_for_people() {
        return Ok(());
    }
    let packages = items(answer, "packages");
    for template in packages.flat_map(|package| items(package, "templates")) {
        let name = text(template, "name");
        output::note(&format!("deploy its workflow with --template {name}"));
    }
    Ok(())
}

async fn one(
    context: &Context,
    client: &Client,
    template: &Value,
    args: &TemplateArgs,
) -> Result<()> {
    let template: Template = serde_json::from_value(template.clone())
        .map_err(|error| Error::node(format!("the node's template does not read: {error}")))?;
    let mut set = BTreeMap::new();
    for pair in &args.set {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| Error::refused(format!("`{pair}` is not NAME=VALUE")))?;
        set.insert(name.to_owned(), value.to_owned());
    }
    let values = template
        .values(&set)
        .map_err(|error| Error::refused(error.to_string()))?;
    let read = Document::parse(&template.workflow).and_then(|parsed| parsed.definition());
    let definition = read.map_err(|diagnostics| {
        let first = diagnostics.first().map(|d| d.message.clone());
        Error::refused(format!(
            "the template is not a workflow: {}",
            first.unwrap_or_default()
        ))
    })?;
    let workflow = serde_json::to_value(&definition)
        .map_err(|error| Error::refused(format!("the template cannot be filled: {error}")))?;
    let mut workflow = template.fill(workflow, &values);
    if let Some(name) = &args.name {
        workflow["name"] = name.as_str().into();
    }
    let answer = client
        .call(Method::POST, "/api/v1/workflows", Body::json(&workflow))
        .await?;
    if context.format.is_for_people() {
        output::line(&format!(
            "workflow {} is deployed, version {}",
            text(&answer, "name"),
            answer["version"]
        ))?;
    }
    Ok(())
}
