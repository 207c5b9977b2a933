//! Types in TypeScript.

use std::fmt::Write;

use super::Bound;
use super::model::{Content, Declared, Field, Fields, Form, Type, Variant};
use super::name::pascal;

/// A file with a namespace for each action, and one type that has all of them by id;
/// there are types in it only, and nothing that runs.
pub(super) fn file(actions: &[Bound]) -> String {
    let mut out = String::from("// Made by `nebula action bindings`.\n");
    for action in actions {
        out.push('\n');
        let said = format!("{} {}: {}", action.id, action.version, action.description);
        help(&mut out, "", said.trim_end_matches([':', ' ']));
        line(
            &mut out,
            "",
            &format!("export namespace {} {{", pascal(&action.id)),
        );
        for (n, declared) in action.types.iter().enumerate() {
            if n > 0 {
                out.push('\n');
            }
            declare(&mut out, declared);
        }
        line(&mut out, "", "}");
    }
    out.push_str("\n/** Inputs and outputs by the action's id. */\nexport interface Actions {\n");
    for action in actions {
        let (id, name) = (quoted(&action.id), pascal(&action.id));
        line(
            &mut out,
            "  ",
            &format!("{id}: {{ input: {name}.Input; output: {name}.Output }};"),
        );
    }
    out.push_str("}\n");
    out
}

fn declare(out: &mut String, declared: &Declared) {
    let pad = "  ";
    help(out, pad, &declared.help);
    let name = &declared.name;
    let alias = |of: String| format!("export type {name} = {of};");
    match &declared.form {
        Form::Struct(fields) => {
            line(out, pad, &format!("export interface {name} {{"));
            members(out, "    ", fields);
            line(out, pad, "}");
        }
        Form::Alias(of) => line(out, pad, &alias(written(of))),
        Form::Texts(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
            line(out, pad, &alias(texts.join(" | ")));
        }
        Form::Untagged(all) => {
            let all: Vec<String> = all.iter().map(written).collect();
            line(out, pad, &alias(all.join(" | ")));
        }
        Form::Tagged(tag, all) => {
            let tagged = |variant: &Variant| {
                let tag = format!("{}: {}", key(tag), quoted(&variant.name));
                match &variant.content {
                    Content::Fields(fields) => format!("{{ {tag}; {} }}", inline(fields)),
                    Content::Nothing | Content::One(_) => format!("{{ {tag} }}"),
                }
            };
            union(out, name, all, tagged);
        }
        Form::External(all) => {
            let external = |variant: &Variant| match &variant.content {
                Content::Nothing => quoted(&variant.name),
                Content::One(of) => format!("{{ {}: {} }}", key(&variant.name), written(of)),
                Content::Fields(of) => {
                    format!("{{ {}: {{ {} }} }}", key(&variant.name), inline(of))
                }
            };
            union(out, name, all, external);
        }
    }
}

fn union(out: &mut String, name: &str, all: &[Variant], each: impl Fn(&Variant) -> String) {
    line(out, "  ", &format!("export type {name} ="));
    for (n, variant) in all.iter().enumerate() {
        help(out, "    ", &variant.help);
        let end = if n + 1 == all.len() { ";" } else { "" };
        line(out, "    ", &format!("| {}{end}", each(variant)));
    }
}

fn members(out: &mut String, pad: &str, of: &Fields) {
    for field in &of.fields {
        help(out, pad, &field.help);
        line(out, pad, &format!("{};", member(field)));
    }
    if let Some(rest) = &of.rest {
        line(out, pad, &format!("{};", index(of, rest)));
    }
}

fn inline(of: &Fields) -> String {
    let rest = of.rest.iter().map(|rest| index(of, rest));
    let members: Vec<String> = of.fields.iter().map(member).chain(rest).collect();
    members.join("; ")
}

/// An index has to fit the fields beside it, too.
fn index(of: &Fields, rest: &Type) -> String {
    let rest = if of.fields.is_empty() {
        written(rest)
    } else {
        "unknown".into()
    };
    format!("[name: string]: {rest}")
}

fn member(field: &Field) -> String {
    let optional = if field.required { "" } else { "?" };
    format!("{}{optional}: {}", key(&field.name), written(&field.of))
}

fn written(of: &Type) -> String {
    match of {
        Type::Any => "unknown".into(),
        Type::Null => "null".into(),
        Type::Bool => "boolean".into(),
        Type::Integer(_) | Type::Number => "number".into(),
        Type::Text => "string".into(),
        Type::List(of) => format!("Array<{}>", written(of)),
        Type::Map(of) => format!("Record<string, {}>", written(of)),
        Type::Option(of) => format!("{} | null", written(of)),
        Type::Tuple(places) => {
            let places: Vec<String> = places.iter().map(written).collect();
            format!("[{}]", places.join(", "))
        }
        Type::Named(name) | Type::Within(name) => name.clone(),
    }
}

fn key(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    if name.chars().all(plain) && name.starts_with(|c: char| !c.is_ascii_digit()) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

/// A text as JSON writes it, which TypeScript reads.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn help(out: &mut String, pad: &str, text: &str) {
    // Nothing in it ends the comment.
    let text = text.replace("*/", "*\\/");
    let lines: Vec<&str> = text.lines().collect();
    match lines.as_slice() {
        [] => {}
        [only] => line(out, pad, &format!("/** {only} */")),
        lines => {
            line(out, pad, "/**");
            for text in lines {
                line(out, pad, format!(" * {text}").trim_end());
            }
            line(out, pad, " */");
        }
    }
}

fn line(out: &mut String, pad: &str, text: &str) {
    // A `String` takes all that is written to it.
    let _ = writeln!(out, "{pad}{text}");
}
