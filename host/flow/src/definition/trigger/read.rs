//! From a value to triggers.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::Value;

use super::{
    CatchUp, Cron, OnEnd, Overlap, Poll, Trigger, Webhook, WebhookAuth, WebhookReply, poll, utc,
};
use crate::definition::ActionRef;
use crate::definition::diagnostic::{Code, Diagnostic, child};
use crate::definition::read::{Fields, Reading, given};
use crate::id::TriggerName;
use crate::time::Span;

const TRIGGER: &[&str] = &["cron", "webhook", "on_end", "poll", "input"];
const WEBHOOK: &[&str] = &["auth", "secret", "window", "reply", "timeout", "headers"];
const POLL: &[&str] = &[
    "action",
    "every",
    "with",
    "credentials",
    "resources",
    "timeout",
    "overlap",
];
const ON_END: &[&str] = &["workflow", "status"];
const CRON: &[&str] = &["schedule", "timezone", "overlap", "catch_up"];

impl Reading {
    pub(in crate::definition) fn triggers(
        &mut self,
        fields: Fields<'_>,
    ) -> IndexMap<TriggerName, Trigger> {
        let mut triggers = IndexMap::new();
        let entries = match fields.object.get("triggers") {
            None | Some(Value::Null) => return triggers,
            Some(Value::Object(entries)) => entries,
            Some(other) => {
                self.wrong_type("/triggers", other, "an object of triggers by their names");
                return triggers;
            }
        };
        for (name, value) in entries {
            let pointer = child("/triggers", name);
            let name = TriggerName::new(name).map_err(|e| {
                self.problems
                    .push(Diagnostic::new(Code::InvalidName, &pointer, e.to_string()));
            });
            if let (Some(trigger), Ok(name)) = (self.trigger(value, &pointer), name) {
                triggers.insert(name, trigger);
            }
        }
        triggers
    }

    fn trigger(&mut self, value: &Value, pointer: &str) -> Option<Trigger> {
        let fields = self.fields(value, pointer, TRIGGER, "a trigger")?;
        Some(Trigger {
            cron: self.part(fields, "cron", Self::cron),
            webhook: self.part(fields, "webhook", Self::webhook),
            on_end: self.part(fields, "on_end", Self::on_end),
            poll: self.part(fields, "poll", Self::poll),
            input: given(fields, "input"),
        })
    }

    fn webhook(&mut self, value: &Value, pointer: &str) -> Option<Webhook> {
        let fields = self.fields(value, pointer, WEBHOOK, "a webhook")?;
        let auth = "say how the sender proves who it is: `auth: hmac`, `bearer` or `basic`";
        let auth = self.required::<WebhookAuth>(fields, "auth", auth);
        let secret = "name the stored credential that is the secret";
        let secret = self.required::<String>(fields, "secret", secret);
        let window = self.text_form::<Span>(fields, "window", "write for example `5m`");
        let reply = self.text_form::<WebhookReply>(fields, "reply", "write `accepted` or `result`");
        let timeout = self.text_form::<Span>(fields, "timeout", "write for example `30s`");
        let headers = self.text_form(fields, "headers", "write a list of names of headers");
        Some(Webhook {
            auth: auth?,
            secret: secret?,
            window,
            reply: reply.unwrap_or_default(),
            timeout,
            headers: headers.unwrap_or_default(),
        })
    }

    fn on_end(&mut self, value: &Value, pointer: &str) -> Option<OnEnd> {
        let fields = self.fields(value, pointer, ON_END, "an on_end trigger")?;
        let hint = "name the workflow whose executions it follows";
        let workflow = self.name(fields, "workflow", hint);
        let hint = "write a list of `succeeded`, `failed`, `cancelled` and `terminated`";
        let status = self.text_form(fields, "status", hint);
        Some(OnEnd {
            workflow: workflow?,
            status: status.unwrap_or_default(),
        })
    }

    fn poll(&mut self, value: &Value, pointer: &str) -> Option<Poll> {
        let fields = self.fields(value, pointer, POLL, "a poll trigger")?;
        let hint = "name an action that is a trigger, for example `rss.new_items`";
        let action = self.required::<ActionRef>(fields, "action", hint);
        let hint = "say how often it is polled, for example `every: 5m`";
        let every = self.required::<Span>(fields, "every", hint);
        let overlap = self.text_form::<Overlap>(fields, "overlap", "write `skip` or `allow`");
        let credentials = self.field::<BTreeMap<String, String>>(fields, "credentials");
        let resources = self.field::<BTreeMap<String, String>>(fields, "resources");
        let timeout = self.text_form::<Span>(fields, "timeout", "write for example `10s`");
        Some(Poll {
            action: action?,
            every: every?,
            with: given(fields, "with"),
            credentials: credentials.unwrap_or_default(),
            resources: resources.unwrap_or_default(),
            timeout,
            overlap: overlap.unwrap_or(poll::allow()),
        })
    }

    fn cron(&mut self, value: &Value, pointer: &str) -> Option<Cron> {
        let fields = self.fields(value, pointer, CRON, "a cron trigger")?;
        let hint = "write for example `schedule: \"0 2 * * *\"`";
        let schedule = self.required::<String>(fields, "schedule", hint);
        let timezone = self.text_form::<String>(
            fields,
            "timezone",
            "write a name of the IANA database, for example `Europe/Berlin`",
        );
        let overlap = self.text_form::<Overlap>(fields, "overlap", "write `skip` or `allow`");
        let catch_up =
            self.text_form::<CatchUp>(fields, "catch_up", "write `none`, `last` or `all`");
        Some(Cron {
            schedule: schedule?,
            timezone: timezone.unwrap_or_else(utc),
            overlap: overlap.unwrap_or_default(),
            catch_up: catch_up.unwrap_or_default(),
        })
    }
}
