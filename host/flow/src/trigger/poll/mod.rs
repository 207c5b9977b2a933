//! What is found by an action that looks for what is new. A poll changes nothing but
//! the trigger's record, in one step: the cursor moves, and the events are owed. They
//! are started then, each under a key of its own, and struck out. So a poll whose
//! result did not get there is as if it had not been, and each event of one that did
//! starts one execution, whoever comes next.
//!
//! - `found`: what an action answers.
//! - `stand`: how far a trigger has looked.

use std::time::Duration;

use serde_json::{Value, json};

use super::state::{Fired, Outcome, State, get, update};
use super::{Firing, Next, Place, TriggerError, fire, running};
use crate::definition::{Overlap, Poll};
use crate::deploy::DeployedWorkflow;
use crate::event::Failure;
use crate::id::{Digest, ExecutionId, NodeId, StepKey, TriggerName};
use crate::ports::{Durability, Identity, ResolvedAction, Submitted};
use crate::time::Timestamp;

mod found;
mod stand;
#[cfg(test)]
mod tests;

pub use found::{Found, MAX_CURSOR, MAX_EVENT_BYTES, MAX_EVENTS};
pub use stand::{Owed, Stand};

/// So many events are started before the record says so.
const AT_ONCE: usize = 100;

/// After the first failure it is tried again in at most this time.
const FIRST_RETRY: Duration = Duration::from_secs(10);

/// A trigger that fails and fails is tried again after so many times its `every`.
const LONGEST_RETRY: u32 = 4;

/// What an action may wish for after a failure, at most.
const LONGEST_WISH: Duration = Duration::from_secs(24 * 60 * 60);

/// Which trigger, and when it is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The newest version of its workflow.
    pub workflow: &'a DeployedWorkflow,
    /// Which of its triggers.
    pub trigger: &'a TriggerName,
    /// Now.
    pub now: Timestamp,
}

/// What to do about a trigger.
#[derive(Debug)]
pub enum Turn {
    /// Look again then.
    Next(Next),
    /// Call its action now, and [`decide`] with what it answers.
    Poll(Box<Asked>),
}

/// A call of a trigger's action.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What the workflow says of it.
    pub poll: Poll,
    /// What it was fixed to.
    pub action: ResolvedAction,
    /// `{config, cursor}`.
    pub input: Value,
    /// Who the call is: the node is `trigger:NAME`, and the execution's id stands for
    /// the poll, equal on each of its attempts. There is no such execution.
    pub identity: Identity,
    /// What the cursor belongs to.
    of: String,
    /// How many polls were decided before.
    number: u64,
    /// When it began.
    at: Timestamp,
}

/// What a trigger of this version polls, whether or not it is due.
///
/// # Errors
/// When the workflow has no such trigger that polls, or its config cannot be made.
pub fn asked(look: Look<'_>, state: &State) -> Result<Asked, TriggerError> {
    let definition = &look.workflow.definition;
    let poll = definition.triggers.get(look.trigger);
    let poll = poll.and_then(|trigger| trigger.poll.as_ref());
    let pinned = |poll: &Poll| look.workflow.actions.get(&poll.action.to_string()).cloned();
    let Some((poll, action)) = poll.and_then(|poll| Some((poll.clone(), pinned(poll)?))) else {
        return Err(TriggerError::Unknown {
            workflow: definition.name.to_string(),
            trigger: look.trigger.clone(),
            version: look.workflow.version,
        });
    };
    let config = poll.config(definition)?;
    let of = stand::of(&action, &config);
    let stand = Stand::at(state, &of, look.workflow.deployed_at);
    let which = format!(
        "poll\0{}\0{}\0{}",
        look.workflow.id, look.trigger, stand.polls
    );
    let began = stand.polled_at.unwrap_or(look.workflow.deployed_at);
    Ok(Asked {
        input: json!({ "config": config, "cursor": stand.cursor }),
        identity: Identity {
            workflow: definition.name.clone(),
            execution: minted(&which, began),
            step: StepKey::root(NodeId::of_trigger(look.trigger)),
            attempt: stand.failures.saturating_add(1),
            restarts: 0,
        },
        number: stand.polls,
        at: look.now,
        poll,
        action,
        of,
    })
}

