//! What was found, as people read it.

use std::collections::BTreeMap;

use nebula_sandbox::nebula_flow::component::RESOURCES;
use serde_json::{Value, json};

use super::super::report;
use super::schema::short;
use crate::error::Result;
use crate::output::{self, Format, Paint, Show, Style, one_line, shorten};

/// Columns of a schema's short form.
const SCHEMA: usize = 400;

pub(super) fn show(answer: &Value) -> Result<()> {
    let style = Style::stdout();
    let source = style.paint(Paint::Bold, &one_line(text(answer, "source")));
    output::line(&source)?;
    let size = answer["size"].as_u64().unwrap_or_default();
    let size = format!("{} ({} B)", output::bytes(size), output::count(size));
    let mut rows = vec![
        ("world", text(answer, "world").to_owned()),
        ("size", size),
        ("digest", text(answer, "digest").to_owned()),
        ("effect", effect(answer)),
    ];
    let imports = grouped(&names(answer, "imports"));
    rows.extend(imports.into_iter().enumerate().map(|(i, line)| {
        let name = if i == 0 { "imports" } else { "" };
        (name, line)
    }));
    if names(answer, "imports").is_empty() {
        rows.push(("imports", "nothing".to_owned()));
    }
    for (name, what) in rows {
        output::line(&format!("{name:12} {what}"))?;
    }
    for action in answer["actions"].as_array().into_iter().flatten() {
        output::line("")?;
        about(action, style)?;
    }
    output::line("")?;
    sections(answer)
}

/// What it may do to the world, and by which imports.
fn effect(answer: &Value) -> String {
    let effects = names(answer, "effects");
    if effects.is_empty() {
        return "pure: what it answers depends on nothing but its input".to_owned();
    }
    format!("effectful: {}", effects.join(", "))
}

/// `wasi:cli@0.2.6  environment, exit`: a line for each package.
fn grouped(imports: &[String]) -> Vec<String> {
    let mut packages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for import in imports {
        let (path, version) = import.split_once('@').unwrap_or((import, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        let of = packages.entry(format!("{package}@{version}"));
        of.or_default().push(interface);
    }
    let lines = packages
        .into_iter()
        .map(|(package, interfaces)| format!("{package:20} {}", interfaces.join(", ")));
    lines.collect()
}

fn about(action: &Value, style: Style) -> Result<()> {
    let title = format!("{} {}", text(action, "id"), text(action, "version"));
    output::line(&style.paint(Paint::Bold, &one_line(&title)))?;
    let or_nothing = |names: Vec<String>| match names.as_slice() {
        [] => "nothing".to_owned(),
        names => names.join(", "),
    };
    for (name, what) in [
        ("kind", text(action, "kind").to_owned()),
        ("about", text(action, "description").to_owned()),
        ("input", shorten(&short(&action["input_schema"]), SCHEMA)),
        ("output", shorten(&short(&action["output_schema"]), SCHEMA)),
        ("hosts", or_nothing(names(action, "hosts"))),
        ("credentials", or_nothing(names(action, "credentials"))),
        (
            "resources",
            report::resources(&action["input_schema"][RESOURCES]),
        ),
    ] {
        if !what.is_empty() {
            output::line(&format!("  {name:12} {}", one_line(&what)))?;
        }
    }
    Ok(())
}

/// By section, with its part of the whole.
fn sections(answer: &Value) -> Result<()> {
    let size = answer["size"].as_u64().unwrap_or_default().max(1);
    let sections = answer["sections"].as_array().into_iter().flatten();
    let rows: Vec<Value> = sections
        .map(|section| {
            let bytes = section["bytes"].as_u64().unwrap_or_default();
            let share = bytes * 1_000 / size;
            let share = format!("{:>3}.{} %", share / 10, share % 10);
            json!({ "section": section["section"], "bytes": bytes, "share": share })
        })
        .collect();
    let columns = [
        ("SECTION", "/section", Show::Text),
        ("SIZE", "/bytes", Show::Bytes),
        ("SHARE", "/share", Show::Key),
    ];
    let lines = output::table(Format::Table, &rows, &columns);
    lines.iter().try_for_each(|line| output::line(line))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn names(value: &Value, key: &str) -> Vec<String> {
    let names = value[key].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(one_line).collect()
}
