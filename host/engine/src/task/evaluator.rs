//! The value of a template or a condition. Expressions outside the direct
//! subset run in the sandbox, as the action `transform.jq`.

use std::sync::Arc;

use bytes::Bytes;
use nebula_flow::decide::Target;
use nebula_flow::deploy::EVALUATOR;
use nebula_flow::event::{Failure, FailureKind};
use nebula_flow::expression::{Expression, ExpressionError, Room, Template};
use nebula_flow::plan::Plan;
use nebula_flow::ports::{Call, Identity, Outcome};
use nebula_flow::{ActionId, ExecutionId, NodeId, StepKey, TenantId, Timestamp, Value, json};

use super::call;
use super::evaluate::{Evaluated, Formula, formula};
use super::scope::{Variables, Wanted};
use crate::chance::Backoff;
use crate::config::{Core, EXPRESSION_LIMITS};
use crate::{pinned, values};

/// How often an expression is tried again when the host is in trouble.
const HOST_RETRIES: u32 = 5;

/// One evaluation of a template or a condition.
pub(super) struct Evaluator {
    pub(super) core: Arc<Core>,
    pub(super) tenant: TenantId,
    pub(super) plan: Arc<Plan>,
    pub(super) execution: ExecutionId,
    pub(super) started_at: Timestamp,
    pub(super) target: Target,
}

impl Evaluator {
    pub(super) async fn run(self, wanted: Wanted) -> Result<Evaluated, Failure> {
        let variables = wanted.load(&self.core).await?;
        let value = match formula(&self.plan, &self.target) {
            Some(Formula::Template(template)) => self.render(template, &variables).await?,
            Some(Formula::Condition(expression)) => {
                let value = self.value(expression, &variables).await?;
                // As jq has it: only null and false do not hold.
                return Ok(Evaluated::Condition(!matches!(
                    value,
                    Value::Null | Value::Bool(false)
                )));
            }
            _ => Value::Null,
        };
        if matches!(self.target, Target::Until(_)) {
            return Ok(Evaluated::Time(value));
        }
        let payload = values::payload(&self.core, values::encode(&value)?).await?;
        match (&self.target, &value) {
            (Target::Items(_), Value::Array(items)) => {
                let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
                Ok(Evaluated::List(payload, count))
            }
            (Target::Items(_), other) => Err(Failure::new(
                FailureKind::Expression,
                format!(
                    "a map needs a list, and its expression gave {}",
                    kind_of(other)
                ),
            )),
            _ => Ok(Evaluated::Value(payload)),
        }
    }

    async fn render(&self, template: &Template, variables: &Variables) -> Result<Value, Failure> {
        // A template renders its expressions in the order in which it lists them.
        let mut computed = Vec::new();
        // All are held until it is rendered, which would refuse more than that.
        let mut room = Room::new();
        for expression in template.expressions().filter(|e| e.direct().is_none()) {
            let value = self.jq(expression, variables).await?;
            room.take(&value).map_err(expression_failure)?;
            computed.push(value);
        }
        let mut computed = computed.into_iter();
        template
            .render(&mut |expression| match expression.direct() {
                Some(direct) => direct.evaluate(variables),
                None => computed.next().ok_or_else(|| {
                    ExpressionError::new("an expression of the template was not evaluated")
                }),
            })
            .map_err(expression_failure)
    }

    async fn value(
        &self,
        expression: &Expression,
        variables: &Variables,
    ) -> Result<Value, Failure> {
        match expression.direct() {
            Some(direct) => direct.evaluate(variables).map_err(expression_failure),
            None => self.jq(expression, variables).await,
        }
    }

    async fn jq(&self, expression: &Expression, variables: &Variables) -> Result<Value, Failure> {
        let input = json!({
            "filter": expression.source(),
            "input": null,
            "variables": expression.variables(variables),
        });
        let call = self.call(values::encode(&input)?).await?;
        let mut backoff = Backoff::new();
        let mut tries = 0;
        loop {
            let report = call::guarded(&self.core, call.clone(), None).await;
            match report.result {
                Ok(Outcome::Success(bytes) | Outcome::Branch(_, bytes)) => {
                    return values::decode(&bytes);
                }
                Ok(Outcome::Skip(_) | Outcome::Wait(..) | Outcome::Continue(_)) => {
                    return Ok(Value::Null);
                }
                Err(failure) if failure.kind == FailureKind::Host && tries < HOST_RETRIES => {
                    tries += 1;
                    backoff.pause(&*self.core.clock).await;
                }
                Err(failure) if failure.kind == FailureKind::Host => return Err(failure),
                Err(failure) => {
                    let message = format!("`{}`: {}", expression.source(), failure.message);
                    return Err(Failure::new(FailureKind::Expression, message));
                }
            }
        }
    }

    async fn call(&self, input: Bytes) -> Result<Call, Failure> {
        let Some(action) = self.plan.deployed.actions.get(EVALUATOR) else {
            let message = format!(
                "the deployed version does not pin {EVALUATOR}, which its expressions need; deploy it again"
            );
            return Err(Failure::new(FailureKind::Component, message));
        };
        let action_id = ActionId::new(EVALUATOR)
            .map_err(|e| Failure::new(FailureKind::Component, e.to_string()))?;
        let component = pinned::component(&self.core, &self.tenant, action.digest).await?;
        Ok(Call {
            tenant: self.tenant.clone(),
            component,
            action: action_id,
            input,
            identity: Identity {
                workflow: self.plan.definition().name.clone(),
                execution: self.execution,
                step: self.step(),
                attempt: 1,
                restarts: 0,
            },
            ready_at: self.started_at,
            resumption: None,
            limits: EXPRESSION_LIMITS,
            capabilities: Arc::default(),
            pulse: Arc::default(),
        })
    }

    /// The step in whose name an expression runs.
    fn step(&self) -> StepKey {
        let node = |index: usize| self.plan.nodes.get(index).map(|n| n.id.clone());
        let of_connection = |index: &u32| {
            let connection = self.plan.connections.get(usize::try_from(*index).ok()?)?;
            node(connection.to)
        };
        let node = match &self.target {
            Target::Input(step) | Target::Items(step) | Target::Until(step) => return step.clone(),
            Target::Connection(index) => of_connection(index),
            Target::Output => node(self.plan.own_nodes().len().saturating_sub(1)),
        };
        // Every plan has a node; the name only fills the identity.
        StepKey::root(node.unwrap_or_else(|| NodeId::new("output").expect("a valid node id")))
    }
}

fn expression_failure(error: ExpressionError) -> Failure {
    let message = match error.hint {
        Some(hint) => format!("{}; {hint}", error.message),
        None => error.message,
    };
    Failure::new(FailureKind::Expression, message)
}

const fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