/// Starts what is owed, or says whether it is time to poll.
///
/// # Errors
/// When the store is in trouble. What else goes wrong is noted at the trigger.
pub async fn turn(place: Place<'_>, look: Look<'_>) -> Result<Turn, TriggerError> {
    let which = (&look.workflow.definition.name, look.trigger);
    let Some((state, _)) = get(place.records, place.tenant, which.0, which.1).await? else {
        return Ok(Turn::Next(Next::Gone));
    };
    if let Some(owed) = state.poll.as_ref().and_then(|stand| stand.owed.as_ref()) {
        settle(place, look, owed).await?;
        return Ok(Turn::Next(Next::Again));
    }
    if !state.enabled {
        return Ok(Turn::Next(Next::At(None)));
    }
    let asked = match asked(look, &state) {
        Ok(asked) => asked,
        Err(TriggerError::Unknown { .. }) => return Ok(Turn::Next(Next::Gone)),
        // It was made when it was deployed: by a version that evaluates otherwise.
        Err(error) => {
            super::trouble(
                place.records,
                place.tenant,
                which,
                look.now,
                &error.to_string(),
            )
            .await?;
            return Ok(Turn::Next(Next::Gone));
        }
    };
    let stand = Stand::at(&state, &asked.of, look.workflow.deployed_at);
    if stand.due > look.now {
        return Ok(Turn::Next(Next::At(Some(stand.due))));
    }
    if asked.poll.overlap == Overlap::Skip
        && let Some(execution) = running(place, stand.execution).await?
    {
        return skip(place, look, &asked, execution).await.map(Turn::Next);
    }
    Ok(Turn::Poll(Box::new(asked)))
}

/// When a trigger must be looked at, as far as its record says.
#[must_use]
pub fn wake_at(look: Look<'_>, state: &State) -> Option<Timestamp> {
    let owes = (state.poll.as_ref()).is_some_and(|stand| stand.owed.is_some());
    if owes {
        return Some(look.now);
    }
    let asked = asked(look, state).ok().filter(|_| state.enabled)?;
    Some(Stand::at(state, &asked.of, look.workflow.deployed_at).due)
}

/// Writes what a poll found, or why it failed, unless another poll was faster or the
/// trigger was switched off meanwhile. Once it returns, it is on disk.
///
/// # Errors
/// When the store is in trouble; the poll may have been decided then.
pub async fn decide(
    place: Place<'_>,
    look: Look<'_>,
    asked: &Asked,
    answer: Result<Found, Failure>,
) -> Result<Next, TriggerError> {
    let mut next = Next::Again;
    let change = |state: &mut State| {
        next = Next::Again;
        if !state.enabled {
            return false;
        }
        let mut stand = Stand::at(state, &asked.of, look.workflow.deployed_at).into_owned();
        if stand.polls != asked.number || stand.owed.is_some() {
            return false;
        }
        match &answer {
            Ok(found) => stand.takes(found, asked.at, asked.poll.every.0),
            Err(failure) => {
                stand.failures = stand.failures.saturating_add(1);
                let pause = pause(asked, stand.failures, failure.retry_after_ms);
                stand.due = look.now.plus(pause);
                state.note(look.now, &failure.to_string());
            }
        }
        if stand.owed.is_none() {
            next = Next::At(Some(stand.due));
        }
        state.poll = Some(stand);
        true
    };
    let which = (&look.workflow.definition.name, look.trigger);
    let found = update(place.records, place.tenant, which, change).await?;
    Ok(found.map_or(Next::Gone, |_| next))
}

