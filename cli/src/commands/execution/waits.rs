//! What a step waits for, in words.

use serde_json::Value;

use crate::output;

/// `signal approval until 2026-02-03T04:05:06.000Z (3h from now)`,
/// `attempt 2 at …`, `until …`, `execution …`; empty for what does not wait.
pub(super) fn waits(waits_for: &Value) -> String {
    let until = waits_for.get("until").and_then(Value::as_str);
    let time = until.map(|at| format!("{at} ({})", output::age(at)));
    let signal = waits_for.get("signal").and_then(Value::as_str);
    let attempt = waits_for.get("attempt").and_then(Value::as_u64);
    if let Some(why) = waits_for
        .pointer("/unknown/message")
        .and_then(Value::as_str)
    {
        return format!("attempt {}: {why}", attempt.unwrap_or_default());
    }
    if let Some(child) = waits_for.get("execution").and_then(Value::as_str) {
        return format!("execution {child}");
    }
    match (signal, attempt, time) {
        (Some(signal), _, Some(time)) => format!("signal {signal} until {time}"),
        (Some(signal), _, None) => format!("signal {signal}"),
        (None, Some(attempt), Some(time)) => format!("attempt {attempt} at {time}"),
        (None, _, Some(time)) => format!("until {time}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_waited_for_and_until_when_is_said() {
        let until = "2001-02-03T04:05:06.000Z";
        let said = waits(&json!({ "signal": "approval", "until": until }));
        assert!(
            said.starts_with("signal approval until 2001-02-03T04:05:06.000Z ("),
            "{said}"
        );
        assert_eq!(waits(&json!({ "signal": "approval" })), "signal approval");
        let said = waits(&json!({ "attempt": 2, "until": until }));
        assert!(said.starts_with("attempt 2 at 2001-"), "{said}");
        assert!(waits(&json!({ "until": until })).starts_with("until 2001-"));
        let unknown = json!({ "attempt": 1, "unknown": { "kind": "host", "message": "cut off" } });
        assert_eq!(waits(&unknown), "attempt 1: cut off");
        let child = json!({ "execution": "exec-1" });
        assert_eq!(waits(&child), "execution exec-1");
        assert_eq!(waits(&json!({})), "");
    }
}
