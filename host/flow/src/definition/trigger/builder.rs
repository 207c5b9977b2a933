//! Triggers written in Rust.

use std::time::Duration;

use serde_json::Value;

use super::{
    CatchUp, Cron, OnEnd, Overlap, Poll, Trigger, Webhook, WebhookAuth, WebhookReply, utc,
};
use crate::definition::WorkflowBuilder;
use crate::definition::diagnostic::{Code, child};
use crate::id::{TriggerName, WorkflowName};
use crate::ports::Status;
use crate::time::Span;

/// Builds one trigger of a workflow.
///
/// ```
/// use nebula_flow::WorkflowBuilder;
/// use nebula_flow::definition::TriggerBuilder;
///
/// let workflow = WorkflowBuilder::new("report")
///     .add_node("make", "report.make")
///     .trigger("nightly", TriggerBuilder::cron("0 2 * * *").timezone("Europe/Berlin"))
///     .build();
/// assert_eq!(workflow.triggers.len(), 1);
/// ```
#[derive(Debug, Clone)]
pub struct TriggerBuilder {
    trigger: Trigger,
}

impl TriggerBuilder {
    /// By the clock: five fields, or six with the second in front. In UTC, unless
    /// [`timezone`](Self::timezone) says otherwise.
    #[must_use]
    pub fn cron(schedule: impl Into<String>) -> Self {
        let cron = Cron {
            schedule: schedule.into(),
            timezone: utc(),
            overlap: Overlap::default(),
            catch_up: CatchUp::default(),
        };
        Self {
            trigger: Trigger {
                cron: Some(cron),
                ..Trigger::default()
            },
        }
    }

    /// By the end of an execution of another workflow: one of these, any if there are
    /// none.
    #[must_use]
    pub fn on_end(workflow: WorkflowName, status: impl Into<Vec<Status>>) -> Self {
        let status = status.into();
        Self {
            trigger: Trigger {
                on_end: Some(OnEnd { workflow, status }),
                ..Trigger::default()
            },
        }
    }

    /// By a request to `/hooks/<workflow>/<trigger>`, whose sender proves so that it
    /// knows the stored credential.
    #[must_use]
    pub fn webhook(auth: WebhookAuth, secret: impl Into<String>) -> Self {
        Self {
            trigger: Trigger {
                webhook: Some(Webhook::new(auth, secret)),
                ..Trigger::default()
            },
        }
    }

    /// By an action that is a trigger, called every so often; [`Poll::new`] begins one.
    #[must_use]
    pub fn poll(poll: Poll) -> Self {
        Self {
            trigger: Trigger {
                poll: Some(poll),
                ..Trigger::default()
            },
        }
    }

    /// Of a webhook: how old a signed request may be.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        if let Some(webhook) = &mut self.trigger.webhook {
            webhook.window = Some(Span(window));
        }
        self
    }

    /// Of a webhook: the answer waits so long for the execution's end, and has it.
    #[must_use]
    pub const fn reply_with_result(mut self, timeout: Duration) -> Self {
        if let Some(webhook) = &mut self.trigger.webhook {
            webhook.reply = WebhookReply::Result;
            webhook.timeout = Some(Span(timeout));
        }
        self
    }

    /// Of a webhook: its event has this header too.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>) -> Self {
        if let Some(webhook) = &mut self.trigger.webhook {
            webhook.headers.push(name.into());
        }
        self
    }

    /// Of a cron trigger, by its name in the IANA database.
    #[must_use]
    pub fn timezone(mut self, name: impl Into<String>) -> Self {
        if let Some(cron) = &mut self.trigger.cron {
            cron.timezone = name.into();
        }
        self
    }

    /// Of a cron trigger: what to do while the execution of an earlier slot has
    /// not ended.
    #[must_use]
    pub const fn overlap(mut self, overlap: Overlap) -> Self {
        if let Some(cron) = &mut self.trigger.cron {
            cron.overlap = overlap;
        }
        self
    }

    /// Of a cron trigger: what to do with slots that were missed.
    #[must_use]
    pub const fn catch_up(mut self, catch_up: CatchUp) -> Self {
        if let Some(cron) = &mut self.trigger.cron {
            cron.catch_up = catch_up;
        }
        self
    }

    /// Template of the workflow's input over `$trigger`.
    #[must_use]
    pub fn input(mut self, template: impl Into<Value>) -> Self {
        self.trigger.input = Some(template.into());
        self
    }
}

impl WorkflowBuilder {
    /// Adds a trigger: what starts the workflow by itself.
    #[must_use]
    pub fn trigger(mut self, name: impl AsRef<str>, trigger: TriggerBuilder) -> Self {
        let pointer = child("/triggers", name.as_ref());
        match TriggerName::new(name) {
            Err(error) => self.problem(Code::InvalidName, pointer, error.to_string()),
            Ok(name) if self.definition.triggers.contains_key(&name) => {
                let message = format!("trigger `{name}` is added twice");
                self.problem(Code::DuplicateKey, pointer, message);
            }
            Ok(name) => {
                self.definition.triggers.insert(name, trigger.trigger);
            }
        }
        self
    }
}
