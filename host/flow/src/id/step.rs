//! Which part of an execution.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::NodeId;

/// One step: a node × one path of map items × one iteration. Text form:
/// `totals`, `totals[3]`, `totals[3][0]`, with `#2` behind it from the second
/// iteration on.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepKey {
    /// The node.
    pub node: NodeId,
    /// The index at each level of nested maps; empty outside a map, and for
    /// the map node itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<u32>,
    /// 0 for the first; raised each time the action answers *wait* or *continue*.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub iteration: u32,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl StepKey {
    /// The first iteration of a node outside any map.
    #[must_use]
    pub fn root(node: NodeId) -> Self {
        Self {
            node,
            path: Vec::new(),
            iteration: 0,
        }
    }

    /// The step for item `index` of the map whose own step this is.
    #[must_use]
    pub fn item(&self, index: u32) -> Self {
        let mut path = self.path.clone();
        path.push(index);
        Self {
            node: self.node.clone(),
            path,
            iteration: 0,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.node.as_str())?;
        for index in &self.path {
            write!(f, "[{index}]")?;
        }
        if self.iteration > 0 {
            write!(f, "#{}", self.iteration)?;
        }
        Ok(())
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
