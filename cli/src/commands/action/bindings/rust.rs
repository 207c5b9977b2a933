//! Types in Rust, with serde.

use std::fmt::Write;

use super::Bound;
use super::model::{Content, Declared, Field, Fields, Form, Type, Variant};
use super::name::{Names, pascal, snake};

const DERIVE: &str = "#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]";

/// Words that are no names, even behind `r#`.
const NEVER: [&str; 4] = ["self", "super", "crate", "Self"];

/// Words that are names behind `r#`.
const KEYWORDS: [&str; 45] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let",
    "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "static", "struct", "trait", "true", "try", "type", "unsafe", "use", "where", "while", "yield",
];

/// A file with a module for each action, in the modules of its segments.
pub(super) fn file(actions: &[Bound]) -> String {
    let mut out = String::from(
        "// Made by `nebula action bindings`. Needs `serde` with `derive`, and `serde_json`.\n",
    );
    modules(&mut out, &actions.iter().collect::<Vec<_>>(), 0);
    out
}

fn modules(out: &mut String, actions: &[&Bound], depth: usize) {
    let pad = "    ".repeat(depth);
    let mut rest = actions;
    while let Some(first) = rest.first() {
        let segment = first.segments()[depth];
        let many = rest
            .iter()
            .take_while(|a| a.segments().get(depth) == Some(&segment))
            .count();
        let (own, others) = rest.split_at(many);
        rest = others;
        let (ends, goes_on): (Vec<&Bound>, Vec<&Bound>) = own
            .iter()
            .copied()
            .partition(|a| a.segments().len() == depth + 1);
        if !out.ends_with("{\n") {
            out.push('\n');
        }
        for action in &ends {
            help(out, &pad, &action.description);
        }
        line(out, &pad, &format!("pub mod {} {{", ident(&snake(segment))));
        for action in &ends {
            let mut body = String::new();
            module(&mut body, action);
            for text in body.lines() {
                line(
                    out,
                    if text.is_empty() { "" } else { &pad },
                    &indented(text),
                );
            }
        }
        modules(out, &goes_on, depth + 1);
        line(out, &pad, "}");
    }
}

fn indented(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("    {text}")
    }
}

fn module(out: &mut String, action: &Bound) {
    let is_alias = |declared: &Declared| matches!(declared.form, Form::Alias(_));
    if !action.types.iter().all(is_alias) {
        out.push_str("use serde::{Deserialize, Serialize};\n\n");
    }
    out.push_str("/// What a workflow's node names.\n");
    line(out, "", &format!("pub const ID: &str = {:?};", action.id));
    out.push_str("\n/// The version that these types are of.\n");
    line(
        out,
        "",
        &format!("pub const VERSION: &str = {:?};", action.version),
    );
    for declared in &action.types {
        out.push('\n');
        declare(out, declared, &action.types);
    }
}

fn declare(out: &mut String, declared: &Declared, all: &[Declared]) {
    help(out, "", &declared.help);
    let name = &declared.name;
    match &declared.form {
        Form::Alias(of) => line(out, "", &format!("pub type {name} = {};", written(of))),
        Form::Struct(fields) => {
            let derive = if can_be_empty(fields, all) {
                DERIVE.replace("Clone, ", "Clone, Default, ")
            } else {
                DERIVE.to_owned()
            };
            line(out, "", &derive);
            line(out, "", &format!("pub struct {name} {{"));
            members(out, "    ", "pub ", fields);
            line(out, "", "}");
        }
        Form::Texts(texts) => {
            line(out, "", &DERIVE.replace("PartialEq", "Copy, PartialEq, Eq"));
            line(out, "", &format!("pub enum {name} {{"));
            let mut names = Names::default();
            for text in texts {
                variant_name(out, text, &mut names, ",");
            }
            line(out, "", "}");
        }
        Form::Tagged(tag, all) => {
            line(out, "", DERIVE);
            line(out, "", &format!("#[serde(tag = {tag:?})]"));
            variants(out, name, all);
        }
        Form::External(all) => {
            line(out, "", DERIVE);
            variants(out, name, all);
        }
        Form::Untagged(all) => {
            line(out, "", DERIVE);
            line(out, "", "#[serde(untagged)]");
            line(out, "", &format!("pub enum {name} {{"));
            for (n, of) in all.iter().enumerate() {
                line(out, "    ", &format!("V{}({}),", n + 1, written(of)));
            }
            line(out, "", "}");
        }
    }
}

/// Whether all fields that are needed have a value by default.
fn can_be_empty(of: &Fields, all: &[Declared]) -> bool {
    let mut needed = of.fields.iter().filter(|field| field.required);
    needed.all(|field| has_default(&field.of, all))
}

