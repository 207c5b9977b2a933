//! What the judge asks of children: each node that runs one has run exactly one,
//! the parent believes what it gave, and it is over when its parent is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::model::{CHILD_STEP, Expected};
use crate::story::Story;
use crate::waits::{self, Most, Told};

/// Parents and their children, by the request that began them all.
#[derive(Debug, Default)]
pub(crate) struct Families(BTreeMap<String, Family>);

#[derive(Debug, Default)]
struct Family {
    parent: Option<Parent>,
    children: Vec<Child>,
}

#[derive(Debug)]
struct Parent {
    id: String,
    succeeded: bool,
    /// The nodes that run a child, with the token that each recorded.
    believed: BTreeMap<String, Option<Value>>,
}

#[derive(Debug)]
struct Child {
    id: String,
    node: String,
    /// What it gave, if it succeeded.
    token: Option<Value>,
    faults: Vec<String>,
}

/// The node of its parent that an execution was started by, if it is a child.
pub(crate) fn node_of(story: &Story) -> Option<&str> {
    story.input["child"].as_str()
}

impl Families {
    pub(crate) fn parent(&mut self, id: &str, request: &str, story: &Story, expected: &Expected) {
        let believed = expected.children.iter();
        let believed = believed.map(|node| (node.clone(), story.token(node).cloned()));
        self.0.entry(request.to_owned()).or_default().parent = Some(Parent {
            id: id.to_owned(),
            succeeded: story.status == "succeeded",
            believed: believed.collect(),
        });
    }

    pub(crate) fn child(
        &mut self,
        id: &str,
        request: &str,
        story: &Story,
        told: &Told,
        deaths: &[nebula_flow::Timestamp],
    ) {
        let mut faults = story.faults();
        let strange = told.keys().filter(|step| *step != CHILD_STEP);
        faults.extend(strange.map(|step| format!("{step} told the sink, and is no step of it")));
        let tries = told.get(CHILD_STEP).map_or(&[][..], Vec::as_slice);
        if !tries.is_empty() {
            faults.extend(waits::tries(
                story,
                CHILD_STEP,
                Most::Flaky(0),
                tries,
                deaths,
            ));
        }
        let succeeded = story.status == "succeeded";
        let token = story.token(CHILD_STEP).filter(|_| succeeded).cloned();
        let said = |token: &Value| tries.iter().any(|t| t.token.as_deref() == token.as_str());
        match &token {
            Some(token) if !said(token) => {
                faults.push(format!("believes {token}, which the sink never said"));
            }
            None if succeeded => faults.push("succeeded without a result".to_owned()),
            _ => {}
        }
        let child = Child {
            id: id.to_owned(),
            node: node_of(story).unwrap_or_default().to_owned(),
            token,
            faults,
        };
        let family = self.0.entry(request.to_owned()).or_default();
        family.children.push(child);
    }

    /// What is wrong with them, by execution.
    pub(crate) fn faults(self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        for (request, family) in self.0 {
            let Some(parent) = family.parent else {
                for child in family.children {
                    let what = format!("is a child of request {request}, which is not there");
                    faults.push((child.id, what));
                }
                continue;
            };
            let mut nodes = BTreeSet::new();
            for child in &family.children {
                let of_child = child
                    .faults
                    .iter()
                    .map(|what| (child.id.clone(), what.clone()));
                faults.extend(of_child);
                if !nodes.insert(&child.node) {
                    let what = format!("{} of {} ran a child before", child.node, parent.id);
                    faults.push((child.id.clone(), what));
                }
                match parent.believed.get(&child.node) {
                    None => {
                        let what = format!("{} of {} runs no child", child.node, parent.id);
                        faults.push((child.id.clone(), what));
                    }
                    Some(believed) if parent.succeeded && *believed != child.token => {
                        let (node, gave) = (&child.node, &child.token);
                        let what =
                            format!("{node} believes {believed:?} of a child that gave {gave:?}");
                        faults.push((parent.id.clone(), what));
                    }
                    Some(_) => {}
                }
            }
            let missing = parent.believed.keys().filter(|node| !nodes.contains(node));
            if parent.succeeded {
                let missing =
                    missing.map(|node| (parent.id.clone(), format!("{node} ran no child")));
                faults.extend(missing);
            }
        }
        faults
    }
}
