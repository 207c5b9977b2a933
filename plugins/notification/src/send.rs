//! `notification.send`: a message to a webhook.
//!
//! ```yaml
//! notify:
//!   action: notification.send
//!   input:
//!     url: https://hooks.slack.com/services/…
//!     format: slack
//!     text: "It is ${ $nodes.fetch.result.temp } °C"
//! ```
//!
//! The host of the address needs a grant: `nebula grant notification.send
//! hooks.slack.com`. The request carries an `Idempotency-Key` that is the same
//! on every attempt.

use nebula_sdk::action::alloc::collections::BTreeMap;
use nebula_sdk::prelude::*;

/// What `notification.send` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// Of the webhook.
    pub url: String,
    /// The message.
    pub text: String,
    /// Above the message.
    #[serde(default)]
    pub title: Option<String>,
    /// Names and values below the message.
    #[serde(default)]
    pub fields: BTreeMap<String, Value>,
    /// The shape that the webhook expects.
    #[serde(default)]
    pub format: Format,
}

/// The shape of the request's body.
#[data]
#[derive(Debug, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `{text, title, fields}`.
    #[default]
    Json,
    /// An incoming webhook of Slack, or of what speaks like it.
    Slack,
    /// A webhook of Discord.
    Discord,
}

/// What `notification.send` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// Always true; a message that was not taken is an error.
    pub sent: bool,
    /// As the webhook answered, e.g. 204.
    pub status: u16,
}

/// Sends a message to a webhook, as plain JSON or in the shape of Slack or Discord.
#[derive(Action)]
#[action(id = "notification.send", name = "Send a notification", hosts("*"))]
pub struct Send;

impl SimpleAction for Send {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let request = ctx
            .http()
            .post(&input.url)
            .json(&body(&input))
            .idempotent("send");
        let response = request.send().await?.error_for_status()?;
        Ok(Output {
            sent: true,
            status: response.status(),
        })
    }
}

fn body(input: &Input) -> Value {
    let Input {
        text,
        title,
        fields,
        ..
    } = input;
    match input.format {
        Format::Json => json!({ "text": text, "title": title, "fields": fields }),
        Format::Slack => {
            let mut blocks = Vec::new();
            if let Some(title) = title {
                blocks.push(
                    json!({ "type": "header", "text": { "type": "plain_text", "text": title } }),
                );
            }
            blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": text } }));
            if !fields.is_empty() {
                let fields: Vec<Value> = fields
                    .iter()
                    .map(|(name, value)| json!({ "type": "mrkdwn", "text": format!("*{name}*\n{}", plain(value)) }))
                    .collect();
                blocks.push(json!({ "type": "section", "fields": fields }));
            }
            json!({ "text": text, "blocks": blocks })
        }
        Format::Discord => {
            let fields: Vec<Value> = fields
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": plain(value), "inline": true }))
                .collect();
            if title.is_none() && fields.is_empty() {
                return json!({ "content": text });
            }
            json!({ "embeds": [{ "title": title, "description": text, "fields": fields }] })
        }
    }
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nebula_sdk::action::http::Response;

    const HOOK: &str = "https://hooks.example/T/1";

    fn send(input: &Value, status: u16) -> (ActionContext, Result<ProcessResult<Value>>) {
        let ctx = ActionContext::for_test().with_response("POST", HOOK, Response::new(status));
        let result = ctx.run::<Send>(input);
        (ctx, result)
    }

    fn sent(input: &Value) -> Value {
        let (ctx, result) = send(input, 204);
        assert_eq!(
            result,
            Ok(ProcessResult::Success(
                json!({ "sent": true, "status": 204 })
            ))
        );
        serde_json_of(&ctx.requests()[0].body)
    }

    fn serde_json_of(body: &[u8]) -> Value {
        Response::new(200).with_body(body).json().expect("JSON")
    }

    #[test]
    fn each_format_has_its_shape() {
        let with = |format| json!({ "url": HOOK, "text": "hot", "title": "T", "fields": { "n": 1 }, "format": format });
        assert_eq!(
            sent(&with("json")),
            json!({ "text": "hot", "title": "T", "fields": { "n": 1 } })
        );
        let slack = sent(&with("slack"));
        assert_eq!(slack["text"], "hot");
        assert_eq!(slack["blocks"][2]["fields"][0]["text"], "*n*\n1");
        assert_eq!(
            sent(&with("discord"))["embeds"][0]["fields"][0]["value"],
            "1"
        );
        assert_eq!(
            sent(&json!({ "url": HOOK, "text": "hot", "format": "discord" })),
            json!({ "content": "hot" })
        );
    }

    #[test]
    fn every_attempt_carries_the_same_idempotency_key() {
        let key = || {
            let (ctx, _) = send(&json!({ "url": HOOK, "text": "hot" }), 204);
            let headers = ctx.requests().remove(0).headers;
            headers
                .into_iter()
                .find(|(name, _)| name == "idempotency-key")
                .expect("a key")
                .1
        };
        assert_eq!(key(), key());
    }

    #[test]
    fn a_webhook_that_is_gone_is_permanent_and_a_busy_one_is_not() {
        let input = json!({ "url": HOOK, "text": "hot" });
        assert!(matches!(
            send(&input, 404).1,
            Err(ActionError::Permanent(_))
        ));
        assert!(matches!(
            send(&input, 429).1,
            Err(ActionError::Retryable { .. })
        ));
    }
}
