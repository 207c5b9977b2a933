//! Where a trigger stands.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::poll::Stand;
use crate::definition::{Cron, Trigger, WorkflowDefinition};
use crate::id::{ExecutionId, TenantId, TriggerName, WorkflowName};
use crate::ports::{Expect, Kind, Record, RecordError, Records};
use crate::time::Timestamp;

/// How often a change that others outrun is tried again.
const TRIES: u32 = 20;

/// The longest message of a [`Trouble`], characters.
const MAX_MESSAGE: usize = 1_000;

/// Where a trigger stands, through all versions of its workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its switch: whether it starts anything.
    pub enabled: bool,
    /// What is done of its schedule, for a cron trigger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<Cursor>,
    /// How far it has looked, for one that polls, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll: Option<Stand>,
    /// What it did last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Fired>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// How often something went wrong.
    #[serde(default)]
    pub troubles: u64,
}

/// How far a schedule is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Of which schedule: another one begins with the version that brought it.
    pub schedule: String,
    /// Slots up to this one are decided.
    pub until: Timestamp,
    /// A slot that is decided to start an execution, while it is not known
    /// whether it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<Timestamp>,
    /// The execution that a slot started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
}

/// Something that a trigger did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// When.
    pub at: Timestamp,
    /// What.
    pub outcome: Outcome,
    /// For which slot of its schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Timestamp>,
    /// What it started; for a skipped slot, what was in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionId>,
}

impl Fired {
    /// It started an execution, for no slot.
    #[must_use]
    pub const fn started(at: Timestamp, execution: ExecutionId) -> Self {
        Self {
            at,
            outcome: Outcome::Started,
            slot: None,
            execution: Some(execution),
        }
    }
}

/// What became of something that happened to a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It started an execution.
    Started,
    /// It started nothing, since an earlier execution had not ended.
    Skipped,
    /// It was fired by hand.
    Tested,
}

impl Outcome {
    /// The name it has everywhere, e.g. `started`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Skipped => "skipped",
            Self::Tested => "tested",
        }
    }
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// What, without secrets.
    pub message: String,
}

impl Cursor {
    /// From an instant on.
    pub(crate) fn new(cron: &Cron, until: Timestamp) -> Self {
        Self {
            schedule: schedule(cron),
            until,
            owed: None,
            execution: None,
        }
    }
}

impl State {
    /// Of a trigger that is new.
    fn new(trigger: &Trigger, now: Timestamp) -> Self {
        Self {
            enabled: true,
            cron: trigger.cron.as_ref().map(|cron| Cursor::new(cron, now)),
            poll: None,
            last: None,
            trouble: None,
            troubles: 0,
        }
    }

    /// Notes what went wrong.
    pub fn note(&mut self, at: Timestamp, message: &str) {
        self.troubles = self.troubles.saturating_add(1);
        self.trouble = Some(Trouble {
            at,
            message: message.chars().take(MAX_MESSAGE).collect(),
        });
    }
}

/// A schedule with its zone, as a cursor names it.
pub(super) fn schedule(cron: &Cron) -> String {
    format!("{} {}", cron.schedule, cron.timezone)
}

fn key(workflow: &WorkflowName, trigger: &TriggerName) -> String {
    format!("{workflow}/{trigger}")
}

fn read(record: &Record) -> Result<State, RecordError> {
    serde_json::from_slice(&record.value).map_err(|e| RecordError::Damaged(e.to_string()))
}

fn write(state: &State) -> Result<Bytes, RecordError> {
    serde_json::to_vec(state)
        .map(Bytes::from)
        .map_err(|e| RecordError::Damaged(e.to_string()))
}

/// Where a trigger stands, and the version of that record; none if it was never
/// deployed.
///
/// # Errors
/// Trouble of the records.
pub async fn get(
    records: &dyn Records,
    tenant: &TenantId,
    workflow: &WorkflowName,
    trigger: &TriggerName,
) -> Result<Option<(State, u64)>, RecordError> {
    let key = key(workflow, trigger);
    let record = records.get(Kind::Trigger, tenant, &key).await?;
    record.map(|r| Ok((read(&r)?, r.version))).transpose()
}

