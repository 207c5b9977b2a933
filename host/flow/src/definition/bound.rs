//! What is bound to the names that an action's code uses: credentials and resources.

use std::collections::BTreeMap;

use super::actions::Surroundings;
use super::diagnostic::{Code, Diagnostic, child, did_you_mean};
use super::{Node, Poll};
use crate::deploy::Resources;
use crate::ports::ResolvedAction;

/// What a node or a trigger binds.
pub(super) struct Bound<'a> {
    pointer: &'a str,
    credentials: &'a BTreeMap<String, String>,
    resources: &'a BTreeMap<String, String>,
    /// Where more is bound.
    whose: &'static str,
}

impl<'a> Bound<'a> {
    pub(super) const fn to_node(pointer: &'a str, node: &'a Node) -> Self {
        Self {
            pointer,
            credentials: &node.credentials,
            resources: &node.resources,
            whose: "the node",
        }
    }

    pub(super) const fn to_poll(pointer: &'a str, poll: &'a Poll) -> Self {
        Self {
            pointer,
            credentials: &poll.credentials,
            resources: &poll.resources,
            whose: "the trigger's `poll`",
        }
    }

    /// What is wrong with it.
    pub(super) fn check(&self, action: &ResolvedAction, around: &Surroundings) -> Vec<Diagnostic> {
        let mut problems = self.credentials(action, around);
        problems.extend(self.resources(action, around));
        problems
    }

    fn credentials(&self, action: &ResolvedAction, around: &Surroundings) -> Vec<Diagnostic> {
        let (id, asked) = (&action.metadata.id, &action.metadata.credentials);
        let mut problems = Vec::new();
        // One that is not bound is looked for under its own name, and may be optional.
        for (name, stored_as) in self.credentials {
            let pointer = child(&child(self.pointer, "credentials"), name);
            if !asked.contains(name) {
                let message = format!("action `{id}` does not ask for a credential `{name}`");
                let hint = did_you_mean(name, asked.iter().map(String::as_str));
                let problem = Diagnostic::new(Code::UnaskedCredential, &pointer, message);
                problems.push(problem.maybe_hint(hint));
            }
            if !around.credentials.contains(stored_as) {
                problems.push(missing_credential(&pointer, stored_as, " --host HOST"));
            }
        }
        problems
    }

    /// Each that the action asks for must be bound, to one of its kind.
    fn resources(&self, action: &ResolvedAction, around: &Surroundings) -> Vec<Diagnostic> {
        let (id, asked) = (&action.metadata.id, action.metadata.resources());
        let fields = child(self.pointer, "resources");
        let bound = self.resources.keys();
        let unasked = bound.filter(|name| !asked.contains_key(name.as_str()));
        let mut problems = Vec::new();
        for name in unasked {
            let message = format!("action `{id}` does not ask for a resource `{name}`");
            let hint = did_you_mean(name, asked.keys().copied());
            let problem = Diagnostic::new(Code::UnaskedResource, child(&fields, name), message);
            problems.push(problem.maybe_hint(hint));
        }
        for (name, kind) in &asked {
            let configured = around.resources.as_ref();
            let Some(bound) = self.resources.get(*name) else {
                let message = format!(
                    "action `{id}` asks for a resource `{name}` ({kind}), and none is bound"
                );
                let hint = format!("add `resources: {{ {name}: NAME }}` to {}", self.whose);
                let problem = Diagnostic::new(Code::MissingResource, self.pointer, message);
                problems.push(problem.hint(hint + &of_kind(configured, kind)));
                continue;
            };
            let message = match configured.map(|configured| configured.get(bound)) {
                None => continue,
                Some(Some(is)) if is == kind => continue,
                Some(Some(is)) => {
                    format!("the resource `{bound}` is {is}, and {kind} is asked for")
                }
                Some(None) => format!("no resource `{bound}` is configured"),
            };
            let hint = format!("the operator adds `[resources.{bound}]` to the node's settings");
            let problem = Diagnostic::new(Code::MissingResource, child(&fields, name), message);
            problems.push(problem.hint(hint + &of_kind(configured, kind)));
        }
        problems
    }
}

pub(super) fn missing_credential(pointer: &str, name: &str, options: &str) -> Diagnostic {
    let message = format!("the credential `{name}` is not stored");
    let hint = format!("store it with `nebula credential set {name}{options}`");
    Diagnostic::new(Code::MissingCredential, pointer, message).hint(hint)
}

/// Which resources of a kind there are.
fn of_kind(configured: Option<&Resources>, kind: &str) -> String {
    let found = configured.into_iter().flatten();
    let names: Vec<&str> = found
        .filter(|(_, is)| *is == kind)
        .map(|(name, _)| name.as_str())
        .take(20)
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("; there is {}", names.join(", "))
}
