//! Templates that are evaluated before an execution begins: of a trigger's input
//! and of a concurrency's key. They know one variable and the constants, and are
//! evaluated directly, since nothing runs yet.

use serde_json::Value;

use super::WorkflowDefinition;
use super::check::Check;
use super::diagnostic::{Code, Diagnostic, did_you_mean};
use crate::expression::{Reference, Root, Segment, Template};

impl WorkflowDefinition {
    /// `$vars`.
    pub(crate) fn constants(&self) -> Value {
        let vars = self.vars.iter();
        Value::Object(vars.map(|(k, v)| (k.clone(), v.clone())).collect())
    }
}

impl Check<'_> {
    /// The template, and its problems if it needs more than the variable that is
    /// `given`, the constants, and what is evaluated directly.
    pub(super) fn early(
        &mut self,
        at: &str,
        value: &Value,
        given: &Root,
        why: &str,
    ) -> Option<Template> {
        let template = match Template::parse(value) {
            Ok(template) => template,
            Err(error) => {
                let diagnostic = Diagnostic::new(Code::InvalidExpression, at, error.message);
                self.problems.push(diagnostic.maybe_hint(error.hint));
                return None;
            }
        };
        for expression in template.expressions() {
            if expression.direct().is_none() {
                let message = format!(
                    "`{}` would have to run in the sandbox, and {why}",
                    expression.source()
                );
                let diagnostic = Diagnostic::new(Code::InvalidExpression, at, message);
                self.problems.push(diagnostic.hint(
                    "write paths, comparisons, arithmetic and `//`, and leave the rest to a node",
                ));
            }
            let wrong = expression.references().iter();
            let wrong: Vec<_> = wrong
                .filter_map(|r| unknown(self.definition, at, r, given))
                .collect();
            self.problems.extend(wrong);
        }
        Some(template)
    }
}

/// What is wrong with what an expression reads.
fn unknown(
    definition: &WorkflowDefinition,
    pointer: &str,
    reference: &Reference,
    given: &Root,
) -> Option<Diagnostic> {
    let (message, hint) = match (&reference.root, reference.path.first()) {
        (Root::Vars, Some(Segment::Key(name))) if !definition.vars.contains_key(name) => (
            format!("there is no constant `{name}` in `vars`"),
            did_you_mean(name, definition.vars.keys().map(String::as_str)),
        ),
        (Root::Vars, _) => return None,
        (root, _) if root == given => return None,
        (root, _) => (
            format!("`{root}` is not known before the workflow has started"),
            Some(match given {
                Root::Vars => "`$vars` are".to_owned(),
                given => format!("`{given}` and `$vars` are"),
            }),
        ),
    };
    Some(Diagnostic::new(Code::InvalidExpression, pointer, message).maybe_hint(hint))
}
