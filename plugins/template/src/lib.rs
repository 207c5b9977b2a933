//! `template.render`: text from a template and values, by the crate minijinja.
//!
//! ```yaml
//! letter:
//!   action: template.render
//!   input:
//!     template: |
//!       Dear {{ name }},
//!       {% for item in order -%}
//!       {{ loop.index }}. {{ item.title | upper }}{% if item.gift %} (a gift){% endif %}
//!       {% endfor -%}
//!       In all: {{ order | map(attribute="price") | sum }} €.
//!     values: { name: "${ $input.name }", order: "${ $nodes.load.result.rows }" }
//! ```
//!
//! The language is that of Jinja2: loops, conditions, filters, macros. There
//! are no other templates to include, no clock and no chance. Values are never
//! read as templates. A value that is not there fails the node, unless
//! `undefined: lenient`.

use std::error::Error as _;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use nebula_sdk::Map;
use nebula_sdk::prelude::*;

/// What `template.render` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// The template.
    pub template: String,
    /// What it finds under their names.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// What values become where they are written.
    #[serde(default)]
    pub escape: Escape,
    /// What happens to a value that is not there.
    #[serde(default)]
    pub undefined: Undefined,
}

/// What values become where they are written; the filter `safe` prevents it.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Escape {
    /// They stay as they are.
    #[default]
    None,
    /// `<`, `>`, `&`, quotes and `/` become references, so that a value is only
    /// text in HTML and XML.
    Html,
    /// They become JSON, texts with their quotes.
    Json,
}

/// What happens to a value that is not there.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Undefined {
    /// The node fails, except where the template asks `is defined` or uses
    /// the filter `default`.
    #[default]
    Strict,
    /// It is empty and false, and so is everything in it.
    Lenient,
}

/// What `template.render` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// The text.
    pub text: String,
}

/// Makes a text from a template (Jinja) and values.
#[derive(Action)]
#[action(id = "template.render", name = "Render a template")]
pub struct Render;

impl SimpleAction for Render {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, _: &ActionContext) -> Result<Output> {
        let environment = environment(input.escape, input.undefined);
        let template = environment
            .template_from_str(&input.template)
            .map_err(|error| ActionError::InvalidInput(told("template", &error)))?;
        let text = template
            .render(Serde(&input.values))
            .map_err(|error| ActionError::Permanent(told("the template failed", &error)))?;
        Ok(Output { text })
    }
}

nebula_sdk::export!(Render);

fn environment(escape: Escape, undefined: Undefined) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(move |_| match escape {
        Escape::None => AutoEscape::None,
        Escape::Html => AutoEscape::Html,
        Escape::Json => AutoEscape::Json,
    });
    environment.set_undefined_behavior(match undefined {
        Undefined::Strict => UndefinedBehavior::Strict,
        Undefined::Lenient => UndefinedBehavior::Chainable,
    });
    environment
}

/// The line and the reason, with what lies behind it.
fn told(what: &str, error: &Error) -> String {
    let mut text = match error.line() {
        Some(line) => format!("{what}: line {line}: {}", error.kind()),
        None => format!("{what}: {}", error.kind()),
    };
    if let Some(detail) = error.detail() {
        text = format!("{text}: {detail}");
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
