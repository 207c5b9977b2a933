//! Which elements a selector means. One pass over the page: how far each prefix of
//! a selector is met at an element follows from its parent's, its ancestors' and
//! those of the elements before it, so nothing is tried twice.

use crate::document::{Document, Element, ROOT};
use crate::selector::{Combinator, Complex, Compound, Condition, Selector};

/// The elements of the page that a selector means, in its order.
pub(crate) fn all(document: &Document, selector: &Selector) -> Vec<usize> {
    let mut met = vec![false; document.nodes().len()];
    for complex in &selector.alternatives {
        mark(document, complex, &mut met);
    }
    let nodes = met.iter().enumerate();
    nodes
        .filter(|(_, met)| **met)
        .map(|(node, _)| node)
        .collect()
}

/// Which prefixes of a selector are met, a bit each.
#[derive(Debug, Clone, Copy, Default)]
struct Met {
    /// At the element itself.
    here: u64,
    /// At one that it stands in.
    above: u64,
    /// At the one of its children that came last.
    last_child: u64,
    /// At any of its children so far.
    children: u64,
}

fn mark(document: &Document, complex: &Complex, met: &mut [bool]) {
    let mut states = vec![Met::default(); document.nodes().len()];
    let last = 1_u64 << (complex.parts.len() - 1);
    for (node, data) in document.nodes().iter().enumerate().skip(ROOT + 1) {
        let Some(element) = document.element(node) else {
            continue;
        };
        let parent = states[data.parent];
        let above = parent.above | parent.here;
        let mut here = 0;
        for (index, (combinator, compound)) in complex.parts.iter().enumerate() {
            let from = match combinator {
                None => u64::MAX,
                Some(Combinator::Descendant) => above << 1,
                Some(Combinator::Child) => parent.here << 1,
                Some(Combinator::Next) => parent.last_child << 1,
                Some(Combinator::Later) => parent.children << 1,
            };
            let bit = 1 << index;
            if from & bit != 0 && fits(document, data.parent, element, compound) {
                here |= bit;
            }
        }
        states[node].here = here;
        states[node].above = above;
        states[data.parent].last_child = here;
        states[data.parent].children |= here;
        met[node] |= here & last != 0;
    }
}

fn fits(document: &Document, parent: usize, element: &Element, compound: &Compound) -> bool {
    compound.conditions.iter().all(|condition| match condition {
        Condition::Name(name) => element.name == *name,
        Condition::Has(name) => element.attribute(name).is_some(),
        Condition::Attribute {
            name,
            test,
            value,
            any_case,
        } => element
            .attribute(name)
            .is_some_and(|is| test.holds(is, value, *any_case)),
        Condition::Nth { step, offset } => is_nth(element.position, *step, *offset),
        Condition::Last => children(document, parent) == element.position,
        Condition::Not(compound) => !fits(document, parent, element, compound),
    })
}

fn children(document: &Document, parent: usize) -> usize {
    match &document.nodes()[parent].kind {
        crate::document::Kind::Element(element) => element.children,
        crate::document::Kind::Text(_) => 0,
    }
}

/// Whether `position` is `step` × n + `offset` for some n from 0 on.
fn is_nth(position: usize, step: i32, offset: i32) -> bool {
    let Ok(position) = i64::try_from(position) else {
        return false;
    };
    let (step, behind) = (i64::from(step), position - i64::from(offset));
    if step == 0 {
        behind == 0
    } else {
        behind % step == 0 && behind / step >= 0
    }
}
