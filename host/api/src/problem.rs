//! How every refusal looks: `application/problem+json` (RFC 9457) with a
//! stable code, a hint and the place of the mistake.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of a [`Problem`].
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:nebula:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The same for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, to which thing.
    pub detail: String,
    /// Stable, snake case; what a program looks at.
    pub code: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// JSON Pointer into the request's body, to what is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line and column in the request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Each mistake, when there may be several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Diagnostic>,
    /// As the header `x-request-id` and the node's own log have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// One mistake in a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnostic {
    /// Stable, snake case.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// JSON Pointer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Where it stands in the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Position {
    /// 1 for the first.
    pub line: u32,
    /// 1 for the first character of the line.
    pub column: u32,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $title:literal;)*) => {
        /// Every reason for which the API refuses, with its status.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Stable, snake case.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The problem's title.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// The body is not JSON.
    MalformedJson = "malformed_json", 400, "The body is not JSON";
    /// The body is JSON of another shape.
    InvalidBody = "invalid_body", 400, "The body does not have the expected shape";
    /// A query parameter is unknown or wrong.
    InvalidQuery = "invalid_query", 400, "A query parameter is wrong";
    /// A name or id in the path is not one.
    InvalidId = "invalid_id", 400, "A name or an id is not valid";
    /// A header's value is wrong.
    InvalidHeader = "invalid_header", 400, "A header is wrong";
    /// The request is not one that the node understands at all.
    BadRequest = "bad_request", 400, "The request is not understood";
    /// The body nests deeper than is read.
    TooDeep = "too_deep", 400, "The body nests too deeply";
    /// No key was sent, and one is needed.
    Unauthenticated = "unauthenticated", 401, "A key is needed";
    /// The key is unknown, revoked or over.
    InvalidKey = "invalid_key", 401, "The key is not valid";
    /// A request to a webhook is not signed, or not by its secret.
    WebhookRefused = "webhook_refused", 401, "The sender of the webhook is not known";
    /// The key's role may not do this.
    Forbidden = "forbidden", 403, "The key may not do this";
    /// `Host` names neither a loopback address nor a configured one.
    HostRefused = "host_refused", 403, "The host name is not one of this node";
    /// A page of another origin sent it.
    OriginRefused = "origin_refused", 403, "Requests of web pages from elsewhere are refused";
    /// No such route.
    RouteNotFound = "route_not_found", 404, "There is no such route";
    /// No such workflow, or no such version.
    WorkflowNotFound = "workflow_not_found", 404, "There is no such workflow";
    /// No such execution.
    ExecutionNotFound = "execution_not_found", 404, "There is no such execution";
    /// No such action.
    ActionNotFound = "action_not_found", 404, "There is no such action";
    /// The newest version of the workflow has no such trigger.
    TriggerNotFound = "trigger_not_found", 404, "There is no such trigger";
    /// No such credential.
    CredentialNotFound = "credential_not_found", 404, "There is no such credential";
    /// No such grant.
    GrantNotFound = "grant_not_found", 404, "There is no such grant";
    /// The action is not granted the plain text of this credential.
    RevealNotFound = "reveal_not_found", 404, "There is no such grant of plain text";
    /// No such package, or no version of it that fits.
    PackageNotFound = "package_not_found", 404, "There is no such package";
    /// No such key.
    KeyNotFound = "key_not_found", 404, "There is no such key";
    /// The route has other methods.
    MethodNotAllowed = "method_not_allowed", 405, "The route does not have this method";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", 408, "The request took too long to arrive";
    /// Someone else changed it at the same time.
    Conflict = "conflict", 409, "Someone else changed it at the same time";
    /// The credential does not say that it may be revealed, or is of a kind that never is.
    NotRevealable = "not_revealable", 409, "The credential may not be read in plain text";
    /// The trigger is switched off.
    TriggerDisabled = "trigger_disabled", 409, "The trigger is switched off";
    /// Nothing can happen to it any more.
    ExecutionFinished = "execution_finished", 409, "The execution has ended";
    /// Only what has ended can be removed.
    ExecutionUnfinished = "execution_unfinished", 409, "The execution has not ended";
    /// One that has not ended refers to it.
    ExecutionInUse = "execution_in_use", 409, "The execution is in use";
    /// No node waits for this signal, or not any more.
    SignalNotAwaited = "signal_not_awaited", 409, "Nothing waits for this signal";
    /// Each wait for this signal has its answer.
    SignalAnswered = "signal_answered", 409, "The signal was answered already";
    /// Nobody asks what became of the step.
    OutcomeKnown = "outcome_known", 409, "The outcome of the step is not unknown";
    /// It has not ended, or nothing of it is left to retry.
    NotRestartable = "not_restartable", 409, "The execution is not one to retry or to replay";
    /// Packages, or what they need or own, exclude each other.
    PackageConflict = "package_conflict", 409, "Packages exclude each other";
    /// The body is over the cap.
    PayloadTooLarge = "payload_too_large", 413, "The body is too large";
    /// A body of this type is not taken here.
    UnsupportedMediaType = "unsupported_media_type", 415, "The content type is not taken here";
    /// The document is not a workflow that can run here.
    InvalidWorkflow = "invalid_workflow", 422, "The workflow cannot be deployed";
    /// The input is not what the workflow takes.
    InvalidInput = "invalid_input", 422, "The input is not what the workflow takes";
    /// The payload is not what the signal takes.
    InvalidSignal = "invalid_signal", 422, "The payload is not what the signal takes";
    /// A package is not signed by whom it should, or asks for more than was agreed to.
    PackageUntrusted = "package_untrusted", 422, "The package is not trusted";
    /// A package is not what its publisher published, or is something else.
    PackageAltered = "package_altered", 422, "The package is not what it should be";
    /// The idempotency key was used for another request.
    IdempotencyKeyReused = "idempotency_key_reused", 422, "The idempotency key was used for another request";
    /// An execution keeps as many signals as it may.
    TooManySignals = "too_many_signals", 429, "Too many signals wait to be taken";
    /// As many streams as the node gives are open.
    TooManyStreams = "too_many_streams", 429, "Too many streams are open";
    /// A defect of the node.
    Internal = "internal", 500, "The node made a mistake";
    /// A trigger that was tried could not look for what is new.
    PollFailed = "poll_failed", 502, "The trigger could not poll";
    /// A registry does not answer, or answers nonsense.
    RegistryTrouble = "registry_trouble", 502, "A registry cannot be used now";
    /// The store is in trouble, or the node is about to stop.
    Unavailable = "unavailable", 503, "The node cannot do this now";
}

