//! Names that people give: tenants, workflows, nodes, signals, actions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::InvalidId;

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// Checks the text and makes the name.
            ///
            /// # Errors
            /// When the text breaks the rule of this kind of name.
            pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidId> {
                let text = text.as_ref();
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(InvalidId::new($kind, text, $expected))
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
                Self::new(&*text).map_err(de::Error::custom)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

fn segment(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 63
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}

name_type!(
    /// Who owns an execution, a definition, a grant: every key carries one.
    TenantId,
    "tenant",
    "1 to 63 of a-z, 0-9, `-` and `_`, beginning with a letter",
    segment
);

name_type!(
    /// The name of a workflow, unique within a tenant.
    WorkflowName,
    "workflow name",
    "1 to 128 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter",
    |t| !t.is_empty()
        && t.len() <= 128
        && t.starts_with(|c: char| c.is_ascii_alphabetic())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
);

name_type!(
    /// The name of a node within a workflow; usable in an expression as it stands.
    NodeId,
    "node id",
    "1 to 64 of [A-Za-z_][A-Za-z0-9_]*",
    |t| !t.is_empty()
        && t.len() <= 64
        && t.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

name_type!(
    /// The name of a signal that a workflow's nodes may wait for.
    SignalName,
    "signal name",
    "1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter",
    |t| !t.is_empty()
        && t.len() <= 64
        && t.starts_with(|c: char| c.is_ascii_alphabetic())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
);

name_type!(
    /// The name of a trigger within a workflow; a segment of its path.
    TriggerName,
    "trigger name",
    "1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter",
    |t| !t.is_empty()
        && t.len() <= 64
        && t.starts_with(|c: char| c.is_ascii_alphabetic())
        && t.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
);

name_type!(
    /// The name of an action, e.g. `weather.fetch`: two or more segments; the
    /// first belongs to one publisher.
    ActionId,
    "action id",
    "two or more segments of a-z, 0-9, `-` and `_` joined by dots, at most 128 characters",
    |t| t.len() <= 128 && t.split('.').count() >= 2 && t.split('.').all(segment)
);

impl NodeId {
    /// The node as which a trigger calls its action. No node can have this name.
    pub(crate) fn of_trigger(trigger: &TriggerName) -> Self {
        Self(format!("trigger:{trigger}").into())
    }

    /// Whether a trigger calls its action as this node, outside of any execution.
    #[must_use]
    pub fn is_of_trigger(&self) -> bool {
        self.0.starts_with("trigger:")
    }
}

impl TenantId {
    /// The one tenant of a node that has no tenants configured.
    #[must_use]
    pub fn default_tenant() -> Self {
        Self("default".into())
    }
}
