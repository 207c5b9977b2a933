//! What a test call gave and what it cost: the shape of `docs/cli.md` for
//! programs, a page for people.

use nebula_sandbox::nebula_flow::ActionMetadata;
use nebula_sandbox::nebula_flow::component::Effect;
use nebula_sandbox::nebula_flow::event::Usage;
use nebula_sandbox::nebula_flow::ports::{Limits, Prepared};
use serde_json::{Value, json};

use crate::error::Result;
use crate::output::{self, Format, Paint, Style, one_line};

/// Adds to an answer everything besides the outcome.
pub(super) fn add(
    answer: &mut Value,
    action: &ActionMetadata,
    prepared: &Prepared,
    usage: Usage,
    limits: &Limits,
    lines: &[(String, String)],
) {
    add_action(answer, action, prepared, limits);
    answer["usage"] = json!({
        "duration_us": usage.duration_us, "fuel": usage.fuel, "memory_bytes": usage.memory_bytes,
    });
    answer["logs"] = lines
        .iter()
        .map(|(level, message)| json!({ "level": level, "message": message }))
        .collect();
    answer["asks_for"] = json!({
        "hosts": action.hosts, "credentials": action.credentials, "resources": action.resources(),
        "imports": prepared.imports,
    });
}

/// Adds to an answer which action was called, and what it may cost.
pub(super) fn add_action(
    answer: &mut Value,
    action: &ActionMetadata,
    prepared: &Prepared,
    limits: &Limits,
) {
    let timeout_us = u64::try_from(limits.timeout.as_micros()).unwrap_or(u64::MAX);
    answer["action"] = action.id.as_str().into();
    answer["version"] = action.version.to_string().into();
    answer["effect"] = word(prepared.effect).into();
    answer["limits"] = json!({
        "duration_us": timeout_us, "fuel": limits.fuel, "memory_bytes": limits.memory_bytes,
    });
}

/// An effect as it is written.
pub(super) const fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Pure => "pure",
        Effect::Effectful => "effectful",
    }
}

/// Prints it.
pub(super) fn show(format: Format, answer: &Value) -> Result<()> {
    match format {
        Format::Name => output::line(text(answer, "/action")),
        format if format.is_for_people() => page(answer),
        format => output::value(format, answer),
    }
}

/// Prints it as one of several.
pub(super) fn show_item(format: Format, answer: &Value) -> Result<()> {
    match format {
        Format::Name => output::line(text(answer, "/action")),
        format if format.is_for_people() => page(answer),
        format => output::item(format, answer, String::new),
    }
}

fn page(answer: &Value) -> Result<()> {
    let style = Style::stdout();
    for line in list(answer, "/logs") {
        let (level, message) = (text(line, "/level"), text(line, "/message"));
        output::line(&format!("{level:6} {}", one_line(message)))?;
    }
    if let Some(output) = answer.get("output") {
        if let Some(port) = answer.get("port").and_then(Value::as_str) {
            output::line(&format!("on port {port}:"))?;
        }
        output::line(&format!("{output:#}"))?;
    }
    if let Some(state) = answer.get("state") {
        match answer.get("waits_for") {
            Some(wake) => output::line(&format!("waits for {wake}"))?,
            None => output::line("goes on at once")?,
        }
        output::line(&format!("with the state {state:#}"))?;
    }
    if let Some(reason) = answer.get("skipped") {
        let reason = reason.as_str().map(|r| format!(": {}", one_line(r)));
        output::line(&format!("skipped{}", reason.unwrap_or_default()))?;
    }
    if let Some(error) = answer.get("error") {
        output::line(&format!(
            "{} ({}): {}",
            style.paint(Paint::Bad, "failed"),
            text(error, "/kind"),
            one_line(text(error, "/message"))
        ))?;
    }
    if answer.get("http").is_some() {
        output::line("")?;
        for request in list(answer, "/http/requests") {
            output::line(&requested(request, style))?;
        }
        for rule in list(answer, "/http/unused") {
            let rule = one_line(rule.as_str().unwrap_or_default());
            output::line(&style.paint(Paint::Dim, &format!("never asked  {rule}")))?;
        }
    }
    if let Some(snapshot) = answer.get("snapshot") {
        output::line("")?;
        kept(snapshot, style)?;
    }
    figures(answer)?;
    match answer.get("profile") {
        Some(profile) => burned(profile, style),
        None => Ok(()),
    }
}

