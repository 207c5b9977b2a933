//! Evaluations: which template belongs to a target, the default inputs and
//! outputs, and the lists that maps give.

use futures_util::future::{BoxFuture, FutureExt};
use nebula_flow::decide::Target;
use nebula_flow::definition::Due;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::expression::{Expression, Root, Scope, Template};
use nebula_flow::payload::MAX_PAYLOAD;
use nebula_flow::plan::{ChildTask, Plan, Task as PlanTask};
use nebula_flow::{NodeId, Payload, StepKey, Value};

use super::Task;
use super::evaluator::Evaluator;
use super::scope::Wanted;
use crate::{pinned, values};

/// What an evaluation gave.
pub(super) enum Evaluated {
    Value(Payload),
    List(Payload, u32),
    Condition(bool),
    /// Of a wait, as its template gave it.
    Time(Value),
}

pub(super) type Evaluation = BoxFuture<'static, Result<Evaluated, Failure>>;

/// What is to be evaluated, found in the plan.
#[derive(Clone, Copy)]
pub(super) enum Formula<'p> {
    Template(&'p Template),
    Condition(&'p Expression),
    /// The input of an action's step that has no template.
    DefaultInput,
    /// The output of a workflow that has no template.
    DefaultOutput,
}

impl Task {
    /// The evaluation of a target, on its own: it holds what it needs.
    pub(super) fn evaluation(&self, target: &Target) -> Evaluation {
        let plan = self.execution.plan();
        let Some(formula) = formula(plan, target) else {
            return failed(
                FailureKind::Host,
                format!("the plan has nothing to evaluate for {target:?}"),
            );
        };
        let step = step_of(target);
        let evaluation = match formula {
            Formula::DefaultInput => self.default_input(step),
            Formula::DefaultOutput => self.default_output(),
            Formula::Template(template) => {
                self.expressions(target, template.expressions().collect())
            }
            Formula::Condition(expression) => self.expressions(target, vec![expression]),
        };
        match step.and_then(|step| self.execution.task(step)) {
            Some(PlanTask::Child(child)) => self.fit_for(child, evaluation),
            _ => evaluation,
        }
    }

    /// The same evaluation, if its value is what the child's workflow takes.
    fn fit_for(&self, child: &ChildTask, evaluation: Evaluation) -> Evaluation {
        let (core, tenant) = (self.core.clone(), self.tenant.clone());
        let (name, pinned) = (child.name.clone(), child.pinned);
        async move {
            let evaluated = evaluation.await?;
            let plan = pinned::patient_plan(&core, &tenant, pinned.id, pinned.version).await;
            let plan = plan.map_err(|why| Failure::new(FailureKind::Host, why))?;
            if let (Evaluated::Value(input), Some(_)) = (&evaluated, &plan.definition().input) {
                let input = values::decode(&values::bytes(&core, input).await?)?;
                if let Some(wrong) = plan.deployed.check_input(&input).first() {
                    let what = format!("workflow `{name}` does not take this input: {wrong}");
                    return Err(Failure::new(FailureKind::InvalidInput, what));
                }
            }
            Ok(evaluated)
        }
        .boxed()
    }

    fn expressions(&self, target: &Target, expressions: Vec<&Expression>) -> Evaluation {
        let roots = expressions
            .iter()
            .flat_map(|e| e.references())
            .map(|r| &r.root);
        let wanted = Wanted::new(
            &self.values,
            &self.execution,
            self.id,
            step_of(target),
            roots,
        );
        let evaluator = Evaluator {
            core: self.core.clone(),
            tenant: self.tenant.clone(),
            plan: self.execution.plan().clone(),
            execution: self.id,
            started_at: self.execution.started_at().unwrap_or_default(),
            target: target.clone(),
        };
        evaluator.run(wanted).boxed()
    }

    /// The rule of `Node::input`: the one source that fired, an object of
    /// several, the workflow's input without any, the item in a map; for what
    /// undoes a node that node's result.
    fn default_input(&self, step: Option<&StepKey>) -> Evaluation {
        let Some(step) = step else {
            return failed(FailureKind::Host, "an input belongs to a step".into());
        };
        if !step.path.is_empty() {
            return self.item(step);
        }
        let plan = self.execution.plan();
        let undoes = plan.index(&step.node).and_then(|n| plan.nodes[n].undoes);
        let sources = match undoes {
            Some(undone) => vec![&plan.nodes[undone].id],
            None => self.execution.fired_sources(&step.node),
        };
        match sources.as_slice() {
            [] => ready(
                self.execution
                    .input()
                    .cloned()
                    .unwrap_or_else(Payload::null),
            ),
            [one] => ready(
                self.execution
                    .output_of(one)
                    .cloned()
                    .unwrap_or_else(Payload::null),
            ),
            several => self.object_of(several.iter().copied()),
        }
    }

    fn default_output(&self) -> Evaluation {
        let plan = self.execution.plan();
        self.object_of(
            plan.own_nodes()
                .iter()
                .filter(|n| n.outgoing.is_empty())
                .map(|n| &n.id),
        )
    }

    /// An object of the results of these nodes, without decoding them.
    fn object_of<'n>(&self, nodes: impl Iterator<Item = &'n NodeId>) -> Evaluation {
        let parts: Vec<(NodeId, Payload)> = nodes
            .map(|node| {
                (
                    node.clone(),
                    self.execution
                        .output_of(node)
                        .cloned()
                        .unwrap_or_else(Payload::null),
                )
            })
            .collect();
        let core = self.core.clone();
        async move {
            fits(parts.iter().map(|(_, payload)| payload))?;
            let mut entries = Vec::with_capacity(parts.len());
            for (node, payload) in &parts {
                entries.push((node.as_str(), values::bytes(&core, payload).await?));
            }
            let bytes = values::object(&entries)?;
            Ok(Evaluated::Value(values::payload(&core, bytes).await?))
        }
        .boxed()
    }

    fn item(&self, step: &StepKey) -> Evaluation {
        let wanted = Wanted::new(
            &self.values,
            &self.execution,
            self.id,
            Some(step),
            [&Root::Item].into_iter(),
        );
        let core = self.core.clone();
        async move {
            let variables = wanted.load(&core).await?;
            let value = variables.lookup(&Root::Item).unwrap_or(&Value::Null);
            let bytes = values::encode(value)?;
            Ok(Evaluated::Value(values::payload(&core, bytes).await?))
        }
        .boxed()
    }

    /// The list of a map's results, in order, without decoding them.
    pub(super) fn gathering(&self, map: &StepKey) -> Evaluation {
        let outputs: Vec<Payload> = self
            .execution
            .item_outputs(map)
            .into_iter()
            .map(|p| p.cloned().unwrap_or_else(Payload::null))
            .collect();
        let core = self.core.clone();
        async move {
            fits(outputs.iter())?;
            let mut items = Vec::with_capacity(outputs.len());
            for output in &outputs {
                items.push(values::bytes(&core, output).await?);
            }
            let bytes = values::list(&items)?;
            Ok(Evaluated::Value(values::payload(&core, bytes).await?))
        }
        .boxed()
    }
}

