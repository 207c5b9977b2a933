//! What can be known of a workflow when it is compiled: names, connections between
//! nodes that are there, no circle. The rest is known at deploy.

use std::collections::HashSet;

use proc_macro2::Ident;
use syn::ext::IdentExt;
use syn::{Error, Expr, ExprLit, Lit, LitStr, Result};

use super::{Edge, Graph, On};
use crate::attribute::check_id;

/// Checks the name, if it is written out.
pub(super) fn name(name: &Expr) -> Result<()> {
    let Some(literal) = literal(name) else {
        return Ok(());
    };
    let text = literal.value();
    let is_name = text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if is_name {
        Ok(())
    } else {
        Err(Error::new(
            literal.span(),
            "a workflow's name is 1 to 128 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter",
        ))
    }
}

/// Checks nodes and connections; gives all that is wrong.
pub(super) fn graph(graph: &Graph) -> Result<()> {
    let mut problems = Problems::default();
    nodes(graph, &mut problems);
    edges(graph, &mut problems);
    if problems.0.is_none() {
        problems.add(circle(graph));
    }
    problems.0.map_or(Ok(()), Err)
}

#[derive(Default)]
struct Problems(Option<Error>);

impl Problems {
    fn add(&mut self, error: Option<Error>) {
        match (&mut self.0, error) {
            (Some(all), Some(error)) => all.combine(error),
            (all, error) => *all = all.take().or(error),
        }
    }
}

fn nodes(graph: &Graph, problems: &mut Problems) {
    let mut seen = HashSet::new();
    for node in &graph.nodes {
        let id = node.id.unraw().to_string();
        if id.len() > 64 || !id.is_ascii() {
            let message = "a node's name is 1 to 64 of [A-Za-z_][A-Za-z0-9_]*";
            problems.add(Some(Error::new(node.id.span(), message)));
        }
        if !seen.insert(id.clone()) {
            let message = format!("there is a node `{id}` already; give this one another name");
            problems.add(Some(Error::new(node.id.span(), message)));
        }
        if let Some(action) = literal(&node.what) {
            let text = action.value();
            let (id, range) = text.split_once('@').unwrap_or((&text, "*"));
            let wrong = match check_id(id) {
                Err(message) => Some(message),
                Ok(()) if range.trim().is_empty() => {
                    Some("behind `@` stands the range of versions, e.g. `weather.fetch@^1`")
                }
                Ok(()) => None,
            };
            problems.add(wrong.map(|message| Error::new(action.span(), message)));
        }
    }
    if graph.nodes.is_empty() {
        let message = "a workflow has one node at least: `fetch: \"weather.fetch\"`";
        problems.add(Some(Error::new(proc_macro2::Span::call_site(), message)));
    }
}

fn edges(graph: &Graph, problems: &mut Problems) {
    let mut seen: Vec<&Edge> = Vec::new();
    for edge in &graph.edges {
        for end in [&edge.from, &edge.to] {
            problems.add(unknown(graph, end));
        }
        if edge.from.unraw() == edge.to.unraw() {
            let message = format!("node `{}` is connected to itself", edge.to);
            problems.add(Some(Error::new(edge.to.span(), message)));
        } else if seen.iter().any(|other| same(other, edge)) {
            let message = format!(
                "the connection from `{}` to `{}` is given twice",
                edge.from, edge.to
            );
            problems.add(Some(Error::new(edge.to.span(), message)));
        }
        if let Some(condition) = edge.when.as_ref().and_then(literal) {
            problems.add(read(graph, condition));
        }
        if let On::Port(port) = &edge.on
            && port.value().is_empty()
        {
            problems.add(Some(Error::new(port.span(), "a port has a name")));
        }
        seen.push(edge);
    }
}

fn same(one: &Edge, other: &Edge) -> bool {
    let when = |edge: &Edge| {
        edge.when
            .as_ref()
            .map(|when| literal(when).map(LitStr::value))
    };
    one.from.unraw() == other.from.unraw()
        && one.to.unraw() == other.to.unraw()
        && outcome(&one.on) == outcome(&other.on)
        // Two conditions that are not written out may be two.
        && when(one) == when(other)
        && when(one) != Some(None)
}

fn outcome(on: &On) -> String {
    match on {
        On::Success => "success".into(),
        On::Failure => "failure".into(),
        On::Skip => "skip".into(),
        On::Port(port) => format!("port:{}", port.value()),
    }
}

fn unknown(graph: &Graph, id: &Ident) -> Option<Error> {
    let id = id.unraw();
    if graph.nodes.iter().any(|node| node.id.unraw() == id) {
        return None;
    }
    let message = format!("there is no node `{id}`; {}", known(graph));
    Some(Error::new(id.span(), message))
}

fn known(graph: &Graph) -> String {
    let names: Vec<String> = graph
        .nodes
        .iter()
        .map(|node| format!("`{}`", node.id.unraw()))
        .collect();
    format!("there are {}", names.join(", "))
}

/// The first node that a condition reads and that is not there.
fn read(graph: &Graph, condition: &LitStr) -> Option<Error> {
    let text = condition.value();
    text.split("$nodes.").skip(1).find_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let id = &rest[..end.unwrap_or(rest.len())];
        if id.is_empty() || graph.nodes.iter().any(|node| node.id.unraw() == id) {
            return None;
        }
        let message = format!(
            "the condition reads `$nodes.{id}`, and there is no node `{id}`; {}",
            known(graph)
        );
        Some(Error::new(condition.span(), message))
    })
}

/// The connection that closes a circle, if there is one.
fn circle(graph: &Graph) -> Option<Error> {
    let index = |id: &Ident| {
        graph
            .nodes
            .iter()
            .position(|node| node.id.unraw() == id.unraw())
    };
    let mut done = HashSet::new();
    for start in 0..graph.nodes.len() {
        // Each node on the way, and how many of its connections were followed.
        let mut way = vec![(start, 0)];
        while let Some((at, next)) = way.last().copied() {
            let mut leaving = graph
                .edges
                .iter()
                .filter(|edge| index(&edge.from) == Some(at));
            let Some(edge) = leaving.nth(next).filter(|_| !done.contains(&at)) else {
                done.insert(at);
                way.pop();
                continue;
            };
            if let Some(last) = way.last_mut() {
                last.1 += 1;
            }
            let to = index(&edge.to)?;
            if let Some(first) = way.iter().position(|(node, _)| *node == to) {
                let ids = way[first..].iter().map(|(node, _)| *node).chain([to]);
                let names: Vec<String> = ids
                    .map(|n| format!("`{}`", graph.nodes[n].id.unraw()))
                    .collect();
                let message = format!(
                    "the connections form a circle: {}; a workflow only goes forward, so leave one of them out",
                    names.join(" → ")
                );
                return Some(Error::new(edge.to.span(), message));
            }
            way.push((to, 0));
        }
    }
    None
}

fn literal(expr: &Expr) -> Option<&LitStr> {
    match expr {
        Expr::Lit(ExprLit {
            lit: Lit::Str(literal),
            ..
        }) => Some(literal),
        _ => None,
    }
}