fn has_default(of: &Type, all: &[Declared]) -> bool {
    match of {
        Type::Tuple(places) => places.iter().all(|of| has_default(of, all)),
        Type::Named(name) => match all.iter().find(|d| d.name == *name).map(|d| &d.form) {
            Some(Form::Struct(fields)) => can_be_empty(fields, all),
            Some(Form::Alias(of)) => has_default(of, all),
            _ => false,
        },
        Type::Within(_) => false,
        _ => true,
    }
}

fn variants(out: &mut String, name: &str, all: &[Variant]) {
    line(out, "", &format!("pub enum {name} {{"));
    let mut names = Names::default();
    for variant in all {
        help(out, "    ", &variant.help);
        match &variant.content {
            Content::Nothing => variant_name(out, &variant.name, &mut names, ","),
            Content::One(of) => {
                let of = format!("({}),", written(of));
                variant_name(out, &variant.name, &mut names, &of);
            }
            Content::Fields(fields) => {
                variant_name(out, &variant.name, &mut names, " {");
                members(out, "        ", "", fields);
                line(out, "    ", "},");
            }
        }
    }
    line(out, "", "}");
}

fn variant_name(out: &mut String, text: &str, names: &mut Names, behind: &str) {
    let name = names.take(&pascal(text));
    // `Self` is the one keyword that begins like a variant.
    let name = if name == "Self" {
        "Self_".to_owned()
    } else {
        name
    };
    if name != text {
        line(out, "    ", &format!("#[serde(rename = {text:?})]"));
    }
    line(out, "    ", &format!("{name}{behind}"));
}

fn members(out: &mut String, pad: &str, visible: &str, of: &Fields) {
    let mut names = Names::default();
    for field in &of.fields {
        member(out, pad, visible, field, &mut names);
    }
    if let Some(rest) = &of.rest {
        line(out, pad, "/// All other fields.");
        line(out, pad, "#[serde(flatten)]");
        let name = ident(&names.take("rest"));
        let of = map(rest);
        line(out, pad, &format!("{visible}{name}: {of},"));
    }
}

fn member(out: &mut String, pad: &str, visible: &str, field: &Field, names: &mut Names) {
    help(out, pad, &field.help);
    let name = names.take(&snake(&field.name));
    let mut attributes = Vec::new();
    if name != field.name {
        attributes.push(format!("rename = {:?}", field.name));
    }
    let mut of = written(&field.of);
    if !field.required {
        attributes.push("default".into());
        attributes.push("skip_serializing_if = \"Option::is_none\"".into());
        if !matches!(field.of, Type::Option(_)) {
            of = format!("Option<{of}>");
        }
    }
    if !attributes.is_empty() {
        line(out, pad, &format!("#[serde({})]", attributes.join(", ")));
    }
    line(out, pad, &format!("{visible}{}: {of},", ident(&name)));
}

fn written(of: &Type) -> String {
    match of {
        Type::Any => "serde_json::Value".into(),
        Type::Null => "()".into(),
        Type::Bool => "bool".into(),
        Type::Integer(name) => (*name).into(),
        Type::Number => "f64".into(),
        Type::Text => "String".into(),
        // A list keeps its items elsewhere already.
        Type::List(of) => match &**of {
            Type::Within(name) => format!("Vec<{name}>"),
            of => format!("Vec<{}>", written(of)),
        },
        Type::Map(of) => map(of),
        Type::Option(of) => format!("Option<{}>", written(of)),
        Type::Tuple(places) => {
            let places: Vec<String> = places.iter().map(written).collect();
            match places.as_slice() {
                [only] => format!("({only},)"),
                places => format!("({})", places.join(", ")),
            }
        }
        Type::Named(name) => name.clone(),
        Type::Within(name) => format!("Box<{name}>"),
    }
}

fn map(of: &Type) -> String {
    match of {
        Type::Any => "serde_json::Map<String, serde_json::Value>".into(),
        Type::Within(name) => format!("std::collections::BTreeMap<String, {name}>"),
        of => format!("std::collections::BTreeMap<String, {}>", written(of)),
    }
}

fn ident(name: &str) -> String {
    if NEVER.contains(&name) {
        format!("{name}_")
    } else if KEYWORDS.contains(&name) {
        format!("r#{name}")
    } else {
        name.to_owned()
    }
}

fn help(out: &mut String, pad: &str, text: &str) {
    for text in text.lines() {
        line(out, pad, format!("/// {text}").trim_end());
    }
}

fn line(out: &mut String, pad: &str, text: &str) {
    // A `String` takes all that is written to it.
    let _ = writeln!(out, "{pad}{text}");
}
