//! What an action says about itself.

use core::fmt;

/// The id of an action, e.g. `weather.fetch`: two or more segments of
/// `[a-z][a-z0-9_-]*` joined by dots. The first belongs to its publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ActionId(&'static str);

impl ActionId {
    /// Takes an id. The derive checks its form when the action is compiled.
    #[must_use]
    pub const fn new(id: &'static str) -> Self {
        Self(id)
    }

    /// As text.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ActionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What an action says about itself; its schemas come from its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActionMetadata {
    /// For example `weather.fetch`.
    pub id: ActionId,
    /// For people, e.g. `Fetch weather`.
    pub name: &'static str,
    /// Semver; the crate's version if not given.
    pub version: &'static str,
    /// One or two sentences; the doc comment if not given.
    pub description: &'static str,
    /// Where a catalog lists it.
    pub category: &'static str,
    /// Credentials that it asks for, by the name its code uses.
    pub credentials: &'static [&'static str],
    /// Hosts that it asks for; `*` when they come from its input.
    pub hosts: &'static [&'static str],
    /// Resources that it asks for: the name its code uses, and the kind.
    pub resources: &'static [(&'static str, &'static str)],
    /// Whether it is a [`PollingTrigger`](crate::PollingTrigger), no step of a workflow.
    pub trigger: bool,
}
