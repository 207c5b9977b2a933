//! From `wasi:http` to the egress: the policy of the call, made from its
//! capabilities, and the guest's view of what the egress answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{Entry, HeaderValue};
use http_body_util::BodyExt;
use nebula_egress::{
    Caller, Cover, Egress, EgressError, HostRule, Kind, Learned, Policy, SecretRule, Timeouts,
};
use nebula_flow::ActionMetadata;
use nebula_flow::grant::{BoundCredential, Capabilities};
use nebula_flow::ports::Identity;
use nebula_flow::redact::Redactor;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::credential;
use crate::host::random::NoRandom;
use crate::lines::Lines;

type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Answer = Result<(http::Response<WasiBody>, Io), Error>;

/// With the value `follow` it asks the host to follow redirects; it never leaves.
/// Without it a redirect is handed back, as `wasi:http` has it.
const REDIRECTS: &str = "nebula-redirects";

/// Names a credential for the host to add, as its kind says; it never leaves. It
/// may stand there more than once.
const CREDENTIAL: &str = "nebula-credential";

/// What the guest of one store may send.
pub(crate) struct Outgoing {
    /// Absent while a component describes itself: nothing goes out.
    reach: Option<Reach>,
    lines: Lines,
}

/// What one call may reach.
pub(crate) struct Reach {
    egress: Arc<Egress>,
    caller: Caller,
    /// What it asks for.
    action: Arc<ActionMetadata>,
    capabilities: Arc<Capabilities>,
    /// Which call it is, for audit.
    identity: Identity,
    /// Covers the call's secrets in what is noted of its requests.
    redactor: Arc<Redactor>,
    /// Stored names of the credentials that the guest has in plain text.
    revealed: BTreeSet<String>,
    /// Placeholders by the name of their credential, made when first asked for.
    placeholders: BTreeMap<String, String>,
    /// When the call is stopped, and each of its requests with it.
    deadline: Option<Instant>,
}

impl Reach {
    pub(crate) const fn new(
        egress: Arc<Egress>,
        caller: Caller,
        action: Arc<ActionMetadata>,
        capabilities: Arc<Capabilities>,
        identity: Identity,
        redactor: Arc<Redactor>,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            egress,
            caller,
            action,
            capabilities,
            identity,
            redactor,
            revealed: BTreeSet::new(),
            placeholders: BTreeMap::new(),
            deadline,
        }
    }
}

impl Outgoing {
    pub(crate) const fn new(reach: Option<Reach>, lines: Lines) -> Self {
        Self { reach, lines }
    }

    /// What the guest gets for a credential: a placeholder, or the secret where
    /// an operator granted that; nothing if none is bound to the name.
    pub(crate) fn credential(&mut self, name: &str) -> Result<Option<String>, NoRandom> {
        let Some(reach) = &mut self.reach else {
            return Ok(None);
        };
        let Some(bound) = reach.capabilities.credentials.get(name) else {
            return Ok(None);
        };
        if let Some(text) = credential::revealed(bound) {
            if reach.revealed.insert(bound.stored_as.clone()) {
                reach.audit(&bound.stored_as, &self.lines);
            }
            return Ok(Some(text));
        }
        if let Some(placeholder) = reach.placeholders.get(name) {
            return Ok(Some(placeholder.clone()));
        }
        let placeholder = placeholder()?;
        reach
            .placeholders
            .insert(name.to_owned(), placeholder.clone());
        Ok(Some(placeholder))
    }
}

