//! The connections of a workflow: they join nodes that are there, and form no
//! circle.

use std::collections::HashSet;

use super::WorkflowDefinition;
use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use crate::id::NodeId;

/// Which node precedes which.
pub(super) struct Graph {
    /// By node, a bit for each that leads to it; absent when there is a circle.
    ancestors: Option<Vec<Vec<u64>>>,
}

impl Graph {
    /// Checks the connections.
    pub(super) fn new(definition: &WorkflowDefinition, problems: &mut Vec<Diagnostic>) -> Self {
        let edges = edges(definition, problems);
        let count = definition.nodes.len();
        let mut targets = vec![Vec::new(); count];
        let mut waiting_for = vec![0_usize; count];
        for &(from, to) in &edges {
            targets[from].push(to);
            waiting_for[to] += 1;
        }
        let words = count.div_ceil(64);
        let mut ancestors = vec![vec![0_u64; words]; count];
        let mut ready: Vec<usize> = (0..count).filter(|&node| waiting_for[node] == 0).collect();
        let mut ordered = 0;
        while let Some(node) = ready.pop() {
            ordered += 1;
            let mut of_targets = ancestors[node].clone();
            of_targets[node / 64] |= 1 << (node % 64);
            for &target in &targets[node] {
                for (word, bits) in ancestors[target].iter_mut().zip(&of_targets) {
                    *word |= bits;
                }
                waiting_for[target] -= 1;
                if waiting_for[target] == 0 {
                    ready.push(target);
                }
            }
        }
        if ordered == count {
            return Self {
                ancestors: Some(ancestors),
            };
        }
        problems.push(circle(definition, &edges, &waiting_for));
        Self { ancestors: None }
    }

    /// Whether a path leads from one node to the other; none when a circle
    /// makes the question moot.
    pub(super) fn precedes(&self, from: usize, to: usize) -> Option<bool> {
        let bits = self.ancestors.as_ref()?.get(to)?;
        Some(bits.get(from / 64)? & (1 << (from % 64)) != 0)
    }
}

/// The connections between nodes that are there, by index.
fn edges(definition: &WorkflowDefinition, problems: &mut Vec<Diagnostic>) -> Vec<(usize, usize)> {
    let names = || definition.nodes.keys().map(NodeId::as_str);
    let mut seen = HashSet::new();
    let mut edges = Vec::with_capacity(definition.connections.len());
    for (index, connection) in definition.connections.iter().enumerate() {
        let pointer = format!("/connections/{index}");
        let mut end = |field: &str, id: &NodeId| {
            let found = definition.nodes.get_index_of(id);
            // A node whose name or action the builder could not express was reported there.
            if found.is_none() {
                problems.push(
                    Diagnostic::new(
                        Code::UnknownNode,
                        child(&pointer, field),
                        format!("there is no node `{id}`"),
                    )
                    .maybe_hint(did_you_mean(id.as_str(), names())),
                );
            }
            found
        };
        let (from, to) = (end("from", &connection.from), end("to", &connection.to));
        if connection.from == connection.to {
            let message = format!("node `{}` is connected to itself", connection.from);
            problems.push(Diagnostic::new(Code::Cycle, pointer, message));
            continue;
        }
        if !seen.insert((
            &connection.from,
            &connection.to,
            &connection.on,
            &connection.when,
        )) {
            let message = format!(
                "the connection from `{}` to `{}` is given twice",
                connection.from, connection.to
            );
            problems.push(Diagnostic::new(Code::DuplicateConnection, pointer, message));
        }
        if let (Some(from), Some(to)) = (from, to) {
            edges.push((from, to));
        }
    }
    edges
}

/// Names one circle. Every node that still waits has a source that still
/// waits, so going backwards must come round.
fn circle(
    definition: &WorkflowDefinition,
    edges: &[(usize, usize)],
    waiting_for: &[usize],
) -> Diagnostic {
    let mut source = vec![None; waiting_for.len()];
    for &(from, to) in edges {
        if waiting_for[from] > 0 {
            source[to] = Some(from);
        }
    }
    let mut path: Vec<usize> = Vec::new();
    let mut at = waiting_for.iter().position(|&n| n > 0);
    while let Some(node) = at {
        if let Some(start) = path.iter().position(|&seen| seen == node) {
            path.drain(..start);
            break;
        }
        path.push(node);
        at = source[node];
    }
    path.reverse();
    path.extend(path.first().copied());
    let names: Vec<String> = path
        .iter()
        .filter_map(|&node| definition.nodes.get_index(node))
        .map(|(id, _)| format!("`{id}`"))
        .collect();
    Diagnostic::new(
        Code::Cycle,
        "/connections",
        format!("the connections form a circle: {}", names.join(" → ")),
    )
    .hint("a workflow only goes forward; remove one of these connections")
}
