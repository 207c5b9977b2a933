//! The actions that a harness has: closures, and native Rust.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use nebula_action::native::Kept;
use nebula_action::{ActionError, ProcessAction, ProcessResult, Resource, Sql, Wake};
use nebula_flow::component::RESOURCES;
use nebula_flow::definition::{Node, WorkflowDefinition};
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::payload;
use nebula_flow::ports::{self, Call, Outcome};
use nebula_flow::{ActionId, ActionMetadata, SignalName, Timestamp, Value, json};
use semver::Version;

use crate::http::HttpMock;
use crate::native;
use crate::resource::MockResourceManager;

/// What a call answers, and what it logs: level and message.
pub(crate) type Answer = (Result<Outcome, Failure>, Vec<(String, String)>);

/// What an action does.
pub(crate) type Act = Arc<dyn Fn(&Call, &World) -> Answer + Send + Sync>;

/// What native actions reach.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) http: HttpMock,
    pub(crate) resources: MockResourceManager,
    pub(crate) kept: Arc<Mutex<Kept>>,
}

/// An action of a harness.
#[derive(Clone)]
pub(crate) struct Registered {
    pub(crate) metadata: Arc<ActionMetadata>,
    pub(crate) act: Act,
    /// Whether it is a closure, which takes what a workflow gives it.
    is_mock: bool,
}

/// The actions of a harness, by id.
#[derive(Clone, Default)]
pub(crate) struct Registry(BTreeMap<ActionId, Registered>);

impl Registry {
    /// Adds a closure, in place of what has this id.
    #[track_caller]
    pub(crate) fn mock(
        &mut self,
        id: &str,
        answer: impl Fn(Value) -> Result<ProcessResult<Value>, ActionError> + Send + Sync + 'static,
    ) {
        let id = ActionId::new(id).unwrap_or_else(|e| panic!("a mock: {e}"));
        let metadata = ActionMetadata {
            id: id.clone(),
            name: id.to_string(),
            version: Version::new(1, 0, 0),
            description: String::new(),
            category: String::new(),
            input_schema: Value::Bool(true),
            output_schema: Value::Bool(true),
            credentials: Vec::new(),
            hosts: Vec::new(),
        };
        let act: Act = Arc::new(move |call, _| (mocked(call, &answer), Vec::new()));
        let registered = Registered {
            metadata: Arc::new(metadata),
            act,
            is_mock: true,
        };
        self.0.insert(id, registered);
    }

    /// Adds a native action, in place of what has its id.
    #[track_caller]
    pub(crate) fn native<A: ProcessAction + 'static>(&mut self) {
        let metadata = native::metadata::<A>();
        let registered = Registered {
            metadata: Arc::new(metadata),
            act: Arc::new(native::act::<A>),
            is_mock: false,
        };
        self.0.insert(registered.metadata.id.clone(), registered);
    }

    pub(crate) fn get(&self, id: &ActionId) -> Option<&Registered> {
        self.0.get(id)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Registered> {
        self.0.values()
    }

    /// Lets closures ask for the credentials and resources that a workflow binds to
    /// them; gives under which names the credentials are stored.
    pub(crate) fn bind(&mut self, workflow: &WorkflowDefinition) -> Vec<String> {
        let mut bound = Vec::new();
        let mut nodes: Vec<&Node> = workflow.nodes.values().collect();
        while let Some(node) = nodes.pop() {
            nodes.extend(node.each.as_deref());
            nodes.extend(node.undo.as_deref());
            let id = node.action.as_ref().map(|action| &action.id);
            let Some(mock) = id.and_then(|id| self.0.get_mut(id)).filter(|r| r.is_mock) else {
                continue;
            };
            for (name, stored_as) in &node.credentials {
                let asked = &mut Arc::make_mut(&mut mock.metadata).credentials;
                if !asked.contains(name) {
                    asked.push(name.clone());
                }
                bound.push(stored_as.clone());
            }
            if !node.resources.is_empty() {
                let schema = &mut Arc::make_mut(&mut mock.metadata).input_schema;
                let kinds = node.resources.keys().map(|name| (name.clone(), Sql::KIND));
                let kinds: BTreeMap<String, &str> = kinds.collect();
                *schema = json!({ RESOURCES: kinds });
            }
        }
        bound
    }

    /// Whether this version is within the range that a workflow asks for: any is of a
    /// closure.
    pub(crate) fn fits(registered: &Registered, range: &semver::VersionReq) -> bool {
        registered.is_mock || range.matches(&registered.metadata.version)
    }
}

fn mocked(
    call: &Call,
    answer: &impl Fn(Value) -> Result<ProcessResult<Value>, ActionError>,
) -> Result<Outcome, Failure> {
    let unusable =
        |e: payload::PayloadError| Failure::new(FailureKind::InvalidOutput, e.to_string());
    let input = payload::decode(&call.input).map_err(unusable)?;
    match answer(input).map_err(failure)? {
        ProcessResult::Success(output) => Ok(Outcome::Success(
            payload::encode(&output).map_err(unusable)?,
        )),
        ProcessResult::Branch { port, output } => {
            let output = payload::encode(&output).map_err(unusable)?;
            Ok(Outcome::Branch(port, output))
        }
        ProcessResult::Skip { reason } => Ok(Outcome::Skip(reason)),
        ProcessResult::Wait { wake, state } => Ok(Outcome::Wait(
            waking(wake)?,
            state.as_bytes().to_vec().into(),
        )),
        ProcessResult::Continue { state } => {
            Ok(Outcome::Continue(state.as_bytes().to_vec().into()))
        }
    }
}

/// What an action waits for, in the engine's words.
pub(crate) fn waking(wake: Wake) -> Result<ports::Wake, Failure> {
    Ok(match wake {
        Wake::After(time) => ports::Wake::After(time),
        Wake::AtMillis(millis) => ports::Wake::At(Timestamp::from_millis(millis)),
        Wake::Signal { name, timeout } => {
            let name = SignalName::new(&name)
                .map_err(|e| Failure::new(FailureKind::InvalidOutput, e.to_string()))?;
            ports::Wake::Signal(name, timeout)
        }
    })
}

/// Why an action failed, in the engine's words.
pub(crate) fn failure(error: ActionError) -> Failure {
    match error {
        ActionError::InvalidInput(text) => Failure::new(FailureKind::InvalidInput, text),
        ActionError::Permanent(text) => Failure::new(FailureKind::Permanent, text),
        ActionError::Retryable { message, delay } => Failure {
            retry_after_ms: delay.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX)),
            ..Failure::new(FailureKind::Retryable, message)
        },
        ActionError::Cancelled => Failure::new(
            FailureKind::Cancelled,
            "the action stopped because it was cancelled",
        ),
    }
}
