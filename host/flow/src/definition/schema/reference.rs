//! The document in the documentation: `docs/workflow-reference.md` is the schema in
//! tables, and every workflow that a page shows is one.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::schema;
use crate::definition::{Document, check};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// A section for each object that has fields, in the order in which they are met.
fn reference() -> String {
    let schema = schema();
    let mut page = String::from(
        "# Reference of the workflow file\n\n\
         Made from the JSON Schema that `GET /api/v1/workflows/schema` serves, by \
         `UPDATE_SNAPSHOTS=1 cargo test -p nebula-flow reference`. [Workflows](workflows.md) explains it.\n",
    );
    section(&mut page, "workflow", &schema);
    let shared = schema["$defs"].as_object().expect("definitions");
    for (name, of) in shared {
        if of["properties"].is_object() {
            section(&mut page, name, of);
        }
    }
    page.push_str("\n## Words\n\n| word | is |\n|---|---|\n");
    for (name, of) in shared {
        if of["properties"].is_null() {
            writeln!(page, "| {name} | {} |", meaning(of)).expect("a string");
        }
    }
    page
}

fn section(page: &mut String, name: &str, of: &Value) {
    write!(page, "\n## {name}\n\n").expect("a string");
    if let Some(description) = of["description"].as_str() {
        write!(page, "{}\n\n", prose(description)).expect("a string");
    }
    if let Some(choices) = choices(of) {
        write!(page, "One of {choices}.\n\n").expect("a string");
    }
    page.push_str("| field | | |\n|---|---|---|\n");
    let fields = of["properties"].as_object().expect("fields");
    let mut inner = Vec::new();
    for (field, of_field) in fields {
        let required = of["required"].as_array();
        let needed = required.is_some_and(|r| r.iter().any(|f| f == field));
        let mark = if needed { "needed; " } else { "" };
        let within = format!("{name}.{field}").replace("workflow.", "");
        let (kind, object) = form(of_field, &within);
        inner.extend(object);
        writeln!(page, "| `{field}` | {mark}{kind} | {} |", meaning(of_field)).expect("a string");
    }
    for (name, of) in inner {
        section(page, &name, &of);
    }
}

/// What a field takes, and the object with a section of its own that it is.
fn form(of: &Value, name: &str) -> (String, Option<(String, Value)>) {
    if let Some(to) = of["$ref"].as_str() {
        let to = to.trim_start_matches("#/$defs/");
        let anchor = match to {
            "node" | "undo" | "wait" | "retry" | "connection" => to.to_lowercase(),
            _ => "words".to_owned(),
        };
        return (format!("[{to}](#{anchor})"), None);
    }
    if of["properties"].is_object() {
        let anchor = name.replace('.', "").to_lowercase();
        let object = (name.to_owned(), of.clone());
        return (format!("[object](#{anchor})"), Some(object));
    }
    for (key, word) in [("additionalProperties", "object"), ("items", "list")] {
        if of[key].is_object() {
            let singular = name.trim_end_matches('s');
            let (of_each, object) = form(&of[key], singular);
            return (format!("{word} of {of_each}"), object);
        }
    }
    if let Some(one) = of.get("const") {
        return (format!("`{}`", text(one)), None);
    }
    if let Some(choices) = of["enum"].as_array() {
        let choices: Vec<_> = choices.iter().map(|c| format!("`{}`", text(c))).collect();
        return (choices.join(", "), None);
    }
    let kind = match &of["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        _ => "any value".to_owned(),
    };
    let bounds = match (&of["minimum"], &of["maximum"]) {
        (Value::Number(least), Value::Number(most)) => format!(", {least} to {most}"),
        (Value::Number(least), _) => format!(", from {least}"),
        _ => String::new(),
    };
    (kind + &bounds, None)
}

/// Which fields stand alone, where only one of several may.
fn choices(of: &Value) -> Option<String> {
    let one_of = of["oneOf"].as_array()?;
    let names = one_of.iter().filter_map(|one| {
        let fields = one["required"].as_array()?;
        let fields: Vec<_> = fields.iter().map(|f| format!("`{}`", text(f))).collect();
        Some(fields.join(" with "))
    });
    Some(names.collect::<Vec<_>>().join(", "))
}