impl Problem {
    /// A problem of this code.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:nebula:problem:{}", code.as_str()),
            title: code.title().into(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().into(),
            hint: None,
            pointer: None,
            position: None,
            errors: Vec::new(),
            request_id: None,
        }
    }

    /// With what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the place in the body, as a JSON Pointer.
    #[must_use]
    pub fn pointer(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// With the place in the body's text.
    #[must_use]
    pub const fn position(mut self, line: u32, column: u32) -> Self {
        self.position = Some(Position { line, column });
        self
    }

    /// With every mistake; pointer, position and hint of the first become
    /// those of the problem.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Diagnostic>) -> Self {
        if let Some(first) = errors.first() {
            self.pointer.clone_from(&first.pointer);
            self.position = first.position;
            if first.hint.is_some() {
                self.hint.clone_from(&first.hint);
            }
        }
        self.errors = errors;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_snake_case_refusals() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert!((400..=599).contains(&code.status()));
        }
    }

    #[test]
    fn a_problem_says_where_its_first_mistake_is() {
        let mistake = |line| Diagnostic {
            code: "unknown_action".into(),
            message: "no action `a.b` is installed".into(),
            hint: Some("look at /actions".into()),
            pointer: Some("/nodes/x/action".into()),
            position: Some(Position { line, column: 3 }),
        };
        let problem =
            Problem::new(Code::InvalidWorkflow, "2 mistakes").errors(vec![mistake(4), mistake(9)]);
        assert_eq!(problem.position, Some(Position { line: 4, column: 3 }));
        assert_eq!(problem.pointer.as_deref(), Some("/nodes/x/action"));
        assert_eq!(problem.hint.as_deref(), Some("look at /actions"));
    }
}
