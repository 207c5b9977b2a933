//! `nebula action inspect`: what a component is, before anything of it is called.
//!
//! - `source`: where it comes from: a file, a crate, a registry.
//! - `sections`: how many bytes it has of what.
//! - `schema`: schemas as people read them.
//! - `page`: all of it as people read it.

use std::process::ExitCode;

use nebula_sandbox::is_effect;
use nebula_sandbox::nebula_flow::ports::Prepared;
use nebula_sandbox::nebula_flow::{Component, Verified};
use serde_json::{Value, json};

use super::super::Context;
use super::super::hub::places::Places;
use super::{report, sandbox};
use crate::error::{Error, Result};
use crate::output::{self, Format};

mod page;
mod schema;
mod sections;
mod source;

/// Look into a component: what it may reach, its actions, its size by section
#[derive(Debug, clap::Args)]
pub(crate) struct Inspect {
    /// A component file, an action's crate, or a package `name[@range]` of a registry
    #[arg(value_name = "FILE|REF")]
    what: String,
    /// Which component, if the package has several
    #[arg(long, value_name = "NAME")]
    component: Option<String>,
    #[command(flatten)]
    places: Places,
}

pub(super) async fn run(context: &Context, args: &Inspect) -> Result<ExitCode> {
    let found = source::find(context, args).await?;
    let sandbox = sandbox::start(None, None)?;
    let prepared = sandbox::prepare(&sandbox, &found.component).await?;
    let mut answer = describe(&found.component, &prepared)?;
    answer["source"] = found.source.into();
    if let Some(package) = found.package {
        answer["package"] = package;
    }
    match context.format {
        Format::Name => {
            for action in &prepared.actions {
                output::line(action.id.as_str())?;
            }
        }
        format if format.is_for_people() => page::show(&answer)?,
        format => output::value(format, &answer)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that the component and its bytes say.
fn describe(component: &Verified<Component>, prepared: &Prepared) -> Result<Value> {
    let damaged = |why: String| Error::refused(format!("the component cannot be read: {why}"));
    let bytes = component.bytes();
    let shape = nebula_hub::structure::check(bytes).map_err(|e| damaged(e.to_string()))?;
    let sections = sections::of(bytes).map_err(|e| damaged(e.to_string()))?;
    let effects: Vec<&String> = prepared.imports.iter().filter(|i| is_effect(i)).collect();
    Ok(json!({
        "world": shape.world,
        "digest": component.digest(),
        "size": bytes.len(),
        "effect": report::word(prepared.effect),
        "imports": prepared.imports,
        "effects": effects,
        "actions": prepared.actions,
        "sections": sections.iter()
            .map(|(name, bytes)| json!({ "section": name, "bytes": bytes }))
            .collect::<Vec<_>>(),
    }))
}