/// Whether values fit one payload, before any is fetched.
fn fits<'p>(payloads: impl Iterator<Item = &'p Payload>) -> Result<(), Failure> {
    let size: u64 = payloads.map(size_of).sum();
    if size > MAX_PAYLOAD as u64 {
        return Err(values::too_large(
            usize::try_from(size).unwrap_or(usize::MAX),
        ));
    }
    Ok(())
}

/// Encoded bytes.
pub(super) fn size_of(payload: &Payload) -> u64 {
    match payload {
        Payload::Inline(bytes) => bytes.len() as u64,
        Payload::Blob { size, .. } => *size,
    }
}

fn ready(payload: Payload) -> Evaluation {
    std::future::ready(Ok(Evaluated::Value(payload))).boxed()
}

fn failed(kind: FailureKind, message: String) -> Evaluation {
    std::future::ready(Err(Failure::new(kind, message))).boxed()
}

const fn step_of(target: &Target) -> Option<&StepKey> {
    match target {
        Target::Input(step) | Target::Items(step) | Target::Until(step) => Some(step),
        Target::Connection(_) | Target::Output => None,
    }
}

pub(super) fn formula<'p>(plan: &'p Plan, target: &Target) -> Option<Formula<'p>> {
    let task = |step: &StepKey| plan.task(plan.index(&step.node)?, step.path.len());
    match target {
        Target::Input(step) => match task(step)? {
            PlanTask::Action(action) => Some(
                action
                    .input
                    .as_ref()
                    .map_or(Formula::DefaultInput, Formula::Template),
            ),
            PlanTask::Child(child) => Some(
                child
                    .input
                    .as_ref()
                    .map_or(Formula::DefaultInput, Formula::Template),
            ),
            _ => None,
        },
        Target::Items(step) => match task(step)? {
            PlanTask::Map { items, .. } => Some(Formula::Template(items)),
            _ => None,
        },
        Target::Until(step) => match task(step)? {
            PlanTask::Delay(Due::Duration(time) | Due::Instant(time)) => {
                Some(Formula::Template(time))
            }
            _ => None,
        },
        Target::Connection(index) => {
            let connection = plan.connections.get(usize::try_from(*index).ok()?)?;
            connection.when.as_ref().map(Formula::Condition)
        }
        Target::Output => Some(
            plan.output
                .as_ref()
                .map_or(Formula::DefaultOutput, Formula::Template),
        ),
    }
}
