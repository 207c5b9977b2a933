//! Triggers that a request fires, as they are written.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::definition::check::Check;
use crate::definition::diagnostic::{Code, Diagnostic, child};
use crate::time::Span;

/// The longest window of a signed request.
pub(super) const MAX_WINDOW: Duration = Duration::from_secs(60 * 60);
/// The longest wait of an answer for the execution's end.
pub(super) const MAX_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// The most headers that are passed on.
const MAX_HEADERS: usize = 32;

/// Headers that are passed on in any case.
const ALWAYS: [&str; 3] = ["content-type", "user-agent", "webhook-id"];
/// Headers that prove who someone is.
const SECRET: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "webhook-signature",
];

/// When a workflow starts by a request to `/hooks/<workflow>/<trigger>`. Its event
/// is `{"headers", "query", "body"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// How the sender proves that it knows the secret.
    pub auth: WebhookAuth,
    /// The stored credential that is the secret; for `basic`, `user:password`.
    pub secret: String,
    /// How old a signed request may be, and how far ahead; 5m if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Span>,
    /// What the answer has.
    #[serde(default, skip_serializing_if = "WebhookReply::is_default")]
    pub reply: WebhookReply,
    /// How long the answer waits for the execution's end; 30s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Headers that the event has besides `content-type`, `user-agent` and
    /// `webhook-id`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
}

/// How the sender of a request proves that it knows a webhook's secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookAuth {
    /// `webhook-signature: sha256=<hex>`: HMAC-SHA256 of `<timestamp>.<body>`, the
    /// timestamp being that of `webhook-timestamp`; with a `webhook-id`, of
    /// `<id>.<timestamp>.<body>`.
    Hmac,
    /// `Authorization: Bearer <secret>`.
    Bearer,
    /// `Authorization: Basic <base64 of the secret>`.
    Basic,
}

/// What the answer to a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WebhookReply {
    /// The execution's id, once its start is on disk.
    #[default]
    Accepted,
    /// The execution's end, if it comes in time.
    Result,
}

impl WebhookAuth {
    /// The name it has everywhere, e.g. `hmac`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Bearer => "bearer",
            Self::Basic => "basic",
        }
    }
}

impl WebhookReply {
    const fn is_default(&self) -> bool {
        matches!(self, Self::Accepted)
    }
}

impl Webhook {
    /// One with this proof and this secret.
    #[must_use]
    pub fn new(auth: WebhookAuth, secret: impl Into<String>) -> Self {
        Self {
            auth,
            secret: secret.into(),
            window: None,
            reply: WebhookReply::default(),
            timeout: None,
            headers: Vec::new(),
        }
    }

    /// The names of the headers that its event has.
    pub fn passed_on(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let more = self.headers.iter().map(|name| Cow::Borrowed(name.as_str()));
        ALWAYS.into_iter().map(Cow::Borrowed).chain(more)
    }
}

impl Check<'_> {
    pub(super) fn webhook(&mut self, pointer: &str, webhook: &Webhook) {
        if webhook.secret.is_empty() {
            let message = "a credential's name is empty".to_owned();
            self.problem(Code::InvalidName, &child(pointer, "secret"), message);
        }
        for (field, given, most, belongs) in [
            (
                "window",
                webhook.window,
                MAX_WINDOW,
                (webhook.auth == WebhookAuth::Hmac, "`auth: hmac`"),
            ),
            (
                "timeout",
                webhook.timeout,
                MAX_TIMEOUT,
                (webhook.reply == WebhookReply::Result, "`reply: result`"),
            ),
        ] {
            let Some(Span(time)) = given else { continue };
            let message = if !belongs.0 {
                format!("`{field}` belongs to {}", belongs.1)
            } else if time.is_zero() || time > most {
                let (time, most) = (Span(time), Span(most));
                format!("`{field}` is longer than 0 and at most {most}, not {time}")
            } else {
                continue;
            };
            self.problem(Code::InvalidValue, &child(pointer, field), message);
        }
        self.hook_headers(&child(pointer, "headers"), &webhook.headers);
    }

    fn hook_headers(&mut self, pointer: &str, headers: &[String]) {
        if headers.len() > MAX_HEADERS {
            let count = headers.len();
            let message = format!("{count} headers are passed on; at most {MAX_HEADERS} may be");
            return self.problem(Code::TooLarge, pointer, message);
        }
        for (index, name) in headers.iter().enumerate() {
            let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
            let valid = (1..=64).contains(&name.len()) && name.bytes().all(letter);
            let short: String = name.chars().take(64).collect();
            let diagnostic = if !valid {
                let message = format!("`{short}` is no name of a header");
                Diagnostic::new(Code::InvalidValue, "", message)
                    .hint("write it in lower case, for example `x-github-event`")
            } else if SECRET.contains(&name.as_str()) {
                let message = format!("`{name}` proves who someone is, and is passed on to nobody");
                Diagnostic::new(Code::InvalidValue, "", message).hint("leave it out")
            } else {
                continue;
            };
            let pointer = child(pointer, &index.to_string());
            self.problems.push(Diagnostic {
                pointer,
                ..diagnostic
            });
        }
    }
}
