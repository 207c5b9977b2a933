//! A file of requests and their responses.
//!
//! ```yaml
//! - request: { method: GET, url: "https://api.example/v1/orders?page=2" }
//!   response: { json: { orders: [] } }
//! - request: { url: "https://api.example/*" }
//!   response: { status: 503, headers: { retry-after: "1" } }
//!   times: 1
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use nebula_sandbox::nebula_flow::definition::Document;
use nebula_sandbox::nebula_flow::time::Span;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

/// A request and its response.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    request: Matcher,
    response: Reply,
    /// How often it answers; without it, always.
    #[serde(default)]
    times: Option<u32>,
    #[serde(skip)]
    target: Target,
}

/// What a request must have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matcher {
    /// Any, if absent.
    #[serde(default)]
    method: Option<String>,
    /// The whole address. A `*` at the end of the path stands for any rest;
    /// parameters that it names must be there, others may be.
    url: String,
    /// Headers that must be there with this value.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A JSON body that has at least this.
    #[serde(default)]
    json: Option<Value>,
    /// Exactly this body.
    #[serde(default)]
    body: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    json: Option<Value>,
    #[serde(default)]
    body: Option<String>,
    /// Before the answer.
    #[serde(default)]
    delay: Option<Span>,
}

/// The parts of a matcher's address.
#[derive(Debug, Default)]
struct Target {
    host: String,
    path: String,
    query: Vec<String>,
}

/// A request that came.
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// As the `Host` header says it.
    pub(super) host: &'a str,
    /// With its query.
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

const fn ok() -> u16 {
    200
}

/// Reads the rules of a file, YAML or JSON.
pub(super) fn read(file: &str, text: &[u8]) -> Result<Vec<Rule>> {
    let wrong = |what: String| {
        Error::refused(format!("{file} cannot be used: {what}"))
            .hint("it is a list of `request` and `response`; see docs/cli.md, Mocked HTTP")
    };
    let text = std::str::from_utf8(text).map_err(|_| wrong("it is not UTF-8 text".into()))?;
    let document = Document::parse(text).map_err(|problems| {
        wrong(problems.first().map_or_else(String::new, |p| {
            let place = p
                .position
                .map(|p| format!("line {}, column {}: ", p.line, p.column));
            format!("{}{}", place.unwrap_or_default(), p.message)
        }))
    })?;
    let mut rules: Vec<Rule> = serde_path_to_error::deserialize(document.value())
        .map_err(|e| wrong(format!("{}: {}", e.path(), e.inner())))?;
    for (i, rule) in rules.iter_mut().enumerate() {
        rule.prepare().map_err(|e| wrong(format!("[{i}]: {e}")))?;
    }
    Ok(rules)
}

impl Rule {
    fn prepare(&mut self) -> std::result::Result<(), String> {
        self.target = Target::parse(&self.request.url)?;
        if let Some(method) = &mut self.request.method {
            method.make_ascii_uppercase();
            Method::from_bytes(method.as_bytes())
                .map_err(|_| format!("`{method}` is no method"))?;
        }
        if self.response.json.is_some() && self.response.body.is_some() {
            return Err("a response has either `json` or `body`".into());
        }
        StatusCode::from_u16(self.response.status)
            .ok()
            .filter(|status| !status.is_informational())
            .ok_or_else(|| format!("{} is no status of a response", self.response.status))?;
        for (name, value) in &self.response.headers {
            HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("`{name}` is no header"))?;
            HeaderValue::from_str(value).map_err(|_| format!("the value of `{name}` is none"))?;
        }
        Ok(())
    }

    /// `host` or `host:port`, as a grant names it.
    pub(super) fn host(&self) -> &str {
        &self.target.host
    }

    pub(super) const fn times(&self) -> Option<u32> {
        self.times
    }

    pub(super) const fn status(&self) -> u16 {
        self.response.status
    }

    pub(super) fn delay(&self) -> Duration {
        self.response.delay.map_or(Duration::ZERO, |span| span.0)
    }

    /// Whether this is the request that is meant.
    pub(super) fn matches(&self, asked: &Asked<'_>) -> bool {
        let request = &self.request;
        let method = request.method.as_deref().is_none_or(|m| m == asked.method);
        let headers = request.headers.iter().all(|(name, value)| {
            let found = asked.headers.get(name).and_then(|v| v.to_str().ok());
            found == Some(value.as_str())
        });
        let json = request.json.as_ref().is_none_or(|wanted| {
            serde_json::from_slice(asked.body).is_ok_and(|found: Value| has(&found, wanted))
        });
        let body = request
            .body
            .as_ref()
            .is_none_or(|b| b.as_bytes() == asked.body);
        method && headers && json && body && self.target.matches(asked)
    }

    /// Its response; what it is made of was checked when it was read.
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        let body = match (&self.response.json, &self.response.body) {
            (Some(json), _) => json.to_string(),
            (None, body) => body.clone().unwrap_or_default(),
        };
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = StatusCode::from_u16(self.response.status).unwrap_or_default();
        let headers = response.headers_mut();
        if self.response.json.is_some() {
            headers.insert(super::JSON.0, HeaderValue::from_static(super::JSON.1));
        }
        for (name, value) in &self.response.headers {
            if let (Ok(name), Ok(value)) = (
                HeaderName::from_bytes(name.as_bytes()),
                HeaderValue::from_str(value),
            ) {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.request.method.as_deref().unwrap_or("any");
        write!(f, "{method} {}", self.request.url)
    }
}

