//! Native actions behind the engine's ports: the same source that makes the component.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use bytes::Bytes;
use nebula_action::context::{Identity, Level};
use nebula_action::http::{HttpError, Request, Response};
use nebula_action::invoke::{describe, invoke};
use nebula_action::native::Credential;
use nebula_action::{
    Action, ActionContext, ActionError, Encoded, Kv, ProcessAction, ProcessResult, Resource,
    Resumed, Smtp, Woken, block_on,
};
use nebula_flow::component::ActionMetadata;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::grant::{self, BoundCredential, CredentialKind, Secret};
use nebula_flow::payload;
use nebula_flow::ports::{self, Call, Outcome, Report};
use nebula_flow::{ActionId, Value};
use semver::Version;

use crate::http::split;
use crate::registry::{Answer, World, failure, waking};

/// What an action says about itself.
#[track_caller]
pub(crate) fn metadata<A: ProcessAction>() -> ActionMetadata {
    let said = describe::<A>();
    let id = said.metadata.id.as_str();
    let schema = |text: &str| -> Value {
        serde_json::from_str(text).unwrap_or_else(|e| panic!("a schema of `{id}`: {e}"))
    };
    let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    ActionMetadata {
        id: ActionId::new(id).unwrap_or_else(|e| panic!("{e}")),
        name: said.metadata.name.to_owned(),
        version: Version::parse(said.metadata.version)
            .unwrap_or_else(|e| panic!("the version of `{id}`: {e}")),
        description: said.metadata.description.to_owned(),
        category: said.metadata.category.to_owned(),
        input_schema: schema(&said.input_schema),
        output_schema: schema(&said.output_schema),
        credentials: texts(said.metadata.credentials),
        hosts: texts(said.metadata.hosts),
    }
}

/// One call. What it keeps is kept only if it ends well.
pub(crate) fn act<A: ProcessAction>(call: &Call, world: &World) -> Answer {
    call.pulse.beat();
    let ctx = context::<A>(call, world);
    let result = match block_on(invoke::<A>(&call.input, &ctx)) {
        Ok(ended) => outcome(ended),
        Err(error) => Err(failure(error)),
    };
    if result.is_ok() {
        *world.kept.lock().unwrap_or_else(PoisonError::into_inner) = ctx.kept();
    }
    let lines = ctx.logged().into_iter();
    let lines = lines.map(|(level, message)| (name(level).to_owned(), message));
    let measured = ctx.measured();
    let metrics = measured.iter().filter_map(|(name, value)| {
        let line = Report::metric_line(name, *value)?;
        Some((Report::METRIC.to_owned(), line))
    });
    (result, lines.chain(metrics).collect())
}

fn context<A: ProcessAction>(call: &Call, world: &World) -> ActionContext {
    let identity = &call.identity;
    let deadline = call.ready_at.plus(call.limits.timeout);
    let kept = world.kept.lock().unwrap_or_else(PoisonError::into_inner);
    let bound = &call.capabilities.resources;
    let mut ctx = reaching::<A>(world, bound, Some(call.ready_at.as_millis()))
        .with_call(
            call.action.as_str(),
            Identity {
                workflow: identity.workflow.to_string(),
                execution: identity.execution.to_string(),
                node: identity.step.node.to_string(),
                item_path: identity.step.path.clone(),
                iteration: identity.step.iteration,
                attempt: identity.attempt,
            },
        )
        .with_deadline_millis(deadline.as_millis())
        .with_kept(kept.clone());
    drop(kept);
    for (name, bound) in &call.capabilities.credentials {
        ctx = ctx.with_credential(name, given(bound));
    }
    if call.pulse.is_cancelled() {
        ctx = ctx.cancelled();
    }
    match &call.resumption {
        Some(resumption) => ctx.with_resumption(resumed(resumption)),
        None => ctx,
    }
}

