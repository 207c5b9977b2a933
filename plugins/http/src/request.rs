//! One request and its response.

use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nebula_sdk::action::alloc::collections::BTreeMap;
use nebula_sdk::action::http::{RequestBuilder, Response};
use nebula_sdk::prelude::*;

use crate::shared::{Auth, parameter};

/// What `http.request` takes.
#[data]
#[derive(Debug)]
pub struct Input {
    /// `GET` if not given.
    #[serde(default = "get")]
    pub method: String,
    /// Absolute, `http` or `https`.
    pub url: String,
    /// Parameters added to the address; numbers and bools are written as text.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// Headers of the request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Text to send. At most one of `body` and `json` is given.
    #[serde(default)]
    pub body: Option<String>,
    /// A value to send as JSON.
    #[serde(default)]
    pub json: Option<Value>,
    /// Sends the credential that the node binds to `auth`.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// For the connection, the first byte and between bytes, each, in milliseconds.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Sends an `Idempotency-Key` that is the same on every attempt.
    #[serde(default)]
    pub idempotent: bool,
    /// Fails on every status from 400 on.
    #[serde(default)]
    pub fail_on_status: bool,
    /// How the body of the response is given.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How the body of a response is given.
#[data]
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As text; what is not UTF-8 fails.
    #[default]
    Text,
    /// As base64, padded: for archives, pictures and their like.
    Base64,
}

/// What `http.request` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// For example 200.
    pub status: u16,
    /// By lower-case name; values of a repeated one are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The body, as `encoding` says.
    pub body: String,
    /// The body's value, if its content type is JSON and it is given as text; else null.
    pub json: Value,
}

/// Makes an HTTP request and gives the response.
#[derive(Action)]
#[action(
    id = "http.request",
    name = "HTTP request",
    credentials("auth"),
    hosts("*")
)]
pub struct RequestAction;

impl SimpleAction for RequestAction {
    type Input = Input;
    type Output = Output;

    async fn execute_simple(&self, input: Input, ctx: &ActionContext) -> Result<Output> {
        let mut request = prepare(&input, ctx)?;
        if let Some(auth) = &input.auth {
            request = match auth.header(ctx).await? {
                Some((name, value)) => request.header(name, value),
                None => request.credential("auth"),
            };
        }
        let response = request.send().await?;
        if matches!(response.status(), 429 | 502 | 503 | 504) || input.fail_on_status {
            return output(response.error_for_status()?, input.encoding);
        }
        output(response, input.encoding)
    }
}

fn get() -> String {
    "GET".into()
}

fn prepare<'a>(input: &Input, ctx: &'a ActionContext) -> Result<RequestBuilder<'a>> {
    let mut request = ctx.http().request(&input.method, &input.url);
    for (name, value) in &input.query {
        request = request.query(name, parameter(name, value)?);
    }
    for (name, value) in &input.headers {
        request = request.header(name, value);
    }
    request = match (&input.body, &input.json) {
        (Some(_), Some(_)) => {
            return Err(ActionError::invalid_input(
                "only one of `body` and `json` can be sent",
            ));
        }
        (Some(text), None) => request.body(text.as_bytes()),
        (None, Some(value)) => request.json(value),
        (None, None) => request,
    };
    if let Some(millis) = input.timeout_ms {
        request = request.timeout(Duration::from_millis(millis));
    }
    Ok(if input.idempotent {
        request.idempotent("request")
    } else {
        request
    })
}

fn output(response: Response, encoding: Encoding) -> Result<Output> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in response.headers() {
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| all.extend([", ", value]))
            .or_insert_with(|| value.clone());
    }
    let body = match encoding {
        Encoding::Text => response.text()?.to_owned(),
        Encoding::Base64 => STANDARD.encode(response.bytes()),
    };
    let json = if encoding == Encoding::Text && !body.is_empty() && is_json(&response) {
        response.json()?
    } else {
        Value::Null
    };
    Ok(Output {
        status: response.status(),
        headers,
        body,
        json,
    })
}

/// `application/json` and `application/*+json`.
fn is_json(response: &Response) -> bool {
    let kind = response.header("content-type").unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    kind == "application/json" || kind.ends_with("+json")
}

#[cfg(test)]
mod tests;
