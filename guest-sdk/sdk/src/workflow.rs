//! Workflows, by [`WorkflowBuilder`], by [`workflow!`](crate::workflow!) or declared, with
//! `#[derive(Workflow)]`: three ways to write the same definition.
//!
//! ```
//! use nebula_sdk::prelude::*;
//!
//! let workflow = workflow!("my-workflow" => {
//!     input: "validation.input" => process
//!     process: "my.custom_action" => output
//!     output: "notification.send"
//! });
//! assert_eq!(workflow.nodes.len(), 3);
//! assert_eq!(workflow.connections.len(), 2);
//! ```

use nebula_action::Action;
use nebula_action::schema::{Schema, Side, schema};
use serde_json::Value;

pub use nebula_flow::definition::{
    ActionRef, CatchUp, Connection, Cron, Jitter, Node, NodeBuilder, On, Overlap, Poll,
    RetryPolicy, Trigger, TriggerBuilder, WorkflowBuilder, WorkflowDefinition,
};

/// A workflow that is declared in Rust. Derived, with `#[workflow(…)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares no workflow",
    note = "a workflow is a struct with `#[derive(Workflow)]` and `#[workflow(id = \"…\", nodes(…))]`"
)]
pub trait Workflow {
    /// The workflow's name, unique within a tenant.
    const NAME: &'static str;

    /// The workflow, to be deployed. What is wrong with it and could not be seen when
    /// it was compiled is reported then.
    #[must_use]
    fn definition() -> WorkflowDefinition;
}

/// A node that runs an action of this crate, or of one that it uses: its name is
/// checked by the compiler.
///
/// ```
/// use nebula_sdk::prelude::*;
/// use nebula_sdk::workflow::node;
///
/// #[derive(Action)]
/// #[action(id = "sample.greet")]
/// struct Greet;
///
/// let workflow = WorkflowBuilder::new("greeting")
///     .add_node("greet", node::<Greet>().input(json!({ "name": "Ada" })))
///     .build();
/// assert_eq!(workflow.nodes["greet"].action.as_ref().unwrap().to_string(), "sample.greet");
/// ```
#[must_use]
pub fn node<A: Action>() -> NodeBuilder {
    NodeBuilder::action(A::instance().metadata().id.as_str())
}

/// The JSON Schema of an input, for [`WorkflowBuilder::input_schema`].
#[must_use]
pub fn input_schema<T: Schema>() -> Value {
    // The writer makes JSON; a schema by hand that is none says so at deploy.
    let text = schema::<T>(Side::Read);
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