/// A context whose requests go to the world, as far as the action asks for their hosts,
/// and whose resources are those that it asks for, by the names that a node binds.
pub(crate) fn reaching<A: Action>(
    world: &World,
    bound: &BTreeMap<String, String>,
    now: Option<u64>,
) -> ActionContext {
    let asked = A::instance().metadata().hosts;
    let id = A::instance().metadata().id;
    let mut ctx = ActionContext::for_test();
    for &(name, kind) in A::instance().metadata().resources {
        let resources = world.resources.clone();
        ctx = match kind {
            Smtp::KIND => ctx.with_smtp(name, move |mail| resources.smtp(mail)),
            Kv::KIND => {
                let values = resources.values(bound.get(name).map_or(name, String::as_str));
                values.pass_until(now.unwrap_or_default());
                ctx.with_kv_after(name, &values, move |request| resources.kv(request))
            }
            _ => ctx.with_sql(name, move |statement| resources.sql(statement)),
        };
    }
    let (http, resources) = (world.http.clone(), world.resources.clone());
    ctx.with_http(move |request: &Request| {
        let (host, _) = split(&request.url)
            .ok_or_else(|| HttpError::InvalidRequest(format!("`{}` has no host", request.url)))?;
        if !asked.iter().any(|a| nebula_flow::grant::covers(a, &host)) {
            return Err(HttpError::Denied(format!(
                "`{id}` does not ask for the host {host}: `#[action(hosts(\"{host}\"))]`"
            )));
        }
        let answer: Option<Result<Response, HttpError>> = resources.answer(request);
        answer.unwrap_or_else(|| http.answer(request))
    })
}

fn resumed(resumption: &ports::Resumption<Bytes>) -> Resumed<Encoded> {
    let encoded = |bytes: &Bytes| Encoded::from_bytes(bytes.to_vec());
    Resumed {
        state: encoded(&resumption.state),
        woken: match &resumption.woken {
            ports::Woken::Continued => Woken::Continued,
            ports::Woken::Time => Woken::Time,
            ports::Woken::Signal(says) => Woken::Signal(encoded(says)),
            ports::Woken::TimedOut => Woken::TimedOut,
        },
    }
}

fn outcome(ended: ProcessResult<Vec<u8>>) -> Result<Outcome, Failure> {
    let checked = |bytes: Vec<u8>| match payload::check(&bytes) {
        Ok(()) => Ok(Bytes::from(bytes)),
        Err(e) => {
            let message = format!("the action's output cannot be used: {e}");
            Err(Failure::new(FailureKind::InvalidOutput, message))
        }
    };
    Ok(match ended {
        ProcessResult::Success(output) => Outcome::Success(checked(output)?),
        ProcessResult::Branch { port, output } => Outcome::Branch(port, checked(output)?),
        ProcessResult::Skip { reason } => Outcome::Skip(reason),
        ProcessResult::Wait { wake, state } => {
            Outcome::Wait(waking(wake)?, checked(state.as_bytes().to_vec())?)
        }
        ProcessResult::Continue { state } => Outcome::Continue(checked(state.as_bytes().to_vec())?),
    })
}

/// A credential that is bound, as a native action gets it. What the host would get a
/// token for is the token.
fn given(bound: &BoundCredential) -> Credential {
    let secret = bound.secret.expose();
    match &bound.kind {
        CredentialKind::Text => Credential::Text(secret.to_owned()),
        CredentialKind::ApiKey { header } => Credential::api_key(header, secret),
        CredentialKind::Bearer | CredentialKind::OAuth2(_) => Credential::bearer(secret),
        CredentialKind::Basic { user } => Credential::basic(user, secret),
        CredentialKind::Certificate { .. } => Credential::certificate(),
    }
}

/// The same way back: as the records keep it.
pub(crate) fn stored(credential: &Credential) -> grant::Credential {
    let (kind, secret) = match credential {
        Credential::ApiKey { header, key } => {
            let header = header.clone();
            (CredentialKind::ApiKey { header }, key.clone())
        }
        Credential::Bearer(token) => (CredentialKind::Bearer, token.clone()),
        Credential::Basic { user, password } => {
            let user = user.clone();
            (CredentialKind::Basic { user }, password.clone())
        }
        Credential::Certificate => {
            let chain = String::new();
            (CredentialKind::Certificate { chain }, String::new())
        }
        text => (CredentialKind::Text, text.value()),
    };
    grant::Credential {
        secret: Secret::new(secret),
        kind,
        hosts: Vec::new(),
        reveal: false,
    }
}

/// Why a credential that the test gave cannot be had.
pub(crate) fn unasked<A: Action>(name: &str) -> ActionError {
    let id = A::instance().metadata().id;
    ActionError::permanent(format!(
        "`{id}` does not ask for the credential `{name}`: `#[action(credentials(\"{name}\"))]`"
    ))
}

const fn name(level: Level) -> &'static str {
    match level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
