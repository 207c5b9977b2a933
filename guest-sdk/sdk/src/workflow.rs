//! Workflows, by builder or by [`workflow!`](crate::workflow!).

pub use nebula_flow::definition::{
    ActionRef, CatchUp, Connection, Cron, Jitter, Node, NodeBuilder, On, Overlap, RetryPolicy,
    Trigger, TriggerBuilder, WorkflowBuilder, WorkflowDefinition,
};

/// A workflow in a few lines: each node's action, and the node that follows it.
///
/// ```
/// use nebula_sdk::prelude::*;
///
/// let workflow = workflow!("my-workflow" => {
///     input: "validation.input" => process
///     process: "my.custom_action" => output
///     output: "notification.send"
/// });
/// assert_eq!(workflow.nodes.len(), 3);
/// assert_eq!(workflow.connections.len(), 2);
/// ```
#[macro_export]
macro_rules! workflow {
    ($name:expr => {
        $($node:ident: $action:expr $(=> $next:ident)?)*
    }) => {
        $crate::workflow::WorkflowBuilder::new($name)
            $(.add_node(stringify!($node), $action))*
            $($(.connect(stringify!($node), stringify!($next)))?)*
            .build()
    };
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;

    #[test]
    fn the_macro_and_the_builder_make_the_same_workflow() {
        let built = WorkflowBuilder::new("my-workflow")
            .add_node("input", "validation.input")
            .add_node("process", "my.custom_action")
            .add_node("output", "notification.send")
            .connect("input", "process")
            .connect("process", "output")
            .build();
        let written = workflow!("my-workflow" => {
            input: "validation.input" => process
            process: "my.custom_action" => output
            output: "notification.send"
        });
        assert_eq!(written, built);
    }

    #[test]
    fn a_node_of_the_macro_may_be_built() {
        let workflow = workflow!("w" => {
            greet: NodeBuilder::action("sample.greet").input(json!({ "name": "${ $input.name }" }))
        });
        assert_eq!(
            workflow.nodes["greet"].input,
            Some(json!({ "name": "${ $input.name }" }))
        );
        assert!(workflow.connections.is_empty());
    }
}
