//! What handlers take: bodies under a cap, JSON with the place of a mistake,
//! queries.

use axum::extract::{FromRequestParts, Request};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use nebula_api::{Code, Problem};
use serde::de::DeserializeOwned;

use super::reply::Refusal;
use crate::app::App;

/// A query, of which nothing is unknown.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::new(Code::InvalidQuery, rejection.body_text()).into()),
        }
    }
}

/// Reads a body of at most `max` bytes.
pub(crate) async fn body(app: &App, request: Request, max: usize) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::from(
            Problem::new(
                Code::PayloadTooLarge,
                format!("the body has more than {max} bytes"),
            )
            .hint("large data belongs into a place that the workflow reads from"),
        )
    };
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|l| l.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > max) {
        return Err(too_large());
    }
    let read = Limited::new(request.into_body(), max).collect();
    match tokio::time::timeout(app.http.body_timeout, read).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::BadRequest, "the body broke off").into()),
        Err(_) => Err(Problem::new(
            Code::RequestTimeout,
            format!(
                "the body did not arrive within {} s",
                app.http.body_timeout.as_secs()
            ),
        )
        .into()),
    }
}

/// Reads a JSON body.
pub(crate) async fn json<T: DeserializeOwned>(app: &App, request: Request) -> Result<T, Refusal> {
    object(&body(app, request, app.http.max_body).await?)
}

/// Reads a JSON body that has a secret in it: a mistake is named by its place
/// alone, because what stands there may be the secret.
pub(crate) async fn json_with_a_secret<T: DeserializeOwned>(
    app: &App,
    request: Request,
) -> Result<T, Refusal> {
    parse_with_a_secret(&body(app, request, app.http.max_body).await?)
}

fn parse_with_a_secret<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    object(bytes).map_err(|mut refusal: Refusal| {
        if refusal.0.code == Code::InvalidBody.as_str() {
            refusal.0.detail = "the body has not the shape of what is to be stored".into();
            refusal.0.pointer = None;
        }
        refusal
    })
}

/// Reads a JSON body that may be absent.
pub(crate) async fn json_or_default<T: DeserializeOwned + Default>(
    app: &App,
    request: Request,
) -> Result<T, Refusal> {
    let bytes = body(app, request, app.http.max_body).await?;
    if bytes.is_empty() {
        Ok(T::default())
    } else {
        object(&bytes)
    }
}

/// Parses a JSON object. The readers of our own shapes would also take the values
/// of the members one after the other in a list, which no document of ours allows.
fn object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let body = parse(bytes)?;
    if bytes.trim_ascii_start().starts_with(b"[") {
        let detail = "the body is a list; it must be an object";
        return Err(Problem::new(Code::InvalidBody, detail)
            .position(1, 1)
            .pointer("")
            .into());
    }
    Ok(body)
}

/// Parses JSON; a mistake is named with its place.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| refuse(error.inner(), &pointer(error.path())))?;
    reader.end().map_err(|error| refuse(&error, ""))?;
    Ok(value)
}

fn refuse(error: &serde_json::Error, pointer: &str) -> Refusal {
    let (code, hint) = match error.classify() {
        serde_json::error::Category::Data => (
            Code::InvalidBody,
            "the shapes of all bodies are at /api/v1/openapi.json",
        ),
        // serde_json's own bound; it has no other name for it than this text.
        _ if error.to_string().starts_with("recursion limit") => {
            (Code::TooDeep, "values may nest 127 levels deep")
        }
        _ => (Code::MalformedJson, "send one JSON value"),
    };
    let (line, column) = (error.line(), error.column());
    let mut problem = Problem::new(code, error.to_string()).hint(hint);
    if line > 0 {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        problem = problem.position(clip(line), clip(column.max(1)));
    }
    if code == Code::InvalidBody {
        problem = problem.pointer(pointer);
    }
    problem.into()
}

/// A path as a JSON Pointer (RFC 6901).
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut out = String::new();
    for segment in path {
        let text = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        out.push('/');
        out.push_str(&text);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use nebula_api::access::SetCredential;
    use nebula_api::problem::Position;
    use serde_json::Value;

    fn refused<T: DeserializeOwned>(text: &str) -> Problem {
        match parse::<T>(text.as_bytes()) {
            Ok(_) => panic!("{text} is taken"),
            Err(refusal) => *refusal.0,
        }
    }

    #[test]
    fn malformed_json_is_named_with_its_place() {
        let problem = refused::<Value>("{\"a\":\n  ]}");
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (400, "malformed_json")
        );
        assert_eq!(problem.position, Some(Position { line: 2, column: 3 }));
        assert_eq!(refused::<Value>("").code, "malformed_json");
        assert_eq!(refused::<Value>("1 2").code, "malformed_json");
        let problem = refused::<Value>(&"[".repeat(100_000));
        assert_eq!(problem.code, "too_deep");
        assert!(problem.hint.is_some_and(|hint| hint.contains("127")));
    }

    #[test]
    fn a_mistake_in_a_body_with_a_secret_is_named_by_its_place_alone() {
        for text in [
            r#""Sesame42""#,
            r#"["Sesame42"]"#,
            r#" ["Sesame42", ["a"], false]"#,
            r#"{"secret": ["Sesame42"]}"#,
            r#"{"secret": "x", "hosts": "Sesame42"}"#,
            r#"{"secret": "x", "reveal": "Sesame42"}"#,
            r#"{"Sesame42": "secret"}"#,
            r#"{"secret": "Sesame42", "hosts": [7]}"#,
            r#"{"secret": "Sesame42""#,
            r#"{"secret": "x"} "Sesame42""#,
            "Sesame42",
        ] {
            let Err(refusal) = parse_with_a_secret::<SetCredential>(text.as_bytes()) else {
                panic!("{text} is taken")
            };
            assert!(refusal.0.position.is_some(), "{text}");
            let said = serde_json::to_string(&refusal.0).expect("JSON");
            assert!(!said.contains("Sesame"), "{text}: {said}");
        }
    }

    #[test]
    fn a_wrong_shape_is_named_with_its_pointer() {
        let problem = refused::<SetCredential>(r#"{"secret": "x", "hosts": ["a", 7]}"#);
        assert_eq!(problem.code, "invalid_body");
        assert_eq!(problem.pointer.as_deref(), Some("/hosts/1"));
        assert_eq!(
            refused::<SetCredential>(r#"{"secret": "x", "owner": "me"}"#).code,
            "invalid_body"
        );
    }
}
