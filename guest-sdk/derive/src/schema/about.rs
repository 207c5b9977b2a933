//! What doc comments say, as members of a JSON object.

use syn::{Attribute, Expr, ExprLit, Lit, Meta};

use super::serde::json;

/// `"title":"…","description":"…"`: the doc comment; a heading at its
/// beginning is the title.
pub(super) fn of(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes.iter().filter_map(line).collect();
    let text = lines.join("\n");
    let text = text.trim();
    let (title, description) = match text.strip_prefix('#') {
        Some(rest) => rest.split_once('\n').unwrap_or((rest, "")),
        None => ("", text),
    };
    let mut members = Vec::new();
    for (name, text) in [
        ("title", title.trim_start_matches('#').trim()),
        ("description", description.trim()),
    ] {
        if !text.is_empty() {
            members.push(format!("\"{name}\":\"{}\"", json(text)));
        }
    }
    if attributes.iter().any(|a| a.path().is_ident("deprecated")) {
        members.push("\"deprecated\":true".to_owned());
    }
    members.join(",")
}

fn line(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(meta) = &attribute.meta else {
        return None;
    };
    match &meta.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if meta.path.is_ident("doc") => {
            let text = text.value();
            Some(text.strip_prefix(' ').map(str::to_owned).unwrap_or(text))
        }
        _ => None,
    }
}
