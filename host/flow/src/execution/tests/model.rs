//! What an execution must come to, computed node by node without any order of
//! arrival. It shares nothing with the fold but the plan and the world.

use crate::component::Effect;
use crate::definition::{Due, On};
use crate::event::{Event, Failure, FailureKind};
use crate::id::StepKey;
use crate::payload::Payload;
use crate::plan::{ActionTask, NodeIndex, Plan, Task};
use crate::ports::{Outcome, Resolution, Resumption, Wake, Woken};
use crate::time::Span;

use super::world::World;

/// How a node or an item ends.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ends {
    Succeeded(Payload, Option<String>),
    Failed(Failure),
    Skipped,
}

/// What an execution comes to.
#[derive(Debug)]
pub(super) struct Expected {
    /// How each node ends if it may; none for what lies behind a failure that
    /// no connection takes.
    pub(super) nodes: Vec<Option<Ends>>,
    pub(super) end: Event,
}

pub(super) fn expected(plan: &Plan, world: World) -> Expected {
    let mut model = Model {
        plan,
        world,
        nodes: vec![None; plan.nodes.len()],
    };
    // Each pass computes at least the next rank of the graph.
    for _ in 0..plan.nodes.len() {
        for node in 0..plan.nodes.len() {
            if model.nodes[node].is_none() {
                model.nodes[node] = model.node(node);
            }
        }
    }
    let unhandled = (0..plan.nodes.len()).find_map(|node| match &model.nodes[node] {
        Some(Ends::Failed(error)) if !model.taken(node) && !plan.nodes[node].continues => {
            Some(Event::Failed {
                node: Some(plan.nodes[node].id.clone()),
                error: error.clone(),
            })
        }
        _ => None,
    });
    let end = unhandled.unwrap_or_else(|| match world.output() {
        Ok(output) => Event::Succeeded { output },
        Err(error) => Event::Failed { node: None, error },
    });
    Expected {
        nodes: model.nodes,
        end,
    }
}

struct Model<'a> {
    plan: &'a Plan,
    world: World,
    nodes: Vec<Option<Ends>>,
}

