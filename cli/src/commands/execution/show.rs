//! An execution as people read it: its steps, what each cost, its result.

use serde_json::Value;

use super::waits::waits;
use crate::error::Result;
use crate::output::{self, Column, Format, Paint, Show, Style, one_line};

/// How many steps a table shows before it sums up.
const MAX_STEPS: usize = 15;

/// Where a step says in words what it waits for.
const WAITS: &str = "waits";

/// Columns of the steps.
const COLUMNS: &[Column] = &[
    ("STEP", "/step", Show::Key),
    ("STATUS", "/status", Show::Status),
    ("ATTEMPTS", "/attempts", Show::Length),
    ("TIME", "/usage/duration_us", Show::Micros),
    ("FUEL", "/usage/fuel", Show::Count),
    ("MEMORY", "/usage/memory_bytes", Show::Bytes),
    ("STARTED", "/started_at", Show::Wide(&Show::Age)),
    ("PORT", "/port", Show::Wide(&Show::Text)),
    ("SKIPPED FOR", "/reason", Show::Wide(&Show::Text)),
    ("WAITS FOR", "/waits", Show::Text),
    ("ERROR", "/error/message", Show::Text),
];

/// All of it.
pub(super) fn execution(format: Format, execution: &Value) -> Result<()> {
    if !format.is_for_people() {
        return output::value(format, execution);
    }
    let text = |key: &str| {
        execution
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    output::line(&format!(
        "{} {} {}",
        text("id"),
        text("workflow"),
        Style::stdout().status(text("status"))
    ))?;
    if execution.get("waits_for_slot") == Some(&Value::Bool(true)) {
        output::line("waits for a slot: its workflow's concurrency lets no more run at once")?;
    }
    if let Some(origin) = execution.get("origin") {
        let text = |key: &str| origin.get(key).and_then(Value::as_str).unwrap_or_default();
        output::line(&format!("{} of {}", text("restart"), text("execution")))?;
    }
    let steps = execution.get("steps").and_then(Value::as_array);
    let steps = steps.map_or(&[][..], Vec::as_slice);
    if !steps.is_empty() {
        let shown: Vec<Value> = steps.iter().take(MAX_STEPS).map(in_words).collect();
        let something_waits = shown.iter().any(|step| step.get(WAITS).is_some());
        let columns: Vec<Column> = COLUMNS
            .iter()
            .filter(|(_, pointer, _)| something_waits || *pointer != "/waits")
            .copied()
            .collect();
        for line in output::table(format, &shown, &columns) {
            output::line(&line)?;
        }
        let all = execution.get("steps_total").and_then(Value::as_u64);
        let all = all
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(steps.len());
        if all > MAX_STEPS {
            output::line(&format!(
                "… and {} (with -o json up to 500; each is in `execution watch`)",
                output::things(all - MAX_STEPS, "more step")
            ))?;
        }
    }
    result(execution)
}

/// A step with what it waits for in words.
fn in_words(step: &Value) -> Value {
    let mut step = step.clone();
    if let Some(waits_for) = step.get("waits_for") {
        step[WAITS] = waits(waits_for).into();
    }
    step
}

/// How it ended.
pub(super) fn result(execution: &Value) -> Result<()> {
    if let Some(error) = execution.get("error").filter(|e| !e.is_null()) {
        let text = |key: &str| error.get(key).and_then(Value::as_str);
        let node = text("node").map(|n| format!(" at {n}")).unwrap_or_default();
        let kind = text("kind").unwrap_or_default();
        let failed = Style::stdout().paint(Paint::Bad, "failed");
        output::line(&format!(
            "{failed}{node} ({kind}): {}",
            one_line(text("message").unwrap_or_default())
        ))?;
    }
    if let Some(result) = execution.get("output").filter(|o| !o.is_null()) {
        output::line(&format!("output: {result:#}"))?;
    }
    Ok(())
}
