//! Which part of an execution.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{InvalidId, NodeId};

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

    /// The same step in another of its iterations.
    #[must_use]
    pub fn in_iteration(&self, iteration: u32) -> Self {
        Self {
            iteration,
            ..self.clone()
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

impl FromStr for StepKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || {
            InvalidId::new(
                "step",
                text,
                "a node, `totals`, or an item of it, `totals[3]`",
            )
        };
        let number = |digits: &str| -> Result<u32, InvalidId> {
            let is_plain = digits.bytes().all(|b| b.is_ascii_digit())
                && (digits == "0" || !digits.starts_with('0'));
            let number = is_plain.then(|| digits.parse().ok()).flatten();
            number.ok_or_else(invalid)
        };
        let (place, iteration) = match text.split_once('#') {
            Some((place, digits)) => (
                place,
                number(digits).and_then(|n| match n {
                    0 => Err(invalid()),
                    n => Ok(n),
                })?,
            ),
            None => (text, 0),
        };
        let (node, mut rest) = place.split_at(place.find('[').unwrap_or(place.len()));
        let mut path = Vec::new();
        while !rest.is_empty() {
            let inner = rest.strip_prefix('[').ok_or_else(invalid)?;
            let (digits, behind) = inner.split_once(']').ok_or_else(invalid)?;
            path.push(number(digits)?);
            rest = behind;
        }
        Ok(Self {
            node: NodeId::new(node).map_err(|_| invalid())?,
            path,
            iteration,
        })
    }
}

impl fmt::Debug for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_step_reads_back_from_its_text(
            node in "[A-Za-z_][A-Za-z0-9_]{0,9}",
            path in prop::collection::vec(any::<u32>(), 0..4),
            iteration in any::<u32>(),
        ) {
            let node = NodeId::new(node).expect("a name");
            let key = StepKey { node, path, iteration };
            prop_assert_eq!(key.to_string().parse(), Ok(key));
        }

        #[test]
        fn what_reads_as_a_step_is_written_the_same(text in "[a-z0-9#\\[\\]+-]{0,12}") {
            if let Ok(key) = text.parse::<StepKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