impl Model<'_> {
    /// How a node ends, if all its connections are decided.
    fn node(&self, node: NodeIndex) -> Option<Ends> {
        let incoming = &self.plan.nodes[node].incoming;
        let decided: Option<Vec<_>> = incoming.iter().map(|c| self.connection(*c)).collect();
        let mut fired = incoming.is_empty();
        for connection in decided? {
            match connection {
                Ok(yes) => fired |= yes,
                Err(error) => return Some(Ends::Failed(error)),
            }
        }
        let step = StepKey::root(self.plan.nodes[node].id.clone());
        Some(if fired {
            self.task(&self.plan.nodes[node].task, &step)
        } else {
            Ends::Skipped
        })
    }

    /// Whether a connection fires, if that is known.
    fn connection(&self, index: usize) -> Option<Result<bool, Failure>> {
        let connection = &self.plan.connections[index];
        let source = self.nodes[connection.from].as_ref()?;
        let failed = matches!(source, Ends::Failed(_));
        let untaken = failed && connection.on != On::Failure && !self.taken(connection.from);
        let continues = self.plan.nodes[connection.from].continues;
        if untaken && !continues {
            return None;
        }
        let matched = match (&connection.on, source) {
            (On::Success, _) if untaken => true,
            (On::Success, Ends::Succeeded(_, port)) => port.is_none(),
            (On::Port(name), Ends::Succeeded(_, port)) => port.as_ref() == Some(name),
            (On::Failure, Ends::Failed(_)) | (On::Skip, Ends::Skipped) => true,
            _ => false,
        };
        Some(match connection.when {
            Some(_) if matched => self.world.connection(u32::try_from(index).unwrap()),
            _ => Ok(matched),
        })
    }

    /// Whether a connection takes the failure of this node.
    fn taken(&self, node: NodeIndex) -> bool {
        self.plan.nodes[node].outgoing.iter().any(|&index| {
            let connection = &self.plan.connections[index];
            connection.on == On::Failure
                && (connection.when.is_none()
                    || self.world.connection(u32::try_from(index).unwrap()) == Ok(true))
        })
    }

    fn task(&self, task: &Task, step: &StepKey) -> Ends {
        let result = match task {
            Task::Action(action) => match self.world.input(step) {
                Ok(_) => return self.calls(step, action),
                Err(error) => Err(error),
            },
            Task::Child(child) => self.world.input(step).and_then(|_| {
                if child.detach {
                    return Ok(super::bench::detached(step));
                }
                self.world.child(step)
            }),
            Task::Map {
                each, continues, ..
            } => self.map(each, *continues, step),
            Task::Delay(Due::After(_) | Due::At(_)) => Ok(Payload::null()),
            Task::Delay(_) => self.world.until(step).map(|_| Payload::null()),
            Task::Signal { name, timeout } => self.world.signal(name, *timeout).ok_or_else(|| {
                let within = Span(timeout.expect("only then it does not come"));
                let message = format!("no signal `{name}` came within {within}");
                Failure::new(FailureKind::TimedOut, message)
            }),
        };
        match result {
            Ok(output) => Ends::Succeeded(output, None),
            Err(error) => Ends::Failed(error),
        }
    }

    fn map(&self, each: &Task, continues: bool, step: &StepKey) -> Result<Payload, Failure> {
        let mut outputs = Vec::new();
        for index in 0..self.world.count(step)? {
            match self.task(each, &step.item(index)) {
                Ends::Succeeded(output, _) => outputs.push(Some(output)),
                Ends::Skipped => outputs.push(None),
                Ends::Failed(_) if continues => outputs.push(None),
                Ends::Failed(error) => {
                    let message = format!("item {index}: {}", error.message);
                    return Err(Failure::new(error.kind, message));
                }
            }
        }
        let outputs: Vec<_> = outputs.iter().map(Option::as_ref).collect();
        self.world.gather(step, &outputs)
    }

    /// One call after another, until one does not want to be called again.
    fn calls(&self, step: &StepKey, action: &ActionTask) -> Ends {
        let (mut step, mut resumption) = (step.clone(), None);
        loop {
            let (wake, state) = match self.attempts(&step, action, resumption.as_ref()) {
                Called::Ends(ends) => return ends,
                Called::Again(wake, state) => (wake, state),
            };
            if step.iteration + 1 == action.max_iterations {
                let message = format!(
                    "the action was called {} times and wants another call: if that is meant, \
                     raise `max_iterations` of node `{}`",
                    action.max_iterations, step.node
                );
                return Ends::Failed(Failure::new(FailureKind::IterationLimit, message));
            }
            step.iteration += 1;
            let woken = wake.map_or(Woken::Continued, |wake| self.world.woken(&wake));
            resumption = Some(Resumption { state, woken });
        }
    }

    /// Three attempts by the policy of `properties`, five more for the host's trouble.
    fn attempts(
        &self,
        step: &StepKey,
        action: &ActionTask,
        resumption: Option<&Resumption<Payload>>,
    ) -> Called {
        let effect = action.action.effect;
        let (mut by_policy, mut by_host) = (1, 0);
        let ends = loop {
            let attempt = by_policy + by_host;
            let error = match self.world.run(step, attempt, resumption) {
                Ok((Outcome::Success(_), output)) => break Ends::Succeeded(output, None),
                Ok((Outcome::Branch(port, _), output)) => {
                    break Ends::Succeeded(output, Some(port));
                }
                Ok((Outcome::Skip(_), _)) => break Ends::Skipped,
                Ok((Outcome::Wait(wake, _), state)) => return Called::Again(Some(wake), state),
                Ok((Outcome::Continue(_), state)) => return Called::Again(None, state),
                Err(error) => error,
            };
            if action.at_most_once
                && matches!(error.kind, FailureKind::TimedOut | FailureKind::Trapped)
            {
                match self.world.resolution(step, attempt) {
                    Resolution::Succeeded { output } => break Ends::Succeeded(output, None),
                    Resolution::Failed { reason } => {
                        break Ends::Failed(Failure::new(FailureKind::Permanent, reason));
                    }
                    Resolution::Retry { .. } => {
                        by_policy += 1;
                        continue;
                    }
                }
            }
            let again = match error.kind {
                FailureKind::Host => by_host < 5,
                FailureKind::TimedOut => by_policy < 3,
                FailureKind::Retryable => by_policy < 3 && effect == Effect::Effectful,
                _ => false,
            };
            if !again {
                break Ends::Failed(error);
            }
            match error.kind {
                FailureKind::Host => by_host += 1,
                _ => by_policy += 1,
            }
        };
        Called::Ends(ends)
    }
}

/// What an iteration of an action comes to.
enum Called {
    Ends(Ends),
    Again(Option<Wake>, Payload),
}
