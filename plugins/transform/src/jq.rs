//! Filters, by the crate jaq.
//!
//! Only named functions are there: there is no `env`, `input`, `now`, `halt`,
//! `debug` or `stderr`, so a filter is a function of its input and its variables.
//!
//! - `library`: which functions a filter needs, and those written in jq.
//! - `functions`: those written in Rust.
//! - `value`: JSON values to jaq's and back.

use std::collections::BTreeMap;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, load, unwrap_valr};
use jaq_json::Val;
use nebula_sdk::prelude::*;

mod functions;
mod library;
mod value;

use library::Library;

/// What `transform.jq` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// A jq filter.
    pub filter: String,
    /// What it is applied to.
    #[serde(default)]
    pub input: Value,
    /// Values that the filter finds under `$name`.
    #[serde(default)]
    pub variables: BTreeMap<String, Value>,
}

/// Applies a jq filter to a value and gives the first output.
#[derive(Action)]
#[action(id = "transform.jq", name = "Apply a jq filter")]
pub struct ApplyFilter;

impl SimpleAction for ApplyFilter {
    type Input = Input;
    type Output = Value;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Value> {
        apply(input)
    }
}

type Data = JustLut<Val>;

fn apply(input: Input) -> Result<Value> {
    apply_with(Library::needed_by(&input.filter), input)
}

fn apply_with(library: Library, input: Input) -> Result<Value> {
    let arena = Arena::default();
    let modules = Loader::new(library.definitions)
        .load(
            &arena,
            File {
                code: input.filter.as_str(),
                path: (),
            },
        )
        .map_err(|errors| invalid(errors.into_iter().map(|(_, error)| syntax(error))))?;
    let names: Vec<String> = input
        .variables
        .keys()
        .map(|name| format!("${name}"))
        .collect();
    let filter = Compiler::default()
        .with_funs(library.natives)
        .with_global_vars(names.iter().map(String::as_str))
        .compile(modules)
        .map_err(|errors| {
            invalid(
                errors
                    .into_iter()
                    .flat_map(|(_, undefined)| undefined)
                    .map(unknown),
            )
        })?;
    let variables = Vars::new(input.variables.into_values().map(value::to_jq));
    let ctx = Ctx::<Data>::new(&filter.lut, variables);
    match filter
        .id
        .run((ctx, value::to_jq(input.input)))
        .map(unwrap_valr)
        .next()
    {
        Some(Ok(output)) => value::from_jq(&output),
        Some(Err(error)) => Err(ActionError::permanent(format!(
            "the filter failed: {error}"
        ))),
        None => Err(ActionError::permanent("the filter has no output")),
    }
}

fn invalid(messages: impl Iterator<Item = String>) -> ActionError {
    ActionError::InvalidInput(format!(
        "filter: {}",
        messages.collect::<Vec<_>>().join("; ")
    ))
}

fn syntax(error: load::Error<&str>) -> String {
    let found = |rest: &str| match rest.lines().next().unwrap_or_default() {
        "" => "at its end".to_owned(),
        line => format!("at `{}`", line.chars().take(40).collect::<String>()),
    };
    let messages: Vec<String> = match error {
        load::Error::Io(errors) => errors
            .into_iter()
            .map(|(path, why)| format!("`{path}`: {why}"))
            .collect(),
        load::Error::Lex(errors) => errors
            .into_iter()
            .map(|(expected, rest)| format!("expected {} {}", expected.as_str(), found(rest)))
            .collect(),
        load::Error::Parse(errors) => errors
            .into_iter()
            .map(|(expected, rest)| format!("expected {} {}", expected.as_str(), found(rest)))
            .collect(),
    };
    messages.join("; ")
}

fn unknown((name, kind): (&str, jaq_core::compile::Undefined)) -> String {
    match kind {
        jaq_core::compile::Undefined::Filter(arity) => {
            format!("there is no function `{name}/{arity}`")
        }
        other => format!("there is no {} `{name}`", other.as_str()),
    }
}

#[cfg(test)]
mod tests;