impl Target {
    fn parse(url: &str) -> std::result::Result<Self, String> {
        let (scheme, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
            .ok_or_else(|| format!("`{url}` is not a whole address like https://api.example/v1"))?;
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(split);
        let usual = if scheme == "https" { ":443" } else { ":80" };
        let host = authority
            .strip_suffix(usual)
            .unwrap_or(authority)
            .to_ascii_lowercase();
        if host.is_empty() || host.contains(['@', '*']) {
            return Err(format!("`{url}` has no host that a request could go to"));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Self {
            host,
            path: if path.is_empty() {
                "/".into()
            } else {
                path.into()
            },
            query: query
                .split('&')
                .filter(|p| !p.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }

    fn matches(&self, asked: &Asked<'_>) -> bool {
        let (path, query) = asked.path.split_once('?').unwrap_or((asked.path, ""));
        let path = match self.path.strip_suffix('*') {
            Some(beginning) => path.starts_with(beginning),
            None => path == self.path,
        };
        let query = |wanted: &String| query.split('&').any(|found| found == wanted);
        self.host.eq_ignore_ascii_case(asked.host) && path && self.query.iter().all(query)
    }
}

/// Whether a value has at least what is wanted: objects may have more.
fn has(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| has(found, wanted))),
        _ => found == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(rules: &str, method: &str, path: &str, body: &str) -> Option<usize> {
        let rules = read("mock.yaml", rules.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer x"));
        let asked = Asked {
            method,
            host: "api.example",
            path,
            headers: &headers,
            body: body.as_bytes(),
        };
        rules.iter().position(|rule| rule.matches(&asked))
    }

    #[test]
    fn a_request_matches_by_method_address_headers_and_body() {
        let rules = r#"
- request: { method: post, url: "https://api.example/orders", json: { item: { id: 1 } } }
  response: { status: 201 }
- request: { url: "https://API.example:443/orders?page=2", headers: { authorization: Bearer x } }
  response: { json: [] }
- request: { url: "https://other.example/*" }
  response: {}
- request: { url: "https://api.example/v1/*" }
  response: { body: text }
"#;
        assert_eq!(
            matching(rules, "POST", "/orders", r#"{"item": {"id": 1, "n": 2}}"#),
            Some(0)
        );
        assert_eq!(
            matching(rules, "POST", "/orders", r#"{"item": {"id": 2}}"#),
            None
        );
        assert_eq!(matching(rules, "GET", "/orders?a=b&page=2", ""), Some(1));
        assert_eq!(matching(rules, "GET", "/orders", ""), None);
        assert_eq!(matching(rules, "PUT", "/v1/deep/er", ""), Some(3));
    }

    #[test]
    fn a_file_that_cannot_be_used_says_where_and_why() {
        for (text, wanted) in [
            ("- request: [", "line 2"),
            ("a: b", "expected a sequence"),
            ("- request: { uri: x }\n  response: {}", "[0].request"),
            (
                "- request: { url: api.example }\n  response: {}",
                "whole address",
            ),
            (
                "- request: { url: \"https://*/\" }\n  response: {}",
                "no host",
            ),
            (
                "- request: { url: \"https://a.example/\" }\n  response: { status: 99 }",
                "no status",
            ),
            (
                "- request: { url: \"https://a.example/\" }\n  response: { json: 1, body: a }",
                "either",
            ),
        ] {
            let error = read("mock.yaml", text.as_bytes()).unwrap_err().to_string();
            assert!(
                error.contains(wanted) && error.contains("mock.yaml"),
                "{text}: {error}"
            );
        }
    }
}