fn placeholder() -> Result<String, NoRandom> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(NoRandom::Machine)?;
    let mut text = String::from("nebula-secret-");
    for byte in random {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

impl Reach {
    /// Says that the guest is given a credential in plain text: to the node's log,
    /// which has it whatever becomes of the call, and to the execution's.
    fn audit(&self, credential: &str, lines: &Lines) {
        tracing::info!(
            tenant = self.caller.tenant,
            action = self.caller.action,
            credential,
            workflow = %self.identity.workflow,
            execution = self.identity.of_execution().map(tracing::field::display),
            step = %self.identity.step,
            "an action reads a credential in plain text"
        );
        lines.audit(&format!(
            "the action reads credential `{credential}` in plain text, as it was granted"
        ));
    }

    /// What one request may reach, with the credentials that it names for the host
    /// to add; or why it may not have one of them.
    fn policy(&self, lines: &Lines, named: &[HeaderValue]) -> Result<Policy, String> {
        let learned = self.capabilities.learned.clone();
        let redactor = Arc::clone(&self.redactor);
        let mut policy = Policy {
            caller: self.caller.clone(),
            learned: Learned::new(move |secret| learned.add(secret)),
            cover: Cover::new(move |text| redactor.text(text)),
            ..Policy::default()
        };
        for grant in &self.capabilities.hosts {
            let at = grant.at.as_deref();
            match HostRule::new(&grant.host, &grant.schemes, &grant.methods, at) {
                Ok(rule) => policy.rules.push(rule),
                Err(error) => lines.push("warn", &format!("a grant was left out: {error}")),
            }
        }
        for (name, placeholder) in &self.placeholders {
            if let Some(bound) = self.capabilities.credentials.get(name) {
                policy.secrets.push(self.rule(bound, placeholder));
            }
        }
        for name in named {
            let name = name.to_str().unwrap_or_default();
            let bound = self.capabilities.credentials.get(name);
            let declared = self.action.credentials.iter().any(|asked| asked == name);
            let bound = bound.filter(|_| declared).ok_or_else(|| {
                let name: String = name.chars().take(80).collect();
                format!("the action asks for no credential `{name}`, or the node binds none to it")
            })?;
            let rule = self.rule(bound, "");
            if !policy.added.contains(&rule) {
                policy.added.push(rule);
            }
        }
        Ok(policy)
    }

    fn rule(&self, bound: &BoundCredential, placeholder: &str) -> SecretRule {
        SecretRule {
            placeholder: placeholder.to_owned(),
            credential: credential::carried(&self.caller.tenant, bound),
            hosts: bound.hosts.clone(),
        }
    }

    fn timeouts(&self, options: Option<RequestOptions>) -> Timeouts {
        let options = options.unwrap_or_default();
        Timeouts {
            connect: options.connect_timeout,
            first_byte: options.first_byte_timeout,
            between_bytes: options.between_bytes_timeout,
            deadline: self.deadline.map_or(Duration::MAX, |at| {
                at.saturating_duration_since(Instant::now())
            }),
        }
    }
}

impl WasiHttpHooks for Outgoing {
    /// The egress writes it, from the URL.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _read: Io,
    ) -> Box<dyn Future<Output = Answer> + Send> {
        let lines = self.lines.clone();
        let Some(reach) = &self.reach else {
            lines.push(
                "warn",
                "a component may send no requests while it describes itself",
            );
            return Box::new(async { Err(Error::HttpRequestDenied) });
        };
        let named: Vec<HeaderValue> = match request.headers_mut().entry(CREDENTIAL) {
            Entry::Occupied(found) => found.remove_entry_mult().1.collect(),
            Entry::Vacant(_) => Vec::new(),
        };
        let policy = match reach.policy(&lines, &named) {
            Ok(policy) => policy,
            Err(why) => {
                lines.push("warn", &why);
                return Box::new(async { Err(Error::HttpRequestDenied) });
            }
        };
        let (egress, timeouts) = (Arc::clone(&reach.egress), reach.timeouts(options));
        Box::new(async move {
            let follows = match request.headers_mut().remove(REDIRECTS) {
                Some(value) if value == "follow" => true,
                Some(_) => {
                    lines.push("warn", &format!("`{REDIRECTS}` is `follow` or absent"));
                    return Err(Error::HttpProtocolError);
                }
                None => false,
            };
            // The guest is told one of the words that `wasi:http` has; the log
            // says why, so that its author can mend it.
            let said = move |error: EgressError| {
                lines.push("warn", &error.to_string());
                code(&error)
            };
            let answer = if follows {
                egress.follow(&policy, request, timeouts).await
            } else {
                egress.send(&policy, request, timeouts).await
            };
            match answer {
                Ok(response) => {
                    let response = response.map(|body| body.map_err(said).boxed_unsync());
                    Ok((response, Box::new(async { Ok(()) }) as Io))
                }
                Err(error) => Err(said(error)),
            }
        })
    }
}

/// The word that `wasi:http` has for an error of the egress.
fn code(error: &EgressError) -> Error {
    match error.kind() {
        Kind::Invalid if matches!(error, EgressError::Url { .. }) => Error::HttpRequestUriInvalid,
        Kind::Invalid => Error::InternalError(Some(error.to_string())),
        Kind::Denied => Error::HttpRequestDenied,
        Kind::Token => Error::ConfigurationError,
        Kind::TokenLater => Error::InternalError(Some(error.to_string())),
        Kind::Redirect => Error::LoopDetected,
        Kind::Internal => Error::DestinationIpProhibited,
        Kind::Resolve => Error::DnsError {
            rcode: None,
            info_code: None,
        },
        Kind::Connect => Error::ConnectionRefused,
        Kind::Tls => Error::TlsProtocolError,
        Kind::Timeout => Error::ConnectionTimeout,
        Kind::RequestTooLarge => Error::HttpRequestBodySize(None),
        Kind::ResponseTooLarge => Error::HttpResponseBodySize(None),
        Kind::Protocol => Error::HttpProtocolError,
    }
}
