//! An execution under test, its plan and its log.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::component::{ActionMetadata, Effect, Origin};
use crate::decide::{Command, Target, decide};
use crate::deploy::{DeployedWorkflow, InputShape, PinnedWorkflow};
use crate::event::{Event, Failure, FailureKind, RULES, Recorded, Usage};
use crate::execution::{Execution, IllegalEvent, StepStatus};
use crate::id::{Digest, ExecutionId, StepKey, WorkflowId};
use crate::payload::{Payload, encode};
use crate::plan::Plan;
use crate::ports::{Outcome, ResolvedAction};
use crate::time::Timestamp;

/// A plan of these nodes and connections; actions are `test.pure` and `test.effect`.
pub(super) fn plan(nodes: Value, connections: Value) -> Arc<Plan> {
    compiled(json!({
        "apiVersion": "nebula/v1",
        "kind": "Workflow",
        "name": "under-test",
        "nodes": nodes,
        "connections": connections,
    }))
}

/// The same with a time-out of the whole.
pub(super) fn timed(nodes: Value, connections: Value, timeout: &str) -> Arc<Plan> {
    compiled(json!({
        "apiVersion": "nebula/v1",
        "kind": "Workflow",
        "name": "under-test",
        "timeout": timeout,
        "nodes": nodes,
        "connections": connections,
    }))
}

fn compiled(definition: Value) -> Arc<Plan> {
    let deployed = DeployedWorkflow {
        id: WorkflowId::from_u128(1),
        version: 1,
        deployed_at: Timestamp::default(),
        definition: serde_json::from_value(definition).expect("a definition"),
        actions: BTreeMap::from([
            pinned("test.pure", Effect::Pure),
            pinned("test.effect", Effect::Effectful),
        ]),
        workflows: BTreeMap::from([(
            "child".parse().expect("a name"),
            PinnedWorkflow {
                id: WorkflowId::from_u128(2),
                version: 3,
            },
        )]),
        input: InputShape::default(),
    };
    Arc::new(Plan::compile(Arc::new(deployed)).expect("compiles"))
}

fn pinned(id: &str, effect: Effect) -> (String, ResolvedAction) {
    let metadata = ActionMetadata {
        id: id.parse().unwrap(),
        name: id.into(),
        version: semver::Version::new(1, 0, 0),
        description: String::new(),
        category: String::new(),
        input_schema: json!(true),
        output_schema: json!(true),
        credentials: Vec::new(),
        hosts: Vec::new(),
    };
    let resolved = ResolvedAction {
        digest: Digest::of(id.as_bytes()),
        effect,
        metadata: Arc::new(metadata),
        origin: Origin::Embedded,
    };
    (id.to_owned(), resolved)
}

/// An inline payload.
pub(super) fn payload(value: &Value) -> Payload {
    Payload::Inline(encode(value).unwrap())
}

/// `totals`, `totals[3]`, `totals[3][0]`, `totals#1`.
pub(super) fn step(text: &str) -> StepKey {
    text.parse().expect("a step")
}

pub(super) fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure::new(kind, message)
}

/// An execution and the log of what was applied to it.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) execution: Execution,
    pub(super) log: Vec<Recorded>,
    pub(super) now: Timestamp,
}

