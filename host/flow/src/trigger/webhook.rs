//! What a request to a webhook is as an event, and the key that makes a repeat
//! of it harmless. Whether it is the sender's, `nebula-server` knows.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::id::{TriggerName, WorkflowId};

/// How old a signed request may be, unless its trigger says otherwise.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(5 * 60);

/// How long an answer waits for the execution's end, unless its trigger says
/// otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The most parameters of a query.
const MAX_PARAMETERS: usize = 100;

/// The event of a request: `{"headers", "query", "body"}`. The body is JSON where
/// the media type says so, and text elsewhere; of a parameter that is repeated
/// the last value counts.
///
/// # Errors
/// When the body is not what its media type says, or no text; when the query has
/// more than a hundred parameters.
pub fn event(
    headers: impl Iterator<Item = (String, String)>,
    query: &str,
    media_type: Option<&str>,
    body: &[u8],
) -> Result<Value, String> {
    let headers: Map<String, Value> = headers.map(|(k, v)| (k, v.into())).collect();
    let parameters = query.split('&').filter(|part| !part.is_empty());
    if parameters.clone().count() > MAX_PARAMETERS {
        return Err(format!(
            "the query has more than {MAX_PARAMETERS} parameters"
        ));
    }
    let query: Map<String, Value> = parameters
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decoded(name), decoded(value).into())
        })
        .collect();
    Ok(json!({ "headers": headers, "query": query, "body": body_of(media_type, body)? }))
}

fn body_of(media_type: Option<&str>, body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let essence = media_type.unwrap_or_default().split(';').next();
    let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || essence.ends_with("+json") {
        return serde_json::from_slice(body).map_err(|e| format!("the body is not JSON: {e}"));
    }
    let text = std::str::from_utf8(body);
    text.map(Value::from)
        .map_err(|e| format!("the body is no text: byte {} is not UTF-8", e.valid_up_to()))
}

/// A part of a query, as forms write it.
fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = |offset: usize| {
            let digit = bytes.get(at + offset).copied().map(char::from);
            digit.and_then(|c| c.to_digit(16))
        };
        match (byte, hex(1), hex(2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 2;
            }
            (b'+', ..) => out.push(b' '),
            (other, ..) => out.push(*other),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The key of a delivery, by what is unique of it.
#[must_use]
pub fn key(workflow: WorkflowId, trigger: &TriggerName, unique: &str) -> String {
    format!(
        "{}hook/{workflow}/{trigger}/{unique}",
        crate::start::RESERVED
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn of(query: &str, media_type: Option<&str>, body: &[u8]) -> Result<Value, String> {
        let headers = [("x-from".to_owned(), "a shop".to_owned())];
        event(headers.into_iter(), query, media_type, body)
    }

    #[test]
    fn a_request_becomes_an_event() {
        let json_type = Some("application/json; charset=utf-8");
        let event = of("a=1&b=x%20y&a=2&c&d=%zz+%E2%82%AC", json_type, b"{\"n\":1}").unwrap();
        assert_eq!(
            event,
            json!({
                "headers": {"x-from": "a shop"},
                "query": {"a": "2", "b": "x y", "c": "", "d": "%zz \u{20ac}"},
                "body": {"n": 1},
            })
        );
        assert_eq!(of("", None, b"").unwrap()["body"], Value::Null);
        assert_eq!(of("", Some("text/plain"), b"{}").unwrap()["body"], "{}");
        let cloud = Some("application/cloudevents+json");
        assert_eq!(of("", cloud, b"[1]").unwrap()["body"], json!([1]));
    }

    #[test]
    fn a_body_that_is_not_what_it_says_is_refused() {
        for (media_type, body) in [
            (Some("application/json"), &b"{"[..]),
            (Some("application/json"), b"\xff"),
            (None, b"\xff"),
        ] {
            assert!(of("", media_type, body).is_err());
        }
        assert!(of(&"a&".repeat(101), None, b"").is_err());
    }

    #[test]
    fn a_key_is_within_its_bound_whatever_the_names() {
        let workflow = WorkflowId::mint(crate::Timestamp::from_millis(1), 1);
        let trigger = TriggerName::new("t".repeat(64)).unwrap();
        let unique = format!("id/{}", "x".repeat(100));
        assert!(key(workflow, &trigger, &unique).len() <= crate::start::MAX_KEY);
    }
}