/// What it is for, and the form of its text.
fn meaning(of: &Value) -> String {
    let description = of["description"].as_str().map(prose);
    let pattern = of["pattern"].as_str().map(|p| format!("`{p}`"));
    let default = of
        .get("default")
        .map(|d| format!("`{}` if absent.", text(d)));
    let names = of["propertyNames"]["pattern"].as_str();
    let names = names.map(|p| format!("Names: `{p}`."));
    let parts = [description, default, names, pattern];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    parts.join(" ").replace('|', "\\|")
}

/// As Markdown, to which `<name>` is a tag.
fn prose(description: &str) -> String {
    description.replace('<', "\\<")
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[test]
fn the_reference_is_the_schema() {
    let file = docs().join("workflow-reference.md");
    let made = reference();
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &made).expect("written");
    }
    let kept = std::fs::read_to_string(&file).expect("docs/workflow-reference.md");
    assert!(
        kept == made,
        "docs/workflow-reference.md is not the schema: run \
         `UPDATE_SNAPSHOTS=1 cargo test -p nebula-flow reference` and commit it"
    );
}

/// The blocks of YAML of a page, with the line each begins at.
fn listings(page: &str) -> Vec<(usize, String)> {
    let mut listings = Vec::new();
    let mut begun: Option<(usize, String)> = None;
    for (at, line) in page.lines().enumerate() {
        match &mut begun {
            None if line == "```yaml" => begun = Some((at + 1, String::new())),
            Some(_) if line == "```" => listings.extend(begun.take()),
            Some((_, block)) => *block += &format!("{line}\n"),
            None => {}
        }
    }
    listings
}

/// A part of a workflow, in one that has nothing else; `None` if it is something else.
fn completed(listing: &str) -> Option<(String, bool)> {
    if listing.contains("kind: Workflow\n") {
        return Some((listing.to_owned(), true));
    }
    let head = "apiVersion: nebula/v1\nkind: Workflow\nname: shown\n";
    let rest = "nodes: { shown: { action: shown.action } }\n";
    let part = listing.trim_start_matches('\n');
    let first = part.lines().find(|line| !line.starts_with('#'))?;
    let of_workflow = ["retention:", "concurrency:", "triggers:", "nodes:"];
    if of_workflow.iter().any(|field| first.starts_with(field)) {
        let rest = if part.contains("nodes:\n") { "" } else { rest };
        return Some((format!("{head}{rest}{part}"), false));
    }
    let nodes = first.starts_with("  ") && !first.starts_with("   ");
    let node = first.ends_with(':') && part.contains("\n  action:");
    let indent = if nodes { "" } else { "  " };
    (nodes || node).then(|| {
        let lines = part.lines().map(|line| format!("{indent}{line}\n"));
        (
            format!("{head}nodes:\n{}", lines.collect::<String>()),
            false,
        )
    })
}

#[test]
fn every_workflow_that_a_page_shows_is_one() {
    let pages = [
        "workflows.md",
        "actions.md",
        "resources.md",
        "testing.md",
        "../README.md",
    ];
    let mut wrong = Vec::new();
    let mut seen = 0;
    for page in pages {
        let text = std::fs::read_to_string(docs().join(page)).expect("readable");
        for (line, listing) in listings(&text) {
            let Some((document, whole)) = completed(&listing) else {
                continue;
            };
            seen += 1;
            let problems = match Document::parse(&document) {
                Ok(document) => match document.definition() {
                    // A part may name nodes that stand elsewhere.
                    Ok(definition) if whole => check(&definition),
                    Ok(_) => Vec::new(),
                    Err(problems) => problems,
                },
                Err(problems) => problems,
            };
            wrong.extend(
                problems
                    .into_iter()
                    .map(|p| format!("{page}:{line}: {p:?}")),
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 16, "only {seen} workflows were found");
}

#[test]
fn every_field_of_the_schema_is_in_the_reference() {
    let mut names = Vec::new();
    fields(&schema(), &mut names);
    let page = reference();
    for name in names {
        assert!(
            page.contains(&format!("| `{name}` |")),
            "`{name}` is missing"
        );
    }
}

fn fields(of: &Value, names: &mut Vec<String>) {
    let none = Map::new();
    let object = of.as_object().unwrap_or(&none);
    for (key, value) in object {
        if key == "properties" {
            names.extend(value.as_object().into_iter().flat_map(Map::keys).cloned());
        }
        fields(value, names);
    }
    for value in of.as_array().into_iter().flatten() {
        fields(value, names);
    }
}
