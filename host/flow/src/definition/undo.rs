//! What takes back what a node did.

use super::Node;
use super::check::Check;
use super::diagnostic::{Code, child};
use crate::id::NodeId;

impl Check<'_> {
    /// What is wrong with the `undo` of a node; `depth` is that of the maps around it.
    pub(super) fn undo(&mut self, pointer: &str, node: &Node, depth: usize) {
        let Some(undo) = &node.undo else {
            return;
        };
        let pointer = child(pointer, "undo");
        if depth > 0 {
            let message = "the items of a map have no `undo`: it belongs to the map's own node";
            return self.problem(Code::InvalidValue, &pointer, message.to_owned());
        }
        if undo.action.is_none() {
            let message = "an `undo` runs an `action`";
            self.problem(Code::InvalidValue, &pointer, message.to_owned());
        }
        for (field, given) in [
            ("map", undo.map.is_some()),
            ("each", undo.each.is_some()),
            ("concurrency", undo.concurrency.is_some()),
            ("wait", undo.wait.is_some()),
            ("workflow", undo.workflow.is_some()),
            ("detach", undo.detach),
            ("undo", undo.undo.is_some()),
            ("continue_on_failure", undo.continue_on_failure),
        ] {
            if given {
                let message = format!("an `undo` runs an `action`, and has no `{field}`");
                self.problem(Code::InvalidValue, &child(&pointer, field), message);
            }
        }
        self.action(&pointer, undo);
    }

    /// The step that undoes each node has a name that is no node's.
    pub(super) fn undo_names(&mut self) {
        for (id, node) in &self.definition.nodes {
            if node.undo.is_none() {
                continue;
            }
            let pointer = child(&child("/nodes", id.as_str()), "undo");
            match id.undo() {
                None => {
                    let message = format!("`undo_{id}`, the name of its step, is too long");
                    self.problem(Code::InvalidName, &pointer, message);
                }
                Some(step) if self.definition.nodes.contains_key(&step) => {
                    let message = format!("`{step}`, the name of its step, is that of a node");
                    self.problem(Code::DuplicateNode, &pointer, message);
                }
                Some(_) => {}
            }
        }
    }
}

impl NodeId {
    /// The name of the step that undoes this node; none if that would be too long.
    #[must_use]
    pub fn undo(&self) -> Option<Self> {
        Self::new(format!("undo_{self}")).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::{Value, json};

    use super::super::{Code, Document, NodeBuilder, WorkflowBuilder, check};

    fn of_node(id: &str, node: &Value) -> Vec<(Code, String)> {
        let document = json!({
            "apiVersion": "nebula/v1", "kind": "Workflow", "name": "w",
            "nodes": {id: node, "undo_taken": {"action": "a.b"}},
        });
        let definition = Document::from_value(document).definition().unwrap();
        let problems = check(&definition).into_iter();
        problems.map(|d| (d.code, d.pointer)).collect()
    }

    #[test]
    fn an_undo_is_an_action_that_may_read_its_node() {
        let undo =
            json!({"action": "a.b", "input": "${ $nodes.n.result }", "delivery": "at-most-once"});
        let node = json!({"action": "a.b", "undo": undo});
        assert_eq!(of_node("n", &node), []);
        let built = WorkflowBuilder::new("w")
            .add_node(
                "n",
                NodeBuilder::action("a.b").undo(
                    NodeBuilder::action("a.b")
                        .input("${ $nodes.n.result }")
                        .at_most_once(),
                ),
            )
            .build();
        assert_eq!(check(&built), []);
        let written = serde_json::to_value(&built).unwrap();
        assert_eq!(written["nodes"]["n"], node);
        assert_eq!(Document::from_value(written).definition().unwrap(), built);
        let schema = super::super::schema();
        let shape = crate::shape::Shape::compile(&schema).unwrap();
        assert!(
            shape
                .mismatches(&serde_json::to_value(&built).unwrap())
                .is_empty()
        );
    }

    #[test]
    fn what_is_no_undo_is_refused_where_it_stands() {
        let map = json!({"map": [], "each": {"action": "a.b", "undo": {"action": "a.b"}}});
        let long = "n".repeat(60);
        for (id, node, code, pointer) in [
            (
                "n",
                json!({"action": "a.b", "undo": {"wait": {"for": "1s"}}}),
                Code::InvalidValue,
                "/nodes/n/undo",
            ),
            (
                "n",
                json!({"action": "a.b", "undo": {"action": "a.b", "detach": true}}),
                Code::InvalidValue,
                "/nodes/n/undo/detach",
            ),
            (
                "n",
                json!({"action": "a.b", "undo": {"action": "a.b", "undo": {"action": "a.b"}}}),
                Code::InvalidValue,
                "/nodes/n/undo/undo",
            ),
            (
                "n",
                json!({"action": "a.b", "undo": {"action": "a.b", "timeout": "0s"}}),
                Code::InvalidValue,
                "/nodes/n/undo/timeout",
            ),
            (
                "n",
                json!({"action": "a.b", "undo": {"action": "a.b", "input": "${ $nodes.undo_taken.result }"}}),
                Code::NotAnAncestor,
                "/nodes/n/undo/input",
            ),
            ("n", map, Code::InvalidValue, "/nodes/n/each/undo"),
            (
                "taken",
                json!({"action": "a.b", "undo": {"action": "a.b"}}),
                Code::DuplicateNode,
                "/nodes/taken/undo",
            ),
            (
                long.as_str(),
                json!({"action": "a.b", "undo": {"action": "a.b"}}),
                Code::InvalidName,
                &format!("/nodes/{long}/undo"),
            ),
        ] {
            let found = of_node(id, &node);
            assert!(
                found.contains(&(code, pointer.to_owned())),
                "{node}: {found:?}"
            );
        }
    }
}
