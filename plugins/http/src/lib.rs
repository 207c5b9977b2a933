//! `http.request`: any HTTP request to a granted host.
//!
//! ```yaml
//! create:
//!   action: http.request
//!   input:
//!     method: POST
//!     url: https://api.example/v1/orders
//!     json: { item: "${ $input.item }" }
//!     auth: { header: authorization, prefix: "Bearer " }
//!     idempotent: true
//!   credentials: { auth: shop-prod }
//! ```
//!
//! The host of the address needs a grant: `nebula grant http.request
//! api.example`. The statuses 429, 502, 503 and 504 are retryable, not before
//! `Retry-After`; every other status is an answer, unless `fail_on_status` asks
//! for a failure from 400 on.

#![no_std]

use core::time::Duration;

use nebula_sdk::action::alloc::collections::BTreeMap;
use nebula_sdk::action::http::{RequestBuilder, Response};
use nebula_sdk::prelude::*;

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
}

/// The header that carries the credential `auth`.
#[data]
#[derive(Debug)]
pub struct Auth {
    /// `authorization` if not given.
    #[serde(default = "authorization")]
    pub header: String,
    /// Before the credential; `Bearer ` if neither it nor the header is given.
    #[serde(default)]
    pub prefix: Option<String>,
}

/// What `http.request` gives.
#[data]
#[derive(Debug)]
pub struct Output {
    /// For example 200.
    pub status: u16,
    /// By lower-case name; values of a repeated one are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: String,
    /// The body's value, if its content type is JSON; else null.
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
            let credential = ctx.get_credential("auth").await?;
            request = request.header(auth.header.clone(), [auth.prefix(), &credential].concat());
        }
        let response = request.send().await?;
        if matches!(response.status(), 429 | 502 | 503 | 504) || input.fail_on_status {
            return output(response.error_for_status()?);
        }
        output(response)
    }
}

nebula_sdk::export!(RequestAction);

fn get() -> String {
    "GET".into()
}

fn authorization() -> String {
    "authorization".into()
}

impl Auth {
    fn prefix(&self) -> &str {
        match &self.prefix {
            Some(prefix) => prefix,
            None if self.header.eq_ignore_ascii_case("authorization") => "Bearer ",
            None => "",
        }
    }
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

fn parameter(name: &str, value: &Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        _ => Err(ActionError::invalid_input(format!(
            "query.{name}: a text, a number or a bool is needed"
        ))),
    }
}

fn output(response: Response) -> Result<Output> {
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in response.headers() {
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| all.extend([", ", value]))
            .or_insert_with(|| value.clone());
    }
    let body = response.text()?.to_owned();
    let json = if !body.is_empty() && is_json(&response) {
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
mod tests {
    use super::*;

    const URL: &str = "https://api.example/v1/orders";

    fn run(ctx: &ActionContext, input: &Value) -> Result<ProcessResult<Value>> {
        ctx.run::<RequestAction>(input)
    }

    #[test]
    fn a_request_has_all_its_parts() {
        let response = Response::new(201)
            .with_header("Content-Type", "application/problem+json; charset=utf-8")
            .with_header("X-A", "1")
            .with_header("x-a", "2")
            .with_body(r#"{"id": 7}"#);
        let ctx = ActionContext::for_test()
            .with_credential("auth", "s3")
            .with_response(
                "POST",
                "https://api.example/v1/orders?page=2&q=a%20b",
                response,
            );
        let input = json!({
            "method": "post", "url": URL, "query": { "q": "a b", "page": 2 }, "headers": { "x-b": "c" },
            "json": { "item": 1 }, "auth": {}, "timeout_ms": 500, "idempotent": true,
        });
        let Ok(ProcessResult::Success(output)) = run(&ctx, &input) else {
            panic!("success expected")
        };
        assert_eq!(
            (&output["status"], &output["json"]),
            (&json!(201), &json!({ "id": 7 }))
        );
        assert_eq!(output["headers"]["x-a"], "1, 2");
        let sent = ctx.requests().remove(0);
        let names: Vec<&str> = sent.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["x-b", "content-type", "idempotency-key", "authorization"]
        );
        assert_eq!(sent.headers[3].1, "Bearer s3");
        assert_eq!(
            (sent.body.as_slice(), sent.timeout),
            (&br#"{"item":1}"#[..], Some(Duration::from_millis(500)))
        );
    }

    #[test]
    fn a_status_is_an_answer_unless_it_may_pass_or_a_failure_is_asked_for() {
        let status = |status, fail: bool| {
            let ctx = ActionContext::for_test().with_response("GET", URL, Response::new(status));
            run(&ctx, &json!({ "url": URL, "fail_on_status": fail }))
        };
        assert!(
            matches!(status(404, false), Ok(ProcessResult::Success(output)) if output["status"] == 404)
        );
        assert!(matches!(status(404, true), Err(ActionError::Permanent(_))));
        for passing in [429, 502, 503, 504] {
            assert!(
                matches!(status(passing, false), Err(ActionError::Retryable { .. })),
                "{passing}"
            );
        }
    }

    #[test]
    fn inputs_that_contradict_are_refused() {
        let ctx = ActionContext::for_test();
        for input in [
            json!({ "url": URL, "body": "a", "json": 1 }),
            json!({ "url": URL, "query": { "a": [] } }),
        ] {
            assert!(
                matches!(run(&ctx, &input), Err(ActionError::InvalidInput(_))),
                "{input}"
            );
        }
        assert!(matches!(
            run(&ctx, &json!({ "url": "nowhere" })),
            Err(ActionError::Permanent(_))
        ));
    }
}
