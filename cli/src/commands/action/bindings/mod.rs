//! `nebula action bindings`: types of the inputs and outputs of actions, from the
//! JSON Schemas that a node serves.
//!
//! - `model`: schemas as types of no language in particular.
//! - `schema`: what a schema says, as `model` asks it.
//! - `name`: names in JSON as names in a program.
//! - `rust`, `typescript`: those types written.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use serde_json::Value;

use super::super::{Context, segment};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::output;

mod model;
mod name;
mod rust;
mod schema;
#[cfg(test)]
mod tests;
mod typescript;

/// Write types of the inputs and outputs of installed actions, in Rust or TypeScript
#[derive(Debug, clap::Args)]
pub(crate) struct Bindings {
    /// Which: an action (weather.fetch), or all that begin with a name (weather); all if none is given
    #[arg(value_name = "ACTION")]
    actions: Vec<String>,
    /// In which language
    #[arg(short, long, value_enum, default_value = "rust")]
    language: Language,
    /// The file to write; standard output if not given
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

/// A language that types are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// With serde's derives
    Rust,
    /// Types alone; nothing runs
    Typescript,
}

/// An action and its types.
#[derive(Debug)]
struct Bound {
    id: String,
    version: String,
    description: String,
    types: Vec<model::Declared>,
}

impl Bound {
    /// An action as the API gives it.
    fn of(action: &Value) -> Self {
        let text = |key: &str| action[key].as_str().unwrap_or_default().to_owned();
        Self {
            id: text("id"),
            version: text("version"),
            description: text("description"),
            types: model::types(&action["input_schema"], &action["output_schema"]),
        }
    }

    fn segments(&self) -> Vec<&str> {
        self.id.split('.').collect()
    }
}

pub(super) async fn run(context: &Context, bindings: &Bindings) -> Result<ExitCode> {
    let node = context.node.connect().await?;
    let found = find(&node.client, &bindings.actions).await;
    node.close().await;
    let actions: Vec<Bound> = found?.iter().map(Bound::of).collect();
    let text = match bindings.language {
        Language::Rust => rust::file(&actions),
        Language::Typescript => typescript::file(&actions),
    };
    match &bindings.to {
        Some(file) => {
            std::fs::write(file, text).map_err(|e| {
                Error::refused(format!("`{}` cannot be written: {e}", file.display()))
            })?;
        }
        None => output::line(text.trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The actions that were asked for, by id.
async fn find(client: &Client, wanted: &[String]) -> Result<Vec<Value>> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client
            .get(&format!("/api/v1/actions?limit=200{cursor}"))
            .await?;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        ids.extend(
            items
                .iter()
                .filter_map(|a| a["id"].as_str().map(str::to_owned)),
        );
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", segment(next)),
            None => break,
        }
    }
    let fits = |id: &str, name: &str| {
        let rest = id.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    for name in wanted {
        if !ids.iter().any(|id| fits(id, name)) {
            return Err(Error::refused(format!("no action `{name}` is installed"))
                .hint("`nebula action list` shows those that are"));
        }
    }
    ids.retain(|id| wanted.is_empty() || wanted.iter().any(|name| fits(id, name)));
    ids.sort_by(|a, b| a.split('.').cmp(b.split('.')));
    let mut actions = Vec::new();
    for id in &ids {
        actions.push(
            client
                .get(&format!("/api/v1/actions/{}", segment(id)))
                .await?,
        );
    }
    Ok(actions)
}
