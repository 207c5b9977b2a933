//! What can be wrong with a trigger.

use serde_json::{Value, json};

use super::{CatchUp, Cron, MAX_TRIGGERS, Overlap, Trigger};
use crate::definition::WorkflowDefinition;
use crate::definition::check::Check;
use crate::definition::diagnostic::{Code, Diagnostic, child};
use crate::expression::{ExpressionError, Root, Scope, Template};
use crate::schedule::ScheduleError;
use crate::shape::Shape;

impl Check<'_> {
    /// What is wrong with the triggers.
    pub(in crate::definition) fn triggers(&mut self) {
        let definition = self.definition;
        if definition.triggers.len() > MAX_TRIGGERS {
            let count = definition.triggers.len();
            let message =
                format!("the workflow has {count} triggers; at most {MAX_TRIGGERS} are allowed");
            return self.problem(Code::TooLarge, "/triggers", message);
        }
        for (name, trigger) in &definition.triggers {
            let pointer = child("/triggers", name.as_str());
            self.kind_of_trigger(&pointer, trigger);
            self.trigger_input(&pointer, trigger);
        }
    }

    fn kind_of_trigger(&mut self, pointer: &str, trigger: &Trigger) {
        let Trigger {
            cron,
            webhook,
            on_end,
            poll,
            input: _,
        } = trigger;
        match (cron, webhook, on_end, poll) {
            (Some(cron), None, None, None) => self.cron(&child(pointer, "cron"), cron),
            (None, Some(webhook), None, None) => self.webhook(&child(pointer, "webhook"), webhook),
            (None, None, Some(on_end), None) => self.on_end(&child(pointer, "on_end"), on_end),
            (None, None, None, Some(poll)) => self.poll(&child(pointer, "poll"), poll),
            (None, None, None, None) => {
                let message = "a trigger needs one of `cron`, `webhook`, `on_end` and `poll`";
                let diagnostic = Diagnostic::new(Code::MissingField, pointer, message);
                let hint = "write for example `cron: { schedule: \"0 2 * * *\" }`";
                self.problems.push(diagnostic.hint(hint));
            }
            _ => {
                let message =
                    "a trigger has one of `cron`, `webhook`, `on_end` and `poll`, not several";
                self.problem(Code::InvalidValue, pointer, message.to_owned());
            }
        }
    }

    fn cron(&mut self, pointer: &str, cron: &Cron) {
        if let Err(error) = cron.schedule() {
            let (code, field) = match &error {
                ScheduleError::Syntax { .. } => (Code::InvalidValue, "schedule"),
                ScheduleError::Never(_) => (Code::NeverFires, "schedule"),
                ScheduleError::Zone { .. } => (Code::InvalidValue, "timezone"),
            };
            let diagnostic = Diagnostic::new(code, child(pointer, field), error.to_string());
            self.problems.push(diagnostic.maybe_hint(error.hint()));
        }
        if cron.catch_up == CatchUp::All && cron.overlap == Overlap::Skip {
            let message = "`catch_up: all` starts several executions, and `overlap` is `skip`";
            let diagnostic =
                Diagnostic::new(Code::InvalidValue, child(pointer, "catch_up"), message);
            self.problems
                .push(diagnostic.hint("add `overlap: allow`, or write `catch_up: last`"));
        }
    }

    /// The template of the input, and what it gives as far as it is known.
    fn trigger_input(&mut self, pointer: &str, trigger: &Trigger) {
        let at = child(pointer, "input");
        let Some(input) = &trigger.input else {
            // Of a schedule it is known what the event looks like.
            if trigger.cron.is_some() {
                let event = json!({ "slot": "2026-02-03T04:05:06.000Z" });
                self.constant(pointer, &event, "the trigger's event");
            }
            return;
        };
        let why = "a trigger's input is made before anything runs";
        let Some(template) = self.early(&at, input, &Root::Trigger, why) else {
            return;
        };
        if let Some(constant) = template.constant() {
            self.constant(&at, &constant, "this");
        }
    }

    /// A value that every start would have as its input.
    fn constant(&mut self, pointer: &str, value: &Value, what: &str) {
        // A schema that does not compile has its own diagnostic.
        let Some(Ok(shape)) = self.definition.input.as_ref().map(Shape::compile) else {
            return;
        };
        for mismatch in shape.mismatches(value) {
            let message = format!(
                "{what} is not what the workflow takes as its input: {}",
                mismatch.message
            );
            self.problems
                .push(Diagnostic::new(Code::InvalidInput, pointer, message).hint(
                    "give the trigger an `input` that the workflow's `input` schema accepts",
                ));
        }
    }
}

/// Every secret of a webhook, with its pointer.
pub(crate) fn secrets(definition: &WorkflowDefinition) -> impl Iterator<Item = (String, &String)> {
    let triggers = definition.triggers.iter();
    triggers.filter_map(|(name, trigger)| {
        let webhook = child(&child("/triggers", name.as_str()), "webhook");
        let secret = &trigger.webhook.as_ref()?.secret;
        Some((child(&webhook, "secret"), secret))
    })
}

/// The input that a trigger's event makes.
///
/// # Errors
/// When its expressions err, or it is over the cap of a payload.
pub(crate) fn input(
    definition: &WorkflowDefinition,
    trigger: &Trigger,
    event: Value,
) -> Result<Value, ExpressionError> {
    let Some(input) = &trigger.input else {
        let found = |mut event: Value| event.get_mut("event").map(Value::take);
        return Ok(match &trigger.poll {
            Some(_) => found(event).unwrap_or_default(),
            None => event,
        });
    };
    Template::parse(input)?.render_early(&Variables {
        event,
        vars: definition.constants(),
    })
}

/// The values of what is evaluated before anything runs.
pub(super) struct Variables {
    pub(super) event: Value,
    pub(super) vars: Value,
}

impl Scope for Variables {
    fn lookup(&self, root: &Root) -> Option<&Value> {
        match root {
            Root::Trigger => Some(&self.event),
            Root::Vars => Some(&self.vars),
            _ => None,
        }
    }
}
