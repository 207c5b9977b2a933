//! From a value to triggers.

use indexmap::IndexMap;
use serde_json::Value;

use super::{CatchUp, Cron, Overlap, Trigger, utc};
use crate::definition::diagnostic::{Code, Diagnostic, child};
use crate::definition::read::{Fields, Reading, given};
use crate::id::TriggerName;

const TRIGGER: &[&str] = &["cron", "input"];
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
            input: given(fields, "input"),
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
