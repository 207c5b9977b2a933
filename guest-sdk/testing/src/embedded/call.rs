//! One call of an action of a built component, as a node would make it.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::sync::Arc;

use bytes::Bytes;
use nebula_action::http::Request;
use nebula_action::native::Credential;
use nebula_action::{Encoded, Resumed, Woken, context};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::grant::{self, BoundCredential, Capabilities};
use nebula_flow::id::WorkflowName;
use nebula_flow::ports::{
    self, Call, Components, Identity, Limits, Pulse, Report, ResolvedAction, Resumption,
};
use nebula_flow::{ActionId, Digest, ExecutionId, NodeId, StepKey, Timestamp};

use super::Embedded;
use crate::component::Built;
use crate::engine::BEGIN;
use crate::native;
use crate::registry::World;

/// What a call is given.
pub(crate) struct Given<'a> {
    pub(crate) built: &'a Built,
    pub(crate) world: &'a World,
    /// Which action, by its id.
    pub(crate) action: &'a str,
    /// MessagePack.
    pub(crate) input: Vec<u8>,
    pub(crate) identity: context::Identity,
    pub(crate) resumed: Option<&'a Resumed<Encoded>>,
    pub(crate) credentials: &'a BTreeMap<String, Credential>,
    pub(crate) limits: Limits,
    pub(crate) cancelled: bool,
}

/// What became of it.
pub(crate) struct Called {
    pub(crate) report: Report,
    /// What it sent, in order.
    pub(crate) requests: Vec<Request>,
    /// How many heartbeats it gave.
    pub(crate) heartbeats: u64,
}

/// Makes a call.
///
/// # Errors
/// Why it could not be begun.
///
/// # Panics
/// As a route or a stand-in does that answers its requests.
pub(crate) async fn call(given: Given<'_>) -> Result<Called, Failure> {
    let unusable = |why: String| Failure::new(FailureKind::Component, why);
    let embedded = Embedded::open(given.built, given.world, None);
    let embedded = embedded.await.map_err(unusable)?;
    let id = ActionId::new(given.action).map_err(|e| unusable(e.to_string()))?;
    let action = embedded.action(&id).ok_or_else(|| {
        let has: Vec<_> = embedded.actions.keys().map(ActionId::as_str).collect();
        unusable(format!(
            "the component has no action `{id}`; it has: {}",
            has.join(", ")
        ))
    })?;
    let component = embedded.component(&embedded.tenant, action.digest).await;
    let pulse = Arc::new(Pulse::default());
    if given.cancelled {
        pulse.cancel();
    }
    let call = Call {
        tenant: embedded.tenant.clone(),
        component: component.map_err(|e| unusable(e.to_string()))?,
        input: given.input.clone().into(),
        identity: identity(&given)?,
        ready_at: Timestamp::from_millis(BEGIN),
        resumption: given.resumed.map(resumption),
        limits: given.limits,
        capabilities: Arc::new(capabilities(&given, action)),
        pulse: Arc::clone(&pulse),
        action: id,
    };
    let called = embedded.call(call).await;
    let report = called.unwrap_or_else(|panic| resume_unwind(panic));
    Ok(Called {
        report,
        requests: embedded.heard(),
        // The host gives one for it when it begins.
        heartbeats: pulse.beats().saturating_sub(1),
    })
}

fn identity(given: &Given<'_>) -> Result<Identity, Failure> {
    let context::Identity {
        workflow,
        execution,
        node,
        item_path,
        iteration,
        attempt,
    } = &given.identity;
    let wrong = |why: &dyn std::fmt::Display| {
        let message = format!("the identity of the call cannot be used: {why}");
        Failure::new(FailureKind::Component, message)
    };
    let node = NodeId::new(node).map_err(|e| wrong(&e))?;
    let again = u32::from(given.resumed.is_some());
    Ok(Identity {
        workflow: WorkflowName::new(workflow).map_err(|e| wrong(&e))?,
        execution: execution.parse().unwrap_or_else(|_| named(execution)),
        step: StepKey {
            path: item_path.clone(),
            iteration: (*iteration).max(again),
            ..StepKey::root(node)
        },
        attempt: *attempt,
        restarts: 0,
    })
}

/// The id that stands for an execution with a name, as natively `test` has.
fn named(execution: &str) -> ExecutionId {
    let digest = Digest::of(execution.as_bytes());
    let (random, _) = digest.as_bytes().split_at(size_of::<u128>());
    let random = random
        .iter()
        .fold(0, |all, byte| all << 8 | u128::from(*byte));
    ExecutionId::mint(Timestamp::from_millis(BEGIN), random)
}

/// The credentials that the action asks for. Where they may be sent is decided with the
/// hosts.
fn capabilities(given: &Given<'_>, action: &ResolvedAction) -> Capabilities {
    let asked = &action.metadata.credentials;
    let bound = given.credentials.iter();
    let bound = bound.filter(|(name, _)| asked.contains(name));
    let credentials = bound.map(|(name, credential)| {
        let grant::Credential {
            secret,
            kind,
            hosts,
            reveal,
        } = native::stored(credential);
        let bound = BoundCredential {
            stored_as: name.clone(),
            secret,
            kind,
            hosts,
            reveal,
        };
        (name.clone(), bound)
    });
    Capabilities {
        credentials: credentials.collect(),
        ..Capabilities::default()
    }
}

fn resumption(resumed: &Resumed<Encoded>) -> Resumption<Bytes> {
    let bytes = |encoded: &Encoded| Bytes::copy_from_slice(encoded.as_bytes());
    Resumption {
        state: bytes(&resumed.state),
        woken: match &resumed.woken {
            Woken::Continued => ports::Woken::Continued,
            Woken::Time => ports::Woken::Time,
            Woken::Signal(says) => ports::Woken::Signal(bytes(says)),
            Woken::TimedOut => ports::Woken::TimedOut,
        },
    }
}
