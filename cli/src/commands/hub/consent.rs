//! What packages ask for and what has changed, shown before anything is
//! installed; and what was agreed to, for the node.

use serde_json::{Value, json};

use crate::commands::confirm;
use crate::error::{Error, Exit, Result};
use crate::output;

/// Shows a plan, asks, and gives the orders that were agreed to: none for what
/// is installed already.
pub(super) fn agree(plan: &Value, claims: &[String], yes: bool) -> Result<Vec<Value>> {
    let coming: Vec<&Value> = items(plan, "packages")
        .filter(|package| package["is_installed"] != true)
        .collect();
    for package in &coming {
        owned(package, claims)?;
    }
    let show = || coming.iter().for_each(|package| shown(package));
    if coming.iter().any(|package| is_new(package)) {
        confirm::ask(yes, "Install this?", show)
            .map_err(|error| error.with_exit(Exit::Untrusted))?;
    } else if !coming.is_empty() {
        show();
    }
    Ok(coming
        .iter()
        .map(|package| order(package, claims))
        .collect())
}

/// Names of actions that belong to somebody else need a word of their own,
/// which `--yes` is not.
fn owned(package: &Value, claims: &[String]) -> Result<()> {
    for claimed in items(package, "claimed") {
        let segment = text(claimed, "segment");
        if !claims.iter().any(|claim| claim == segment) {
            let (name, owner) = (text(package, "name"), text(claimed, "owner"));
            return Err(Error::refused(format!(
                "{name} has actions whose names begin with `{segment}.`, and these belong to {owner} on this node"
            ))
            .hint(format!("to give them to {name}: --claim {segment}"))
            .with_exit(Exit::Taken));
        }
    }
    Ok(())
}

/// Whether there is something to agree to.
fn is_new(package: &Value) -> bool {
    items(package, "new").next().is_some() || is_first(package) || package["origin"] == "unsigned"
}

/// Whether its key is met for the first time.
fn is_first(package: &Value) -> bool {
    package["key"].is_string() && package["trusted_as"].is_null()
}

fn shown(package: &Value) {
    let (name, version) = (text(package, "name"), text(package, "version"));
    let before = items(package, "installed").filter_map(Value::as_str).next();
    let before = before.map(|before| format!(" (installed: {before})"));
    output::aside(&format!("{name} {version}{}", before.unwrap_or_default()));
    if !text(package, "description").is_empty() {
        output::aside(&format!(
            "  {}",
            output::one_line(text(package, "description"))
        ));
    }
    let key = package["key"].as_str().unwrap_or_default();
    output::aside(
        &match (package["trusted_as"].as_str(), text(package, "origin")) {
            (Some(label), _) => format!("  signed by `{label}`"),
            (None, "unsigned") => "  NOT SIGNED: nobody vouches for it".to_owned(),
            (None, _) => format!(
                "  signed by {key}, which is met for the first time: it will be trusted for {name}'s namespace from now on"
            ),
        },
    );
    let new: Vec<_> = items(package, "new").collect();
    for ask in items(package, "asks") {
        let mark = if new.contains(&ask) { "new: " } else { "" };
        output::aside(&format!("  {mark}asks to {}", words(ask)));
    }
    if items(package, "asks").next().is_none() {
        output::aside("  asks for nothing");
    }
}

/// What is asked for, in words.
pub(super) fn words(ask: &Value) -> String {
    let name = output::one_line(text(ask, "name"));
    match text(ask, "kind") {
        "host" if name == "*" => "reach hosts that its input names, each by a grant".to_owned(),
        "host" => format!("reach {name}"),
        "credential" => format!("use the credential `{name}`"),
        _ => format!("use {name}"),
    }
}

fn order(package: &Value, claims: &[String]) -> Value {
    let mut order = json!({
        "name": package["name"], "version": package["version"], "digest": package["digest"],
        "agreed": package["asks"],
    });
    if is_first(package) {
        order["trust"] = package["key"].clone();
    }
    let claimed: Vec<_> = items(package, "claimed")
        .map(|claimed| text(claimed, "segment"))
        .filter(|segment| claims.iter().any(|claim| claim == segment))
        .collect();
    if !claimed.is_empty() {
        order["claims"] = claimed.into();
    }
    order
}

/// The elements of a list.
pub(super) fn items<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value[field].as_array().into_iter().flatten()
}

/// A text.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