/// Where the fuel went.
fn burned(profile: &Value, style: Style) -> Result<()> {
    let file = one_line(text(profile, "/file"));
    output::line(&format!("\nwritten      {file}"))?;
    let head = "   SHARE  WITH CALLS  FUNCTION";
    output::line(&style.paint(Paint::Dim, head))?;
    for function in list(profile, "/functions") {
        let share = |name: &str| function[name].as_f64().unwrap_or_default();
        let (own, all) = (share("share"), share("share_with_calls"));
        let name = one_line(text(function, "/name"));
        output::line(&format!("{own:6.1} %    {all:6.1} %  {name}"))?;
    }
    if list(profile, "/functions").iter().all(is_unnamed) {
        output::note("the component was built without names: give its crate's folder instead");
    }
    Ok(())
}

fn is_unnamed(function: &Value) -> bool {
    text(function, "/name").starts_with("function ")
}

/// What was to come out, and where that differs.
fn kept(snapshot: &Value, style: Style) -> Result<()> {
    let file = one_line(text(snapshot, "/file"));
    if snapshot["written"] == true {
        return output::line(&format!("written      {file}"));
    }
    if snapshot["matches"] == true {
        let word = style.paint(Paint::Good, "matches");
        return output::line(&format!("{word}      {file}"));
    }
    let word = style.paint(Paint::Bad, "differs");
    output::line(&format!("{word}      {file}"))?;
    for one in list(snapshot, "/differences") {
        let shown = |name: &str| {
            let value = one.get(name).map(Value::to_string);
            one_line(&value.unwrap_or_else(|| "nothing".to_owned()))
        };
        let at = match text(one, "/pointer") {
            "" => "all of it",
            pointer => pointer,
        };
        let (expected, found) = (shown("expected"), shown("found"));
        let line = format!("  {}: expected {expected}, is {found}", one_line(at));
        output::line(&line)?;
    }
    output::note("if it is right as it is now, --update keeps it");
    Ok(())
}

fn requested(request: &Value, style: Style) -> String {
    let line = format!(
        "{} {}",
        text(request, "/method"),
        one_line(text(request, "/url"))
    );
    if request.pointer("/rule").is_some_and(Value::is_number) {
        format!("answered {}  {line}", request["status"])
    } else if request["recorded"] == true {
        format!("recorded {}  {line}", request["status"])
    } else {
        style.paint(Paint::Bad, &format!("unmatched     {line}"))
    }
}

/// What it is, cost and asks for.
fn figures(answer: &Value) -> Result<()> {
    let number = |pointer: &str| {
        let number = answer.pointer(pointer).and_then(Value::as_u64);
        number.unwrap_or_default()
    };
    let names = |pointer: &str| {
        let names: Vec<_> = list(answer, pointer)
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if names.is_empty() {
            "nothing".to_owned()
        } else {
            names.join(", ")
        }
    };
    let of = |used: String, limit: String| format!("{used} of {limit}");
    output::line(&format!(
        "\naction       {} {} ({})",
        text(answer, "/action"),
        text(answer, "/version"),
        text(answer, "/effect")
    ))?;
    for (name, figure) in [
        (
            "time",
            of(
                output::micros(number("/usage/duration_us")),
                output::micros(number("/limits/duration_us")),
            ),
        ),
        (
            "fuel",
            of(
                output::count(number("/usage/fuel")),
                output::count(number("/limits/fuel")),
            ),
        ),
        (
            "peak memory",
            of(
                output::bytes(number("/usage/memory_bytes")),
                output::bytes(number("/limits/memory_bytes")),
            ),
        ),
        ("hosts", names("/asks_for/hosts")),
        ("credentials", names("/asks_for/credentials")),
        ("resources", resources(&answer["asks_for"]["resources"])),
    ] {
        output::line(&format!("{name:12} {figure}"))?;
    }
    Ok(())
}

/// The resources that an action asks for, with their kinds.
pub(super) fn resources(asked: &Value) -> String {
    let asked = asked.as_object().into_iter().flatten();
    let each = asked.map(|(name, kind)| format!("{name} ({})", kind.as_str().unwrap_or_default()));
    let each: Vec<String> = each.collect();
    match each.as_slice() {
        [] => "nothing".to_owned(),
        each => one_line(&each.join(", ")),
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}
