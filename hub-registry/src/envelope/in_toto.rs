//! What a signed document about an artifact says of it: an in-toto Statement,
//! version 1, whose predicate is of the type that it names.

use nebula_flow::Digest;
use serde::{Deserialize, Serialize};

/// The type of a payload that is an in-toto statement.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";

/// What `_type` says.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// An in-toto statement with a predicate of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InToto<P> {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    /// What is said of the subject.
    pub predicate: P,
}

/// What a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Subject {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    digest: Sha256,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sha256 {
    sha256: String,
}

/// No more than the type of the predicate, of whatever statement.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

impl<P> InToto<P> {
    /// A statement about one artifact.
    pub fn new(subject: Digest, name: Option<&str>, predicate_type: &str, predicate: P) -> Self {
        Self {
            kind: STATEMENT.to_owned(),
            subject: vec![Subject {
                name: name.map(str::to_owned),
                digest: Sha256 {
                    sha256: subject.hex(),
                },
            }],
            predicate_type: predicate_type.to_owned(),
            predicate,
        }
    }

    /// The one artifact that the statement is about, if it is a statement of this
    /// type about one artifact; and the name that it gives it.
    pub fn subject(&self, predicate_type: &str) -> Option<(Digest, Option<&str>)> {
        let [subject] = &self.subject[..] else {
            return None;
        };
        if self.kind != STATEMENT || self.predicate_type != predicate_type {
            return None;
        }
        let digest = format!("sha256:{}", subject.digest.sha256).parse().ok()?;
        Some((digest, subject.name.as_deref()))
    }
}

/// The type of a statement's predicate, if the document is a statement.
#[must_use]
pub fn predicate_type(payload_type: &str, payload: &[u8]) -> Option<String> {
    if payload_type != IN_TOTO {
        return None;
    }
    let kind: Kind = serde_json::from_slice(payload).ok()?;
    (kind.kind == STATEMENT).then_some(kind.predicate_type)
}
