//! What is due by the clock. A slot is decided first, by a change of the
//! trigger's record that only one of all nodes can make, and started then, under
//! a key of its own. So each slot starts at most once, and one that was decided
//! is started by whoever comes next, wherever the one before was stopped.

use std::time::Duration;

use serde_json::json;

use super::state::{Cursor, Fired, Outcome, State, get, put, schedule, update};
use super::{Firing, Next, Place, TriggerError, fire, running};
use crate::definition::{CatchUp, Cron, Overlap};
use crate::deploy::DeployedWorkflow;
use crate::id::{ExecutionId, TriggerName, WorkflowId};
use crate::ports::{Durability, RecordError, Submitted};
use crate::schedule::Schedule;
use crate::time::Timestamp;

/// How many slots that were missed are made up for, at most.
pub const MAX_CATCH_UP: usize = 100;

/// A slot that is looked at later than this was missed.
pub const LATE: Duration = Duration::from_secs(60);

/// Which trigger, and when it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The newest version of its workflow.
    pub workflow: &'a DeployedWorkflow,
    /// Which of its triggers.
    pub trigger: &'a TriggerName,
    /// The trigger's schedule, read.
    pub schedule: &'a Schedule,
    /// Now.
    pub now: Timestamp,
    /// A fresh id.
    pub execution: ExecutionId,
}

/// Does the next thing that is due, if anything is.
///
/// # Errors
/// When the store is in trouble. What else goes wrong is noted at the trigger.
pub async fn turn(place: Place<'_>, look: Look<'_>) -> Result<Next, TriggerError> {
    let definition = &look.workflow.definition;
    let trigger = definition.triggers.get(look.trigger);
    let Some(cron) = trigger.and_then(|trigger| trigger.cron.as_ref()) else {
        return Ok(Next::Gone);
    };
    let which = (&definition.name, look.trigger);
    let found = get(place.records, place.tenant, which.0, which.1).await?;
    let Some((mut state, version)) = found else {
        return Ok(Next::Gone);
    };
    let cursor = cursor_of(&mut state, cron, look.workflow.deployed_at);
    if let Some(slot) = cursor.owed {
        settle(place, look, slot).await?;
        return Ok(Next::Again);
    }
    if !state.enabled {
        return Ok(Next::At(None));
    }
    let cursor = cursor_of(&mut state, cron, look.workflow.deployed_at);
    let Some(slot) = due(cron, look.schedule, cursor.until, look.now) else {
        return Ok(Next::At(look.schedule.next(look.now)));
    };
    cursor.until = slot;
    let in_the_way = match cron.overlap {
        Overlap::Allow => None,
        Overlap::Skip => running(place, cursor.execution).await?,
    };
    if in_the_way.is_none() {
        cursor.owed = Some(slot);
    } else {
        state.last = Some(Fired {
            at: look.now,
            outcome: Outcome::Skipped,
            slot: Some(slot),
            execution: in_the_way,
        });
    }
    match put(place.records, place.tenant, which, &state, version).await {
        Ok(()) if in_the_way.is_none() => settle(place, look, slot).await?,
        // Someone else was faster: with this slot, or with the switch.
        Ok(()) | Err(RecordError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Next::Again)
}

/// When a trigger must be looked at, as far as its record says.
#[must_use]
pub fn wake_at(state: &State, cron: &Cron, times: &Schedule, now: Timestamp) -> Option<Timestamp> {
    match &state.cron {
        Some(cursor) if cursor.owed.is_some() => Some(now),
        _ if !state.enabled => None,
        Some(cursor) if cursor.schedule == schedule(cron) => times.next(cursor.until),
        // A schedule that begins: its cursor is to be made.
        _ => Some(now),
    }
}

/// How far the schedule is done; a schedule that the record does not know yet
/// begins with its version.
fn cursor_of<'s>(state: &'s mut State, cron: &Cron, deployed_at: Timestamp) -> &'s mut Cursor {
    let known = (state.cron.as_ref()).is_some_and(|cursor| cursor.schedule == schedule(cron));
    if !known {
        let before = state.cron.take();
        let mut begins = Cursor::new(cron, deployed_at);
        if let Some(before) = before {
            begins.owed = before.owed;
            begins.execution = before.execution;
        }
        state.cron = Some(begins);
    }
    state
        .cron
        .get_or_insert_with(|| Cursor::new(cron, deployed_at))
}

/// The first slot that is to be decided, if one is due.
fn due(cron: &Cron, times: &Schedule, until: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let slots = times.between(until, now, MAX_CATCH_UP);
    let in_time = slots.iter().find(|slot| slot.plus(LATE) >= now);
    match cron.catch_up {
        CatchUp::None => in_time,
        CatchUp::Last => in_time.or(slots.last()),
        CatchUp::All => slots.first(),
    }
    .copied()
}

/// Starts the execution of a slot that is owed, and notes that.
async fn settle(place: Place<'_>, look: Look<'_>, slot: Timestamp) -> Result<(), TriggerError> {
    let key = key(look.workflow.id, look.trigger, slot);
    let firing = Firing {
        workflow: look.workflow,
        trigger: look.trigger,
        event: event(slot),
        key: Some(&key),
        execution: look.execution,
        at: look.now,
        durability: Durability::Now,
    };
    let started = match fire(place, firing).await {
        Ok(Submitted::Accepted) => Ok(look.execution),
        Ok(Submitted::Duplicate(first)) => Ok(first),
        Err(error) if error.may_pass() => return Err(error),
        Err(error) => Err(error.to_string()),
    };
    let settled = |state: &mut State| {
        let Some(cursor) = state.cron.as_mut().filter(|c| c.owed == Some(slot)) else {
            return false;
        };
        cursor.owed = None;
        match &started {
            Ok(execution) => {
                cursor.execution = Some(*execution);
                state.last = Some(Fired {
                    at: look.now,
                    outcome: Outcome::Started,
                    slot: Some(slot),
                    execution: Some(*execution),
                });
            }
            Err(why) => state.note(look.now, &format!("slot {slot}: {why}")),
        }
        true
    };
    let which = (&look.workflow.definition.name, look.trigger);
    update(place.records, place.tenant, which, settled).await?;
    Ok(())
}

/// What a slot is as an event.
#[must_use]
pub fn event(slot: Timestamp) -> serde_json::Value {
    json!({ "slot": slot.to_string() })
}

fn key(workflow: WorkflowId, trigger: &TriggerName, slot: Timestamp) -> String {
    let slot = slot.as_millis();
    format!("{}cron/{workflow}/{trigger}/{slot}", crate::start::RESERVED)
}