/// Passes over a poll, since the execution that was started last runs.
async fn skip(
    place: Place<'_>,
    look: Look<'_>,
    asked: &Asked,
    execution: ExecutionId,
) -> Result<Next, TriggerError> {
    let due = look.now.plus(asked.poll.every.0);
    let skipped = |state: &mut State| {
        let mut stand = Stand::at(state, &asked.of, look.workflow.deployed_at).into_owned();
        if stand.polls != asked.number {
            return false;
        }
        stand.due = due;
        state.poll = Some(stand);
        state.last = Some(Fired {
            at: look.now,
            outcome: Outcome::Skipped,
            slot: None,
            execution: Some(execution),
        });
        true
    };
    let which = (&look.workflow.definition.name, look.trigger);
    update(place.records, place.tenant, which, skipped).await?;
    Ok(Next::At(Some(due)))
}

/// Starts the executions of the first events that are owed, and strikes these out.
async fn settle(place: Place<'_>, look: Look<'_>, owed: &Owed) -> Result<(), TriggerError> {
    let (mut done, mut last, mut stopped) = (0, None, None);
    let mut refused = Vec::new();
    for event in owed.events.iter().take(AT_ONCE) {
        let index = owed.first + done;
        let key = key(look, owed.poll, index);
        let firing = Firing {
            workflow: look.workflow,
            trigger: look.trigger,
            event: json!({ "event": event, "cursor": owed.cursor }),
            key: Some(&key),
            execution: minted(&key, look.now),
            at: look.now,
            durability: Durability::Now,
        };
        match fire(place, firing).await {
            Ok(Submitted::Accepted) => last = Some(minted(&key, look.now)),
            Ok(Submitted::Duplicate(first)) => last = Some(first),
            Err(error) if error.may_pass() => {
                stopped = Some(error);
                break;
            }
            Err(error) => refused.push(format!("event {index} of poll {}: {error}", owed.poll)),
        }
        done += 1;
    }
    let struck = |state: &mut State| {
        let same = |owes: &Owed| (owes.poll, owes.first) == (owed.poll, owed.first);
        let Some(stand) = &mut state.poll else {
            return false;
        };
        if done == 0 || !stand.owed.as_ref().is_some_and(same) {
            return false;
        }
        stand.strike(done);
        if let Some(execution) = last {
            stand.execution = Some(execution);
            state.last = Some(Fired::started(look.now, execution));
        }
        for why in &refused {
            state.note(look.now, why);
        }
        true
    };
    let which = (&look.workflow.definition.name, look.trigger);
    let struck = update(place.records, place.tenant, which, struck).await;
    match stopped {
        Some(error) => Err(error),
        None => Ok(struck.map(drop)?),
    }
}

/// How long a trigger that failed so often is left alone: more each time, and less by
/// up to half by chance, so that those that fail together do not come back together.
fn pause(asked: &Asked, failures: u32, wish_ms: Option<u64>) -> Duration {
    let every = asked.poll.every.0;
    let most = every.saturating_mul(LONGEST_RETRY);
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let whole = every.min(FIRST_RETRY).saturating_mul(doubled).min(most);
    let Identity {
        execution, step, ..
    } = &asked.identity;
    let chance = Digest::of(format!("pause\0{execution}\0{step}\0{failures}").as_bytes());
    let part = u32::from(chance.as_bytes()[0]);
    let pause = whole - whole * part / (2 * 256);
    let wish = Duration::from_millis(wish_ms.unwrap_or(0)).min(LONGEST_WISH);
    pause.max(wish)
}

/// Under which an event's execution is started.
fn key(look: Look<'_>, poll: u64, index: usize) -> String {
    let (workflow, trigger) = (look.workflow.id, look.trigger);
    format!(
        "{}poll/{workflow}/{trigger}/{poll}/{index}",
        crate::start::RESERVED
    )
}

/// An id that follows from a text.
fn minted(text: &str, at: Timestamp) -> ExecutionId {
    let mut entropy = [0; 16];
    entropy.copy_from_slice(&Digest::of(text.as_bytes()).as_bytes()[..16]);
    ExecutionId::mint(at, u128::from_be_bytes(entropy))
}
