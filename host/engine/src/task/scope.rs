//! The values that an expression may read: only those it references are
//! fetched and decoded, and each at most once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::execution::{Execution, StepStatus};
use nebula_flow::expression::{Root, Scope};
use nebula_flow::{ExecutionId, Payload, StepKey, Value, json};

use super::evaluate::size_of;
use crate::config::Core;
use crate::values;

/// So many encoded bytes are kept decoded for one execution; beyond it the
/// memory starts anew.
const KEPT: u64 = 16 << 20;

/// So many encoded bytes may the expressions of one template read together:
/// their values are held at once.
const MAX_READ: u64 = 64 << 20;

/// Which value: a variable, or the list of a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    Variable(Root),
    List(StepKey),
}

/// The decoded values of one execution.
#[derive(Default)]
pub(super) struct Values(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    values: HashMap<Name, Arc<Value>>,
    bytes: u64,
}

impl Values {
    fn get(&self, name: &Name) -> Option<Arc<Value>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values
            .get(name)
            .cloned()
    }

    /// Keeps a value whose encoded form has so many bytes.
    pub(super) fn keep(&self, name: Name, value: Arc<Value>, bytes: u64) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.bytes + bytes > KEPT {
            *kept = Kept::default();
        }
        kept.bytes += bytes;
        kept.values.insert(name, value);
    }

    async fn load(
        &self,
        core: &Core,
        name: Name,
        payload: &Payload,
    ) -> Result<Arc<Value>, Failure> {
        if let Some(value) = self.get(&name) {
            return Ok(value);
        }
        let bytes = values::bytes(core, payload).await?;
        let value = Arc::new(values::decode(&bytes)?);
        self.keep(name, value.clone(), bytes.len() as u64);
        Ok(value)
    }
}

/// Where the values of some variables are; made from an execution at one
/// moment, so that it need not be held while they are fetched.
pub(super) struct Wanted {
    values: Arc<Values>,
    sources: Vec<(Root, Source)>,
}

enum Source {
    Value(Value),
    Payload(Payload),
    Item {
        map: StepKey,
        list: Payload,
        index: u32,
    },
}

impl Wanted {
    /// Looks where the variables are, for a template of this step.
    pub(super) fn new<'r>(
        values: &Arc<Values>,
        execution: &Execution,
        id: ExecutionId,
        step: Option<&StepKey>,
        roots: impl Iterator<Item = &'r Root>,
    ) -> Self {
        let mut sources: Vec<(Root, Source)> = Vec::new();
        for root in roots {
            if sources.iter().all(|(known, _)| known != root)
                && let Some(source) = source(execution, id, step, root)
            {
                sources.push((root.clone(), source));
            }
        }
        Self {
            values: values.clone(),
            sources,
        }
    }

    /// Fetches and decodes them.
    ///
    /// # Errors
    /// When they are too large together, or one cannot be fetched.
    pub(super) async fn load(self, core: &Core) -> Result<Variables, Failure> {
        let bytes: u64 = self.sources.iter().map(|(_, source)| source.size()).sum();
        if bytes > MAX_READ {
            return Err(Failure::new(
                FailureKind::Expression,
                format!(
                    "the expressions read values of {bytes} bytes together; at most {MAX_READ} are \
                     allowed: let a node between them keep what is needed"
                ),
            ));
        }
        let mut variables = HashMap::with_capacity(self.sources.len());
        for (root, source) in self.sources {
            let held = match source {
                Source::Value(value) => Held::Whole(Arc::new(value)),
                Source::Payload(payload) => Held::Whole(
                    self.values
                        .load(core, Name::Variable(root.clone()), &payload)
                        .await?,
                ),
                Source::Item { map, list, index } => Held::Item(
                    self.values.load(core, Name::List(map), &list).await?,
                    index as usize,
                ),
            };
            variables.insert(root, held);
        }
        Ok(Variables(variables))
    }
}

impl Source {
    /// Encoded bytes; none for what is small.
    fn size(&self) -> u64 {
        match self {
            Self::Value(_) => 0,
            Self::Payload(payload) | Self::Item { list: payload, .. } => size_of(payload),
        }
    }
}

fn source(
    execution: &Execution,
    id: ExecutionId,
    step: Option<&StepKey>,
    root: &Root,
) -> Option<Source> {
    let definition = execution.plan().definition();
    Some(match root {
        Root::Input => Source::Payload(execution.input()?.clone()),
        Root::Result(node) => Source::Payload(execution.output_of(node)?.clone()),
        Root::Vars => Source::Value(
            definition
                .vars
                .iter()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
        ),
        Root::Status(node) => Source::Value(execution.node_status(node)?.name().into()),
        Root::Error(node) => match execution.node_status(node)? {
            StepStatus::Failed(failure) => {
                Source::Value(json!({ "kind": failure.kind.name(), "message": failure.message }))
            }
            _ => return None,
        },
        Root::Execution => Source::Value(json!({ "id": id.to_string() })),
        Root::Workflow => {
            let version = execution.plan().deployed.version;
            Source::Value(json!({ "name": definition.name.as_str(), "version": version }))
        }
        Root::Item => {
            let (map, index) = item_of(step?)?;
            let list = execution.items(&map)?.clone();
            Source::Item { map, list, index }
        }
        Root::Index => Source::Value(step?.path.last().copied()?.into()),
        // No expression of an execution reads it.
        Root::Trigger => return None,
    })
}

/// The step of the map that an item's step belongs to, and its place in the list.
fn item_of(step: &StepKey) -> Option<(StepKey, u32)> {
    let (index, outer) = step.path.split_last()?;
    Some((
        StepKey {
            node: step.node.clone(),
            path: outer.to_vec(),
            iteration: 0,
        },
        *index,
    ))
}

/// Values at hand.
pub(super) struct Variables(HashMap<Root, Held>);

enum Held {
    Whole(Arc<Value>),
    Item(Arc<Value>, usize),
}

impl Scope for Variables {
    fn lookup(&self, root: &Root) -> Option<&Value> {
        match self.0.get(root)? {
            Held::Whole(value) => Some(value),
            Held::Item(list, index) => list.get(*index),
        }
    }
}