impl Bench {
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        let id = ExecutionId::from_u128(7);
        Self {
            execution: Execution::new(id, plan.clone()),
            log: Vec::new(),
            now: Timestamp::from_millis(1_000),
        }
    }

    pub(super) fn started(plan: &Arc<Plan>) -> Self {
        let mut bench = Self::new(plan);
        bench.push(started());
        bench
    }

    /// Applies and records an event, a millisecond after the one before.
    pub(super) fn try_push(&mut self, event: Event) -> Result<(), IllegalEvent> {
        self.now = self.now.plus(std::time::Duration::from_millis(1));
        self.record(event)
    }

    fn record(&mut self, event: Event) -> Result<(), IllegalEvent> {
        let recorded = Recorded {
            version: self.execution.version() + 1,
            at: self.now,
            event,
        };
        self.execution.apply(&recorded)?;
        self.log.push(recorded);
        Ok(())
    }

    pub(super) fn push(&mut self, event: Event) {
        if let Err(error) = self.try_push(event.clone()) {
            panic!("{error}: {event:?}");
        }
    }

    /// Applies what follows without work, at the time by which it was decided,
    /// and gives the work that is outstanding.
    pub(super) fn commands(&mut self) -> Vec<Command> {
        loop {
            let decision = decide(&self.execution, self.now);
            if decision.events.is_empty() {
                return decision.commands;
            }
            assert_eq!(decision.commands, [], "commands beside events");
            for event in decision.events {
                let recorded = self.record(event.clone());
                recorded.unwrap_or_else(|error| panic!("{error}: {event:?}"));
            }
        }
    }

    /// The outstanding work as text: `input a`, `items m`, `until w`, `run m[0]:1`,
    /// `gather m`, `connection 0`, `output`, `await s`, `wake`.
    pub(super) fn work(&mut self) -> Vec<String> {
        let text = |command: &Command| match command {
            Command::Evaluate(Target::Input(step)) => format!("input {step}"),
            Command::Evaluate(Target::Items(step)) => format!("items {step}"),
            Command::Evaluate(Target::Until(step)) => format!("until {step}"),
            Command::Evaluate(Target::Connection(index)) => format!("connection {index}"),
            Command::Evaluate(Target::Output) => "output".into(),
            Command::Run { step, attempt } => format!("run {step}:{attempt}"),
            Command::Gather(step) => format!("gather {step}"),
            Command::Await(step) => format!("await {step}"),
            Command::Wake(_) => "wake".into(),
        };
        self.commands().iter().map(text).collect()
    }

    /// The step's input is evaluated.
    pub(super) fn ready(&mut self, key: &str) {
        self.push(Event::StepReady {
            step: step(key),
            input: Payload::null(),
        });
    }

    /// A map's list is evaluated.
    pub(super) fn map(&mut self, key: &str, count: u32) {
        self.push(Event::MapStarted {
            step: step(key),
            items: Payload::null(),
            count,
        });
    }

    /// The step's input is evaluated and its first attempt answers.
    pub(super) fn answer(&mut self, key: &str, result: Result<Outcome, Failure>) {
        self.ready(key);
        self.settle(key, 1, result);
    }

    /// An attempt ends; gives the event that it became.
    pub(super) fn settle(
        &mut self,
        key: &str,
        attempt: u32,
        result: Result<Outcome, Failure>,
    ) -> Event {
        let output = payload(&json!({"of": key}));
        let result = result.map(|outcome| (outcome, output));
        let usage = Usage::default();
        let event = self
            .execution
            .settle(&step(key), attempt, result, usage, self.now);
        self.push(event.clone());
        event
    }

    pub(super) fn succeed(&mut self, key: &str) {
        self.answer(key, Ok(Outcome::Success(bytes::Bytes::new())));
    }

    pub(super) fn fail(&mut self, key: &str) {
        self.answer(key, Err(failure(FailureKind::Permanent, key)));
    }

    /// A signal was accepted just now.
    pub(super) fn signal(&mut self, name: &str, says: &Value) {
        self.push(Event::SignalReceived {
            name: name.parse().unwrap(),
            payload: payload(says),
            received_at: self.now,
        });
    }

    pub(super) fn decided(&mut self, connection: u32, fired: bool) {
        self.push(Event::ConnectionDecided {
            connection,
            fired,
            error: None,
        });
    }

    pub(super) fn status_of(&self, key: &str) -> StepStatus<'_> {
        self.execution.step_status(&step(key)).expect("the step")
    }
}

pub(super) fn started() -> Event {
    Event::Started {
        workflow: WorkflowId::from_u128(1),
        workflow_version: 1,
        input: Payload::null(),
        rules: RULES,
        parent: None,
        origin: None,
        follows: None,
    }
}

/// The result of a step that starts a child and does not wait for it.
pub(super) fn detached(key: &StepKey) -> Payload {
    let child = super::super::child::child_id(ExecutionId::from_u128(7), key);
    payload(&json!({"execution": child.to_string()}))
}
