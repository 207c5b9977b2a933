//! The variables of an execution.

use std::fmt;

use serde_json::Value;

use crate::id::NodeId;

/// A variable, or the part of one that an engine keeps as a value of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Root {
    /// `$input`: the workflow's input.
    Input,
    /// `$vars`: the definition's constants.
    Vars,
    /// `$nodes.<id>.result`; null unless it succeeded.
    Result(NodeId),
    /// `$nodes.<id>.status`: `succeeded`, `failed` or `skipped`.
    Status(NodeId),
    /// `$nodes.<id>.error`: `{kind, message}` of a failed node; else null.
    Error(NodeId),
    /// `$execution`: `{id}`.
    Execution,
    /// `$workflow`: `{name, version}`.
    Workflow,
    /// `$item`: the item of the innermost map.
    Item,
    /// `$index`: its place in the list, from 0.
    Index,
    /// `$trigger`: the event of the trigger whose input is evaluated.
    Trigger,
}

/// What an expression reads: a variable, and the path in it as far as it is
/// known without evaluating.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The variable.
    pub root: Root,
    /// The path in it.
    pub path: Vec<Segment>,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Segment {
    /// Of an object.
    Key(String),
    /// Of an array; negative from its end.
    Index(i64),
}

/// Where an expression finds its variables.
pub trait Scope {
    /// The value of a variable; none reads as null.
    fn lookup(&self, root: &Root) -> Option<&Value>;
}

/// The variables as expressions write them.
pub(super) const VARIABLES: [&str; 8] = [
    "$input",
    "$vars",
    "$nodes",
    "$execution",
    "$workflow",
    "$item",
    "$index",
    "$trigger",
];

/// What there is to read of a node.
pub(super) const PARTS: [&str; 3] = ["result", "status", "error"];

impl Root {
    /// The variable of this name, with its `$`, unless it is `$nodes`.
    pub(super) fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "$input" => Self::Input,
            "$vars" => Self::Vars,
            "$execution" => Self::Execution,
            "$workflow" => Self::Workflow,
            "$item" => Self::Item,
            "$index" => Self::Index,
            "$trigger" => Self::Trigger,
            _ => return None,
        })
    }

    /// This part of a node.
    pub(super) fn part(node: NodeId, part: &str) -> Option<Self> {
        Some(match part {
            "result" => Self::Result(node),
            "status" => Self::Status(node),
            "error" => Self::Error(node),
            _ => return None,
        })
    }

    /// The node that it is a part of, if it is.
    #[must_use]
    pub const fn node(&self) -> Option<&NodeId> {
        match self {
            Self::Result(node) | Self::Status(node) | Self::Error(node) => Some(node),
            _ => None,
        }
    }

    /// The last part of its name, e.g. `input` or `result`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Vars => "vars",
            Self::Result(_) => "result",
            Self::Status(_) => "status",
            Self::Error(_) => "error",
            Self::Execution => "execution",
            Self::Workflow => "workflow",
            Self::Item => "item",
            Self::Index => "index",
            Self::Trigger => "trigger",
        }
    }
}

impl fmt::Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.node() {
            Some(node) => write!(f, "$nodes.{node}.{}", self.name()),
            None => write!(f, "${}", self.name()),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)?;
        for segment in &self.path {
            match segment {
                Segment::Key(key) if is_word(key) => write!(f, ".{key}")?,
                Segment::Key(key) => write!(f, "[{key:?}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