/// Where the triggers of a workflow, or of all, stand, in order of their keys
/// after `after`, at most `limit`; each with its key. Those that the newest
/// version does not have any more are among them.
///
/// # Errors
/// Trouble of the records.
pub async fn list(
    records: &dyn Records,
    tenant: &TenantId,
    workflow: Option<&WorkflowName>,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, WorkflowName, TriggerName, State)>, RecordError> {
    let prefix = workflow.map_or_else(String::new, |name| format!("{name}/"));
    let found = records
        .list(Kind::Trigger, tenant, &prefix, after, limit)
        .await?;
    let named = |(key, record): (String, Record)| {
        let damaged = || RecordError::Damaged(format!("`{key}` names no trigger"));
        let (workflow, trigger) = key.split_once('/').ok_or_else(damaged)?;
        let workflow = WorkflowName::new(workflow).map_err(|_| damaged())?;
        let trigger = TriggerName::new(trigger).map_err(|_| damaged())?;
        let state = read(&record)?;
        Ok((key, workflow, trigger, state))
    };
    found.into_iter().map(named).collect()
}

/// Changes where a trigger stands, however many do so at once; none if it was
/// never deployed. `change` says whether there is anything to write, and may be
/// asked several times.
///
/// # Errors
/// Trouble of the records.
pub async fn update(
    records: &dyn Records,
    tenant: &TenantId,
    (workflow, trigger): (&WorkflowName, &TriggerName),
    mut change: impl FnMut(&mut State) -> bool + Send,
) -> Result<Option<State>, RecordError> {
    for tried in 1.. {
        let Some((mut state, version)) = get(records, tenant, workflow, trigger).await? else {
            break;
        };
        if !change(&mut state) {
            return Ok(Some(state));
        }
        match put(records, tenant, (workflow, trigger), &state, version).await {
            Ok(()) => return Ok(Some(state)),
            Err(RecordError::Conflict { .. }) if tried < TRIES => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Writes where a trigger stands, if nobody has since its record had this version.
pub(super) async fn put(
    records: &dyn Records,
    tenant: &TenantId,
    (workflow, trigger): (&WorkflowName, &TriggerName),
    state: &State,
    version: u64,
) -> Result<(), RecordError> {
    let key = key(workflow, trigger);
    let (value, expect) = (write(state)?, Expect::Version(version));
    let put = records.put(Kind::Trigger, tenant, &key, value, expect);
    put.await.map(|_| ())
}

/// Turns a trigger on or off; none if it was never deployed. Slots that pass
/// while it is off are not made up for; one that polls does so at once when it is on.
///
/// # Errors
/// Trouble of the records.
pub async fn switch(
    records: &dyn Records,
    tenant: &TenantId,
    which: (&WorkflowName, &TriggerName),
    enabled: bool,
    now: Timestamp,
) -> Result<Option<State>, RecordError> {
    let change = |state: &mut State| {
        if state.enabled == enabled {
            return false;
        }
        state.enabled = enabled;
        if let Some(cursor) = state.cron.as_mut().filter(|_| enabled) {
            cursor.until = cursor.until.max(now);
        }
        if let Some(stand) = state.poll.as_mut().filter(|_| enabled) {
            stand.hurry(now);
        }
        true
    };
    update(records, tenant, which, change).await
}

/// Notes what went wrong with a trigger.
///
/// # Errors
/// Trouble of the records.
pub async fn trouble(
    records: &dyn Records,
    tenant: &TenantId,
    which: (&WorkflowName, &TriggerName),
    at: Timestamp,
    message: &str,
) -> Result<(), RecordError> {
    let change = |state: &mut State| {
        state.note(at, message);
        true
    };
    update(records, tenant, which, change).await.map(|_| ())
}

/// Makes the records of a definition's triggers, before the version that has
/// them: one that is live has a record. A trigger that the version before does
/// not have begins anew; its switch stays as it was.
pub(crate) async fn prepare(
    records: &dyn Records,
    tenant: &TenantId,
    definition: &WorkflowDefinition,
    before: Option<&WorkflowDefinition>,
    now: Timestamp,
) -> Result<(), RecordError> {
    let workflow = &definition.name;
    for (name, trigger) in &definition.triggers {
        let fresh = State::new(trigger, now);
        let key = key(workflow, name);
        let made = records.put(Kind::Trigger, tenant, &key, write(&fresh)?, Expect::Absent);
        match made.await {
            Ok(_) => {}
            Err(RecordError::Conflict { .. }) => {
                if before.is_some_and(|before| before.triggers.contains_key(name)) {
                    continue;
                }
                let anew = |state: &mut State| {
                    state.cron.clone_from(&fresh.cron);
                    if let Some(stand) = &mut state.poll {
                        stand.begin_anew();
                    }
                    true
                };
                update(records, tenant, (workflow, name), anew).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
