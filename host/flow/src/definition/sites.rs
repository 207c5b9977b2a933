//! Where the expressions and the free values of a definition stand.

use serde_json::Value;

use super::diagnostic::child;
use super::{Node, WorkflowDefinition};
use crate::expression::{Expression, ExpressionError, Template};

/// Where an expression stands, and so which nodes it may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a node, by index: it may read the node's ancestors.
    Node(usize),
    /// In the `undo` of a node, by index: it may read the node and its ancestors.
    Undo(usize),
    /// In the `when` of a connection: it may read the source and its ancestors.
    Connection(usize),
    /// In the output: it may read every node.
    Output,
}

/// An expression of a definition.
pub(super) struct Site {
    pub(super) pointer: String,
    pub(super) place: Place,
    /// Whether it stands in what a map runs for each item.
    pub(super) in_map: bool,
    pub(super) parsed: Result<Expression, ExpressionError>,
}

/// Every expression of a definition, in its order.
pub(super) fn sites(definition: &WorkflowDefinition) -> Vec<Site> {
    let mut sites = Sites {
        found: Vec::new(),
        place: Place::Output,
        in_map: false,
    };
    for (index, (id, node)) in definition.nodes.iter().enumerate() {
        sites.place = Place::Node(index);
        let pointer = child("/nodes", id.as_str());
        sites.node(&pointer, node);
        if let Some(undo) = &node.undo {
            sites.place = Place::Undo(index);
            sites.node(&child(&pointer, "undo"), undo);
        }
    }
    for (index, connection) in definition.connections.iter().enumerate() {
        sites.place = Place::Connection(index);
        if let Some(when) = &connection.when {
            let parsed = Expression::parse_bare_or_wrapped(when);
            sites.add(format!("/connections/{index}/when"), parsed);
        }
    }
    if let Some(output) = &definition.output {
        sites.place = Place::Output;
        sites.template("/output", output);
    }
    sites.found
}

struct Sites {
    found: Vec<Site>,
    place: Place,
    in_map: bool,
}

impl Sites {
    fn add(&mut self, pointer: String, parsed: Result<Expression, ExpressionError>) {
        self.found.push(Site {
            pointer,
            place: self.place,
            in_map: self.in_map,
            parsed,
        });
    }

    fn node(&mut self, pointer: &str, node: &Node) {
        if let Some(items) = &node.map {
            match items {
                Value::Array(_) => self.template(&child(pointer, "map"), items),
                _ => self.parsed(child(pointer, "map"), Template::parse_list(items)),
            }
        }
        if let Some(input) = &node.input {
            self.template(&child(pointer, "input"), input);
        }
        if let Some(wait) = &node.wait {
            for (field, text) in [("for", &wait.duration), ("until", &wait.until)] {
                if let Some(text) = text {
                    let pointer = child(&child(pointer, "wait"), field);
                    self.template(&pointer, &Value::from(text.as_str()));
                }
            }
        }
        if let Some(each) = &node.each {
            let outside = std::mem::replace(&mut self.in_map, true);
            self.node(&child(pointer, "each"), each);
            self.in_map = outside;
        }
    }

    // Each text by itself, so that a problem has its own pointer. Bounded: the
    // depth of values is checked first.
    fn template(&mut self, pointer: &str, value: &Value) {
        match value {
            Value::String(text) if text.contains("${") => {
                self.parsed(pointer.to_owned(), Template::parse(value));
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.template(&child(pointer, &index.to_string()), item);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    self.template(&child(pointer, key), value);
                }
            }
            _ => {}
        }
    }

    fn parsed(&mut self, pointer: String, template: Result<Template, ExpressionError>) {
        match template {
            Ok(template) => {
                for expression in template.expressions() {
                    self.add(pointer.clone(), Ok(expression.clone()));
                }
            }
            Err(error) => self.add(pointer, Err(error)),
        }
    }
}

/// Every value of any type in a definition.
pub(super) fn values(definition: &WorkflowDefinition) -> impl Iterator<Item = (String, &Value)> {
    fn of_node<'d>(pointer: String, node: &'d Node, out: &mut Vec<(String, &'d Value)>) {
        out.extend(
            node.map
                .as_ref()
                .map(|value| (child(&pointer, "map"), value)),
        );
        out.extend(
            node.input
                .as_ref()
                .map(|value| (child(&pointer, "input"), value)),
        );
        let schema = node.wait.as_ref().and_then(|wait| wait.schema.as_ref());
        out.extend(schema.map(|value| (child(&child(&pointer, "wait"), "schema"), value)));
        for (field, below) in [("each", &node.each), ("undo", &node.undo)] {
            if let Some(below) = below {
                of_node(child(&pointer, field), below, out);
            }
        }
    }
    let mut out = Vec::new();
    out.extend(
        definition
            .input
            .as_ref()
            .map(|value| ("/input".to_owned(), value)),
    );
    out.extend(
        definition
            .output
            .as_ref()
            .map(|value| ("/output".to_owned(), value)),
    );
    out.extend(
        definition
            .vars
            .iter()
            .map(|(name, value)| (child("/vars", name), value)),
    );
    for (name, trigger) in &definition.triggers {
        let pointer = child(&child("/triggers", name.as_str()), "input");
        out.extend(trigger.input.as_ref().map(|value| (pointer, value)));
        let with = trigger.poll.as_ref().and_then(|poll| poll.with.as_ref());
        let pointer = child(&child("/triggers", name.as_str()), "poll");
        out.extend(with.map(|value| (child(&pointer, "with"), value)));
    }
    for (id, node) in &definition.nodes {
        of_node(child("/nodes", id.as_str()), node, &mut out);
    }
    out.into_iter()
}

/// Whether a value nests deeper than this.
pub(super) fn deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(|item| deeper(item, levels - 1)),
        Value::Object(entries) => {
            levels == 0 || entries.values().any(|item| deeper(item, levels - 1))
        }
        _ => false,
    }
}
