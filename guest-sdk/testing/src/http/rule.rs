//! A file of requests and their responses: which request it means, and what comes back.
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

use nebula_flow::definition::Document;
use nebula_flow::time::Span;
use serde::Deserialize;
use serde_json::Value;

/// A request that is meant, and its response.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
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

/// The parts of an address that is meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    host: String,
    path: String,
    query: Vec<String>,
}

/// A request that came.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    /// Upper case.
    pub method: &'a str,
    /// `host` or `host:port`, without the port that its scheme has anyway.
    pub host: &'a str,
    /// With its query.
    pub path: &'a str,
    /// The value of a header, by its name in any case.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// The bytes sent.
    pub body: &'a [u8],
}

/// A file of responses that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} cannot be used: {why}")]
pub struct InvalidRules {
    /// Its name.
    pub file: String,
    /// What is wrong, and where.
    pub why: String,
}

const fn ok() -> u16 {
    200
}

/// Reads the rules of a file, YAML or JSON.
///
/// # Errors
/// When they cannot be used; the message names the place.
pub fn read(file: &str, text: &[u8]) -> Result<Vec<Rule>, InvalidRules> {
    let wrong = |why: String| InvalidRules {
        file: file.to_owned(),
        why,
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
    fn prepare(&mut self) -> Result<(), String> {
        self.target = Target::parse(&self.request.url)?;
        if let Some(method) = &mut self.request.method {
            method.make_ascii_uppercase();
            if !is_token(method) {
                return Err(format!("`{method}` is no method"));
            }
        }
        if self.response.json.is_some() && self.response.body.is_some() {
            return Err("a response has either `json` or `body`".into());
        }
        if !(200..1000).contains(&self.response.status) {
            let status = self.response.status;
            return Err(format!("{status} is no status of a response"));
        }
        for (name, value) in &self.response.headers {
            if !is_token(name) {
                return Err(format!("`{name}` is no header"));
            }
            if value.bytes().any(|b| b.is_ascii_control() && b != b'\t') {
                return Err(format!("the value of `{name}` is none"));
            }
        }
        Ok(())
    }

    /// `host` or `host:port`, as a grant names it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.target.host
    }

    /// How often it answers; without a limit if absent.
    #[must_use]
    pub const fn times(&self) -> Option<u32> {
        self.times
    }

    /// How long the answer takes.
    #[must_use]
    pub fn delay(&self) -> Duration {
        self.response.delay.map_or(Duration::ZERO, |span| span.0)
    }

    /// Whether this is the request that is meant.
    #[must_use]
    pub fn matches(&self, asked: &Asked<'_>) -> bool {
        let request = &self.request;
        let method = request.method.as_deref().is_none_or(|m| m == asked.method);
        let mut headers = request.headers.iter();
        let headers = headers.all(|(name, value)| (asked.header)(name).as_ref() == Some(value));
        let json = request.json.as_ref().is_none_or(|wanted| {
            serde_json::from_slice(asked.body).is_ok_and(|found: Value| has(&found, wanted))
        });
        let body = request
            .body
            .as_ref()
            .is_none_or(|b| b.as_bytes() == asked.body);
        method && headers && json && body && self.target.matches(asked)
    }

    /// The status of its response, e.g. 200.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.response.status
    }

    /// The headers of its response.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let given = &self.response.headers;
        let typed = given.keys().any(|n| n.eq_ignore_ascii_case("content-type"));
        let json = (self.response.json.is_some() && !typed)
            .then_some(("content-type", "application/json"));
        let given = given.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        json.into_iter().chain(given)
    }

    /// The body of its response.
    #[must_use]
    pub fn body(&self) -> String {
        match (&self.response.json, &self.response.body) {
            (Some(json), _) => json.to_string(),
            (None, body) => body.clone().unwrap_or_default(),
        }
    }
}

/// Whether a text may name a method or a header (RFC 9110, 5.6.2).
fn is_token(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(fits)
}

/// The host of an address, as [`Asked`] has it, and the rest with its query.
pub(crate) fn split(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    let split = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(split);
    let usual = if scheme == "https" { ":443" } else { ":80" };
    let host = authority.strip_suffix(usual).unwrap_or(authority);
    Some((
        host.to_ascii_lowercase(),
        if rest.is_empty() { "/" } else { rest },
    ))
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.request.method.as_deref().unwrap_or("any");
        write!(f, "{method} {}", self.request.url)
    }
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (host, rest) = split(url)
            .ok_or_else(|| format!("`{url}` is not a whole address like https://api.example/v1"))?;
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

    #[cfg(feature = "embedded")]
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn matches(&self, asked: &Asked<'_>) -> bool {
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
pub(crate) fn has(found: &Value, wanted: &Value) -> bool {
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
        let header = |name: &str| (name == "authorization").then(|| "Bearer x".to_owned());
        let asked = Asked {
            method,
            host: "api.example",
            path,
            header: &header,
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
